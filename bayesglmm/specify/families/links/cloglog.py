"""The complementary log-log link: μ = 1 − exp(−exp(η)), the distribution function of −L for L Gumbel."""

import math
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.specify.families.averaging import Array, Latent
from bayesglmm.specify.families.links.link import Link, Pointer, pt

__all__ = ["CLOGLOG"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        rate = math.exp(eta[i])
        b[i] = -rate
        db[i] = -rate
        if rate < 1e-12:
            a[i] = eta[i] - 0.5 * rate
            da[i] = 1.0
        elif rate < 700.0:
            a[i] = math.log(-math.expm1(-rate)) if rate < 5.0 else math.log1p(-math.exp(-rate))
            da[i] = rate / math.expm1(rate)
        else:
            a[i] = 0.0
            da[i] = 0.0


def _log_odds(eta: Any) -> Any:
    """Return log(exp(e^η) − 1): e^η less a vanishing term where e^η > 1, η + e^η/2 + … where it is small."""
    tensor = pt()
    rate = tensor.exp(eta)
    within = tensor.minimum(tensor.maximum(rate, 1e-8), 1.0)
    left = tensor.switch(eta < -15, eta + rate / 2, tensor.log(tensor.expm1(within)))
    right = rate + tensor.log(-tensor.expm1(-tensor.maximum(rate, 1.0)))
    return tensor.switch(rate < 1, left, right)


def _log_survival(eta: Array, s: Array) -> Array:
    """Return log E exp(−exp(η + s z)), shape (n,), where it is far below 0; s = 0 is allowed.

    The trapezoid is centred where the integrand is largest, z = −w/s with w = W(s² e^η), Lambert's function.
    To the right the integrand falls as its curvature there says, 1 + w; to the left no slower than
    exp(−w |z|/s), nor than a normal density.
    """
    s = np.maximum(s, 1e-8)
    log_argument = 2 * np.log(s) + eta
    large = np.maximum(log_argument, 700.0)
    w = np.asarray(special.lambertw(np.exp(np.minimum(log_argument, 700.0))).real)
    w = np.where(log_argument > 700.0, large - np.log(large), w)
    right = 14 / np.sqrt(1 + w)
    left = np.minimum(9.0, np.maximum(right, 40 * s / w + 2 / s))
    steps = 600
    z = -left[:, None] + (left + right)[:, None] * np.linspace(0, 1, steps + 1)
    slope, curve = (w / s)[:, None], s[:, None]
    with np.errstate(over="ignore"):
        exponent = -slope / curve * (np.expm1(curve * z) - curve * z) - z**2 / 2
    total = np.exp(exponent).sum(axis=1) * (left + right) / steps / np.sqrt(2 * np.pi)
    return np.asarray(np.log(total) - w / s**2 - (w / s) ** 2 / 2)


CLOGLOG = Link(
    name="cloglog",
    range="unit",
    link=lambda mu: np.log(-np.log1p(-mu)),
    inverse=lambda eta: -np.expm1(-np.exp(eta)),
    slope=lambda eta: np.exp(eta - np.exp(eta)),
    tensor=lambda eta: -pt().expm1(-pt().exp(eta)),
    text="cloglog {}",
    rows=_rows,
    tensor_log_odds=_log_odds,
    averaging=Latent(
        lambda x: -np.expm1(-np.exp(x)),
        ((0.6, 0.33), (1.2, 0.33), (1.8, 0.33), (2.4, 0.33)),
        step=0.3,
        log_density=lambda x: x - np.exp(x),
        support=(-70, 4.3),
        gauss=((2.4, 28),),
        near_one=lambda eta, s: np.log(-_log_survival(eta, s)),
    ),
    unit=1.0,
    latent_variance=np.pi**2 / 6,
    latent_text="π²/6",
)
