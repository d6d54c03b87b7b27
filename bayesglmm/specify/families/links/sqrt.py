"""The square-root link: μ = η²."""

import math

import numpy as np

from bayesglmm.specify.families.averaging import Closed
from bayesglmm.specify.families.links.link import Link, Pointer, pt

__all__ = ["SQRT"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = eta[i] * eta[i]
        b[i] = 2.0 * math.log(abs(eta[i])) if eta[i] != 0.0 else -math.inf
        da[i] = 2.0 * eta[i]
        db[i] = 2.0 / eta[i] if eta[i] != 0.0 else 0.0


SQRT = Link(
    name="sqrt",
    range="positive",
    link=np.sqrt,
    inverse=np.square,
    slope=lambda eta: 2 * eta,
    tensor=lambda eta: pt().sqr(eta),
    text="√{}",
    rows=_rows,
    averaging=Closed(
        mean=lambda eta, v: np.square(eta) + v,
        link=lambda eta, v: np.sqrt(np.square(eta) + v),
        slope=lambda eta, v, d_eta, d_v: 2 * eta * d_eta + d_v,
        covariance=lambda eta, shared, unshared: 2 * shared**2 + 4 * eta**2 * shared,
    ),
    increasing=False,
)
