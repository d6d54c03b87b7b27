"""The inverse link: μ = 1/η for η > 0."""

import math

import numpy as np

from bayesglmm.specify.families.averaging import Undefined
from bayesglmm.specify.families.links.link import Link, Pointer

__all__ = ["INVERSE"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = 1.0 / eta[i] if eta[i] > 0.0 else math.nan
        b[i] = -math.log(eta[i]) if eta[i] > 0.0 else math.nan
        da[i] = -a[i] * a[i]
        db[i] = -a[i]


INVERSE = Link(
    name="inverse",
    range="positive",
    link=np.reciprocal,
    inverse=np.reciprocal,
    slope=lambda eta: -1 / np.square(eta),
    tensor=lambda eta: 1 / eta,
    text="1/{}",
    rows=_rows,
    averaging=Undefined("1/η is not integrable at 0"),
    increasing=False,
)
