"""Experiments: one file each, with a frozen `Config` and `build(config)`; reached by name through `EXPERIMENTS`."""

from coursework.experiments.registry import EXPERIMENTS, PROFILES, configure

__all__ = ["EXPERIMENTS", "PROFILES", "configure"]
