"""Gauss-Hermite rules for N(0, I), products of one rule a dimension."""

import itertools
from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

__all__ = ["product_rule"]

type Array = NDArray[np.float64]


@lru_cache(maxsize=32)
def product_rule(nodes: int, dimensions: int) -> tuple[Array, Array]:
    """Return points (k, q) and the logarithms (k,) of their weights for ∫ f(v) dN(v; 0, I), k = nodes^q.

    The rule of each dimension is exact for polynomials of degree 2 · nodes − 1. Points whose weight is 0 in double
    precision are left out.
    """
    points, weights = hermegauss(nodes)
    kept = weights > 0
    points, logarithms = points[kept], np.log(weights[kept] / weights.sum())
    grid = np.array(list(itertools.product(points, repeat=dimensions))).reshape(-1, dimensions)
    total = np.array(list(itertools.product(logarithms, repeat=dimensions))).reshape(-1, dimensions).sum(axis=1)
    grid.flags.writeable = total.flags.writeable = False
    return grid, total
