"""Derivations that check themselves, slips that are refuted, and the registries of both."""

from coursework.derivations import conv_batch, conv_gradient, conv_slips, kl
from coursework.derivations.core import DERIVATIONS, Derivation, Report, Step, derivation
from coursework.derivations.equality import Status
from coursework.derivations.naming import Named
from coursework.derivations.registry import DerivationError
from coursework.derivations.slips import SLIPS, Claim, Slip, SlipReport, slip

__all__ = [
    "DERIVATIONS",
    "SLIPS",
    "Claim",
    "Derivation",
    "DerivationError",
    "Named",
    "Report",
    "Slip",
    "SlipReport",
    "Status",
    "Step",
    "conv_batch",
    "conv_gradient",
    "conv_slips",
    "derivation",
    "kl",
    "slip",
]
