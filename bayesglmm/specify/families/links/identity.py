"""The identity link: μ = η."""

import numpy as np

from bayesglmm.specify.families.averaging import Closed
from bayesglmm.specify.families.links.link import Link, Pointer

__all__ = ["IDENTITY"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = eta[i]
        b[i] = 0.0
        da[i] = 1.0
        db[i] = 0.0


IDENTITY = Link(
    name="identity",
    range="real",
    link=lambda mu: mu,
    inverse=lambda eta: eta,
    slope=np.ones_like,
    tensor=lambda eta: eta,
    text="{}",
    rows=_rows,
    averaging=Closed(
        mean=lambda eta, v: eta + 0 * v,
        link=lambda eta, v: eta + 0 * v,
        slope=lambda eta, v, d_eta, d_v: d_eta,
        covariance=lambda eta, shared, unshared: shared.copy(),
    ),
    additive=True,
    reading=(
        "With the identity link the population mean E(Y | x), averaged over {factors}, equals the typical subject's; "
        "under other links the two differ."
    ),
)
