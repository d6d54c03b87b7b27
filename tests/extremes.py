"""Rows of data at the ends of what a family takes: of its counts, its parameters and its linear predictor."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from bayesglmm.specify.families.links import get_link

__all__ = ["SHAPES", "SIZES", "Case", "counts", "positives", "shares", "trials", "whole_line", "with_parameter"]

SIZES = (1e-30, 1e-13, 1e-6, 0.1, 3.0, 50.0, 1e4, 1e8, 1e12, 1e16, 1e30, 1e100)
"""Of φ and ν: a count does not know a size of 1e100 from an infinite one."""

SHAPES = (1e-30, 1e-13, 1e-6, 0.1, 3.0, 50.0, 1e4, 1e8, 1e10)
"""Of shapes and precisions: beyond, the last digit of the mean is a part of a standard deviation."""

type Case = tuple[str, float, float, float, tuple[float, ...]]
"""Link, y, trials, η, parameters."""


def with_parameter(cases: Iterable[Case], values: Iterable[float]) -> list[Case]:
    """Return each case with each value of one more parameter."""
    values = tuple(values)
    return [(*case, (*parameters, value)) for *case, parameters in cases for value in values]


def counts() -> Iterator[Case]:
    for mu in (1e-6, 0.5, 20.0, 1e4, 1e7, 1e9, 1e12):
        around = {0.0, 1.0, *(float(round(y)) for y in (mu, mu + mu**0.5, 1.3 * mu, 3 * mu, mu / 4))}
        for y in sorted(around):
            yield "log", y, 1.0, math.log(mu), ()
            yield "sqrt", y, 1.0, math.sqrt(mu), ()
    for eta in (-300.0, -40.0, 40.0, 300.0):
        for y in (0.0, 3.0, 1e6):
            yield "log", y, 1.0, eta, ()


def trials(links: tuple[str, ...]) -> Iterator[Case]:
    for link in links:
        for eta in (-700.0, -37.0, -8.1, -3.0, -0.2, 0.0, 0.5, 3.0, 8.1, 37.0, 700.0):
            p = float(get_link(link).inverse(np.array(eta)))
            for n in (1.0, 10.0, 1e4, 1e6, 1e9):
                spread = (n * p * (1 - p)) ** 0.5
                for y in {0.0, 1.0, n - 1, n, *(float(round(y)) for y in (n * p, n * p + spread, 0.7 * n * p, n / 2))}:
                    if 0 <= y <= n:
                        yield link, y, n, eta, ()


def positives(links: tuple[str, ...]) -> Iterator[Case]:
    for ratio in (1e-8, 0.3, 0.999, 1.0, 1 + 1e-7, 1.5, 4.0, 1e6):
        for link in links:
            for eta in (-30.0, 0.7, 30.0) if link == "log" else (1e-6, 3.0, 1e6):
                yield link, float(get_link(link).inverse(np.array(eta))) * ratio, 1.0, eta, ()


def shares() -> Iterator[Case]:
    for eta in (-30.0, -2.0, 0.1, 3.0, 30.0):
        p = 1 / (1 + math.exp(-eta))
        for y in (1e-300, 1e-10, 0.2, 0.5, 0.9, 1 - 2.0**-53, p, p * (1 - 1e-6), 0.7 * p):
            yield "logit", y, 1.0, eta, ()


def whole_line(links: tuple[str, ...]) -> Iterator[Case]:
    """Yield cases whose parameter is a standard deviation."""
    for link in links:
        for sigma in (1e-12, 1e-4, 1.0, 1e12):
            for away in (0.0, 1e-3, 1.0, 8.0, 1e4):
                eta = 3 * sigma if link == "identity" else math.log(3 * sigma)
                yield link, 3 * sigma + away * sigma, 1.0, eta, (sigma,)
