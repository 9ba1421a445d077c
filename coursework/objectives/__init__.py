"""Objectives: plain functions to a loss and its terms, each summed over event dimensions; a module per kind."""

from jaxtyping import Float
from torch import Tensor

Terms = dict[str, Float[Tensor, " batch"]]
"""Name → value per example."""
