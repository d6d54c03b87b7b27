"""The inverse-squared link, R's `1/mu^2`: μ = 1/√η for η > 0, the canonical link of the inverse Gaussian."""

import math

import numpy as np

from bayesglmm.specify.families.averaging import Undefined
from bayesglmm.specify.families.links.link import Link, Pointer, pt

__all__ = ["INVERSE_SQUARED"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = 1.0 / math.sqrt(eta[i]) if eta[i] > 0.0 else math.nan
        b[i] = -0.5 * math.log(eta[i]) if eta[i] > 0.0 else math.nan
        db[i] = -0.5 / eta[i] if eta[i] > 0.0 else math.nan
        da[i] = a[i] * db[i]


INVERSE_SQUARED = Link(
    name="inverse_squared",
    range="positive",
    link=lambda mu: 1 / np.square(mu),
    inverse=lambda eta: 1 / np.sqrt(eta),
    slope=lambda eta: -0.5 / (eta * np.sqrt(eta)),
    tensor=lambda eta: 1 / pt().sqrt(eta),
    text="1/{}²",
    rows=_rows,
    averaging=Undefined("1/√η does not exist below 0"),
    increasing=False,
)
