"""The cauchit link: μ = 1/2 + arctan(η)/π, the distribution function of a Cauchy variable.

References
----------
NIST Digital Library of Mathematical Functions, 7.10 and 7.19: derivatives of w, Voigt functions.
"""

import math
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.specify.families.averaging import Array, Latent
from bayesglmm.specify.families.links.link import Link, Pointer, pt

__all__ = ["CAUCHIT"]

_TERMS = 28
"""Terms of the series in 1/√v: at √v = 1, the smallest it is used for, the last is below 1e-14."""


def _inverse(eta: Array) -> Array:
    return np.asarray(np.arctan2(1.0, -eta) / np.pi)


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        p = math.atan2(1.0, -eta[i]) / math.pi
        q = math.atan2(1.0, eta[i]) / math.pi
        density = 1.0 / (math.pi * (1.0 + eta[i] * eta[i]))
        a[i] = math.log(p) if p < 0.9 else math.log1p(-q)
        b[i] = math.log(q) if q < 0.9 else math.log1p(-p)
        da[i] = density / p
        db[i] = -density / q


def _log_odds(eta: Any) -> Any:
    """Return log μ − log(1 − μ), both tails as angles, which lose no digits where 1/2 − arctan(η)/π does."""
    tensor = pt()
    return tensor.log(tensor.arctan2(1.0, -eta)) - tensor.log(tensor.arctan2(1.0, eta))


def _series(x: Array, y: Array) -> Array:
    """Return E Φ(x − y C) for a standard Cauchy C, |x| ≤ 7.5 and 0 < y ≤ 1, all of shape (n,).

    It is 1/2 + Im K(y + ix)/π, where K′ = M is the Mills ratio M(u) = √(π/2) erfcx(u/√2), an entire function;
    K is expanded in y about ix. With the n-th derivative of M at ix written iⁿ(aₙ + i bₙ), M″ = u M′ + M
    and its derivatives give both sequences the recurrence of the Hermite polynomials, cₙ₊₁ = x cₙ − n cₙ₋₁.
    """
    a, b = np.sqrt(np.pi / 2) * np.exp(-np.square(x) / 2), -np.sqrt(2) * special.dawsn(x / np.sqrt(2))
    a_next, b_next = x * a, x * b + 1
    total, power = np.zeros_like(x), y
    for n in range(_TERMS):
        imaginary = b if n % 2 == 0 else a
        total += power * imaginary if n % 4 < 2 else -power * imaginary
        power = power * y / (n + 2)
        a, a_next = a_next, x * a_next - (n + 1) * a
        b, b_next = b_next, x * b_next - (n + 1) * b
    total += np.pi * special.ndtr(x)
    return total / np.pi


CAUCHIT = Link(
    name="cauchit",
    range="unit",
    link=lambda mu: -1 / np.tan(np.pi * mu),
    inverse=_inverse,
    slope=lambda eta: 1 / (np.pi * (1 + np.square(eta))),
    tensor=lambda eta: pt().arctan2(1.0, -eta) / np.pi,
    text="cauchit {}",
    rows=_rows,
    tensor_log_odds=_log_odds,
    averaging=Latent(  # a Cauchy variable has no moments, so no Gauss rule
        lambda x: 0.5 + np.arctan(x) / np.pi,
        ((0.5, 0.22), (0.75, 0.22), (1.0, 0.22)),
        step=0.2,
        beyond=lambda eta, s: _series(eta / s, 1 / s),
    ),
    unit=1.0,
    symmetric=True,
    latent_text="the latent variable of the cauchit link has no variance",
)
