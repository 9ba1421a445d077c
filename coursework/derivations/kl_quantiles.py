"""Divergences by quadrature over quantiles: the oracle that the closed forms are compared with."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

Number = float | Tensor


def over_shares(term: Callable[[np.ndarray], np.ndarray], *cuts: float) -> float:
    """∫ term(share) over shares 0…½, by Gauss–Legendre rules on pieces that shrink a hundredfold each towards zero.

    Args:
        term: may grow like a logarithm towards zero.
        cuts: further places where it is not smooth.
    """
    nodes, weights = np.polynomial.legendre.leggauss(60)
    inside = [cut for cut in cuts if 0 < cut < 0.5]
    edges = np.unique([0, *(10.0 ** np.arange(-18, -1, 2)), *inside, 0.5])
    width = np.diff(edges) / 2
    shares = edges[:-1, None] + width[:, None] * (nodes + 1)
    return float((width[:, None] * weights * term(shares)).sum())


def over_quantiles(law: Callable[..., Any]) -> Callable[..., float]:
    """The divergence as the mean of log q − log p over the quantiles of q, from either end; both laws are scipy's."""

    def integral(loc_q: Number, scale_q: Number, loc_p: Number, scale_p: Number) -> float:
        q, p = law(float(loc_q), float(scale_q)), law(float(loc_p), float(scale_p))
        kinks = float(q.cdf(float(loc_p))), float(q.sf(float(loc_p)))  # where p's density may have one
        points = (q.ppf, q.isf)
        return sum(over_shares(_log_ratio(q, p, point), *kinks) for point in points)

    return integral


def _log_ratio(q: Any, p: Any, point: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda share: q.logpdf(point(share)) - p.logpdf(point(share))
