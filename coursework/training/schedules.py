"""Schedules: step → factor on the rates; pure functions."""

import math


def warm_half_cosine(step: int, num_steps: int, warm_fraction: float = 0.03) -> float:
    """A linear rise over the first `warm_fraction` of the steps times `half_cosine`.

    >>> warm_half_cosine(0, 100, 0.1), warm_half_cosine(9, 100, 0.1) == half_cosine(9, 100)
    (0.1, True)
    """
    return rise(step, num_steps, warm_fraction) * half_cosine(step, num_steps)


def rise(step: int, num_steps: int, fraction: float) -> float:
    """From almost 0 at step 0 in equal steps to 1 after `fraction` of them, 1 from there on.

    >>> [rise(step, 10, 0.4) for step in (0, 1, 3, 9)], rise(0, 10, 0.0)
    ([0.25, 0.5, 1.0, 1.0], 1.0)
    """
    return min(1.0, (step + 1) / max(1.0, fraction * num_steps))


def half_cosine(step: int, num_steps: int) -> float:
    """From 1 at step 0 along half a cosine towards 0 at `num_steps`.

    Reference: Loshchilov and Hutter, arXiv:1608.03983, equation 5 without restarts.

    >>> half_cosine(0, 10), round(half_cosine(5, 10), 3)
    (1.0, 0.5)
    """
    return 0.5 * (1 + math.cos(math.pi * step / num_steps))


def geometric(step: int, num_steps: int, start: float, end: float, fraction: float = 1.0) -> float:
    """From `start` to `end` in equal ratios over the first `fraction` of the steps, `end` from there on.

    >>> [geometric(step, 10, 1.0, 0.25, 0.4) for step in (0, 2, 4, 9)]
    [1.0, 0.5, 0.25, 0.25]
    """
    return start * (end / start) ** min(1.0, step / (fraction * num_steps))
