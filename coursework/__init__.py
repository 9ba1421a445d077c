"""Generative models, distributions and trainers, and the report that shows them at work."""

__version__ = "0.1.0"
