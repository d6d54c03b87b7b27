"""The probit link: μ = Φ(η), the distribution function of a normal variable.

References
----------
Owen (1956), Annals of Mathematical Statistics 27, 1075-1090: the bivariate normal probability.
"""

from typing import Any

import numpy as np
from scipy import special

from bayesglmm.specify.families.averaging import Array, Closed
from bayesglmm.specify.families.links.link import Link, Pointer, pt
from bayesglmm.specify.families.special import log_ndtr, mills

__all__ = ["PROBIT"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = log_ndtr(eta[i])
        b[i] = log_ndtr(-eta[i])
        da[i] = mills(eta[i])
        db[i] = -mills(-eta[i])


def _log_odds(eta: Any) -> Any:
    """Return log Φ(η) − log Φ(−η), the smaller of the two by erfcx, which does not underflow.

    PyMC's `normal_lcdf` takes √2 in single precision and is wrong in the eighth digit.
    """
    tensor = pt()
    z = tensor.switch(eta < 0, -eta, eta) / np.sqrt(2)
    odds = tensor.log1p(-tensor.erfc(z) / 2) - tensor.log(tensor.erfcx(z) / 2) + tensor.sqr(z)
    return tensor.switch(eta < 0, -odds, odds)


def _slope_of_mean(eta: Array, v: Array, d_eta: Array, d_v: Array) -> Array:
    root = np.sqrt(1 + v)
    u = eta / root
    density = np.exp(-np.square(u) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(density * (d_eta - u * d_v / (2 * root)) / root)


def _covariance(eta: Array, shared: Array, unshared: Array) -> Array:
    """Return Φ₂(h, h; ρ) − Φ(h)², h = η/√(1 + v), ρ = v₁/(1 + v), by Owen's T: Φ₂ = Φ(h) − 2T(h, √((1−ρ)/(1+ρ)))."""
    total = 1 + shared + unshared
    h, rho = eta / np.sqrt(total), shared / total
    both = special.ndtr(h) - 2 * special.owens_t(h, np.sqrt((1 - rho) / (1 + rho)))
    return np.asarray(np.where(shared > 0, both - special.ndtr(h) ** 2, 0.0))


PROBIT = Link(
    name="probit",
    range="unit",
    link=special.ndtri,
    inverse=special.ndtr,
    slope=lambda eta: np.exp(-np.square(eta) / 2) / np.sqrt(2 * np.pi),
    tensor=lambda eta: pt().erfc(-eta / np.sqrt(2)) / 2,
    text="probit {}",
    rows=_rows,
    tensor_log_odds=_log_odds,
    averaging=Closed(
        mean=lambda eta, v: special.ndtr(eta / np.sqrt(1 + v)),
        link=lambda eta, v: eta / np.sqrt(1 + v),
        slope=_slope_of_mean,
        covariance=_covariance,
    ),
    unit=1.0,
    symmetric=True,
    latent_variance=1.0,
    latent_text="1",
)
