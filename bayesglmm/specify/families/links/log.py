"""The log link: μ = exp(η)."""

import numpy as np

from bayesglmm.specify.families.averaging import Closed
from bayesglmm.specify.families.links.link import Link, Pointer, pt
from bayesglmm.specify.families.special import exp

__all__ = ["LOG"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = exp(eta[i])
        b[i] = eta[i]
        da[i] = a[i]
        db[i] = 1.0


LOG = Link(
    name="log",
    range="positive",
    link=np.log,
    inverse=np.exp,
    slope=np.exp,
    tensor=lambda eta: pt().exp(eta),
    text="log {}",
    rows=_rows,
    averaging=Closed(  # the mean and the covariance of lognormal variables
        mean=lambda eta, v: np.exp(eta + v / 2),
        link=lambda eta, v: eta + v / 2,
        slope=lambda eta, v, d_eta, d_v: np.exp(eta + v / 2) * (d_eta + d_v / 2),
        covariance=lambda eta, shared, unshared: np.exp(2 * eta + shared + unshared) * np.expm1(shared),
    ),
    unit=1.0,
    multiplicative=True,
    reading=(
        "Averaged over {factors}, the population mean E(Y | x) is exp(zᵀGz/2) times the typical subject's, with z the "
        "columns {columns} of the random effects. The intercept and the coefficients of what makes up these columns "
        "differ between the two; all other coefficients are the same for both."
    ),
)
