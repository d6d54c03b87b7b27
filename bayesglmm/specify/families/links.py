"""Link functions: g(μ) = η, its inverse and the range of μ, in numpy and as a PyTensor expression.

References
----------
McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., chapters 2 and 4.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import FamilyError, suggest
from bayesglmm.specify.families.averaging import (
    CAUCHY,
    EXPONENTIAL,
    GUMBEL,
    LOGISTIC,
    NORMAL,
    QUADRATIC,
    SETTLED,
    SHIFT,
    Averaging,
    Undefined,
)
from bayesglmm.specify.families.special import exp, log_ndtr, mills, twice_artanh

__all__ = ["LINKS", "Link", "Range", "get_link"]

type Array = NDArray[np.float64]
type Pointer = Any
"""An array, or a C pointer to doubles once compiled."""
type Range = Literal["real", "positive", "unit"]


def _no_log_odds(eta: Any) -> Any:
    raise FamilyError("only a link to probabilities has log odds")


@dataclass(frozen=True)
class Link:
    """A link function, and everything that the package wants to know of one.

    A new link says the first eight; the rest has defaults that hold for every link.

    Parameters
    ----------
    name
        Its name.
    range
        Where μ lives: the whole line, above zero, or between 0 and 1.
    link
        g: the mean to the linear predictor.
    inverse
        g⁻¹: the linear predictor to the mean; finite and in range for |η| up to 700 (the inverse link: η above 0).
    slope
        dμ/dη as a function of η.
    tensor
        g⁻¹ as a PyTensor expression.
    text
        g(μ) in mathematical notation, `{}` standing for μ.
    rows
        From n and η (n,) four arrays (n,), written: μ, log μ and their derivatives by η; with range
        `"unit"` log μ, log(1 − μ) and theirs. Plain scalar Python that numba compiles as it stands.
    tensor_log_odds
        log(μ / (1 − μ)) of η as a PyTensor expression, accurate in both tails; only with range `"unit"`.
    averaging
        How the mean is averaged over a normal η: in closed form, as the distribution function of a latent variable,
        by a trapezoid that is refined until it settles, or not at all, with the reason.
    unit
        The step of η that default priors are made of: 1 where it means something by itself, as a factor of e
        or a log odds does. None for the sd of g(y) to first order, and under a link to probabilities for what moves
        a probability of one half as far as a unit of log odds does.
    additive
        Whether η is the mean itself: then an average over random effects is that at b = 0.
    multiplicative
        Whether g⁻¹(η + o) = g⁻¹(η) exp(o): then the exponential of an offset is an exposure, and a mean of 0 is
        reached only as η falls without end.
    log_odds
        Whether η is the log odds itself.
    increasing
        Whether the mean rises with η on the whole line.
    symmetric
        Whether g⁻¹(−η) = 1 − g⁻¹(η).
    latent_variance, latent_text
        The variance of the latent variable whose distribution function is g⁻¹, and how it is written. Without the first
        the second says why, in a clause.
    probit_slope
        c of g⁻¹(η) ≈ Φ(c η), which some approximate averages by.
    reading
        What averaging over random effects does to the mean, in sentences for a report; `{factors}` and `{columns}`
        stand for those of the model. Empty for what holds of every link.

    References
    ----------
    McCullagh & Nelder (1989).
    """

    name: str
    range: Range
    link: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    tensor: Callable[[Any], Any]
    text: str
    rows: Callable[[int, Pointer, Pointer, Pointer, Pointer, Pointer], None]
    tensor_log_odds: Callable[[Any], Any] = _no_log_odds
    averaging: Averaging = SETTLED
    unit: float | None = None
    additive: bool = False
    multiplicative: bool = False
    log_odds: bool = False
    increasing: bool = True
    symmetric: bool = False
    latent_variance: float | None = None
    latent_text: str = ""
    probit_slope: float | None = None
    reading: str = ""

    @property
    def averages(self) -> bool:
        """Whether the mean has an average over normal random effects."""
        return not isinstance(self.averaging, Undefined)

    @property
    def scale(self) -> str:
        """What the scale of the linear predictor is called."""
        return "scale of the outcome (identity link)" if self.additive else f"{self.name} scale"

    def __repr__(self) -> str:
        """Return the name; the functions say nothing in print."""
        return f"Link({self.name!r})"


def _pt() -> Any:
    import pytensor.tensor as pt

    return pt


def _probit_log_odds(eta: Any) -> Any:
    """Return log Φ(η) − log Φ(−η), the smaller of the two by erfcx, which does not underflow.

    PyMC's `normal_lcdf` takes √2 in single precision and is wrong in the eighth digit.
    """
    pt = _pt()
    z = pt.switch(eta < 0, -eta, eta) / np.sqrt(2)
    odds = pt.log1p(-pt.erfc(z) / 2) - pt.log(pt.erfcx(z) / 2) + pt.sqr(z)
    return pt.switch(eta < 0, -odds, odds)


def _cloglog_log_odds(eta: Any) -> Any:
    """log(e^{e^η} − 1): e^η less a vanishing term on the right, η plus half of e^η on the left."""
    pt = _pt()
    rate = pt.exp(eta)
    left = pt.switch(eta < -15, eta + rate / 2, pt.log(pt.expm1(pt.minimum(pt.maximum(rate, 1e-8), 1.0))))
    right = rate + pt.log(-pt.expm1(-pt.maximum(rate, 1.0)))
    return pt.switch(rate < 1, left, right)


def _cauchit_log_odds(eta: Any) -> Any:
    """Both tails as angles, which lose no digits where 1/2 − arctan(η)/π does."""
    pt = _pt()
    return pt.log(pt.arctan2(1.0, -eta)) - pt.log(pt.arctan2(1.0, eta))


def _cauchit_inverse(eta: Array) -> Array:
    mu: Array = np.arctan2(1.0, -eta) / np.pi
    return mu


def _identity_rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = eta[i]
        b[i] = 0.0
        da[i] = 1.0
        db[i] = 0.0


def _log_rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = exp(eta[i])
        b[i] = eta[i]
        da[i] = a[i]
        db[i] = 1.0


def _sqrt_rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = eta[i] * eta[i]
        b[i] = 2.0 * math.log(abs(eta[i])) if eta[i] != 0.0 else -math.inf
        da[i] = 2.0 * eta[i]
        db[i] = 2.0 / eta[i] if eta[i] != 0.0 else 0.0


def _inverse_rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = 1.0 / eta[i] if eta[i] > 0.0 else math.nan
        b[i] = -math.log(eta[i]) if eta[i] > 0.0 else math.nan
        da[i] = -a[i] * a[i]
        db[i] = -a[i]


def _logit_rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        da[i] = exp(-abs(eta[i]))
    for i in range(n):  # a loop of its own: in one, a processor has too few rows under way
        tail = da[i]
        both = 1.0 / ((1.0 + tail) * (2.0 + tail))
        small = twice_artanh(tail * (1.0 + tail) * both)
        p = (2.0 + tail) * both
        q = tail * p
        positive = eta[i] > 0.0
        a[i] = -small if positive else eta[i] - small
        b[i] = -eta[i] - small if positive else -small
        da[i] = q if positive else p
        db[i] = -p if positive else -q


def _probit_rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        a[i] = log_ndtr(eta[i])
        b[i] = log_ndtr(-eta[i])
        da[i] = mills(eta[i])
        db[i] = -mills(-eta[i])


def _cloglog_rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
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


def _cauchit_rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        p = math.atan2(1.0, -eta[i]) / math.pi
        q = math.atan2(1.0, eta[i]) / math.pi
        density = 1.0 / (math.pi * (1.0 + eta[i] * eta[i]))
        a[i] = math.log(p) if p < 0.9 else math.log1p(-q)
        b[i] = math.log(q) if q < 0.9 else math.log1p(-p)
        da[i] = density / p
        db[i] = -density / q


_IDENTITY = Link(
    "identity",
    "real",
    lambda mu: mu,
    lambda eta: eta,
    np.ones_like,
    lambda eta: eta,
    "{}",
    _identity_rows,
    averaging=SHIFT,
    additive=True,
    reading=(
        "With the identity link the population mean E(Y | x), averaged over {factors}, equals the typical subject's; "
        "under other links the two differ."
    ),
)

_LOG = Link(
    "log",
    "positive",
    np.log,
    np.exp,
    np.exp,
    lambda eta: _pt().exp(eta),
    "log {}",
    _log_rows,
    averaging=EXPONENTIAL,
    unit=1.0,
    multiplicative=True,
    reading=(
        "Averaged over {factors}, the population mean E(Y | x) is exp(zᵀGz/2) times the typical subject's, with z the "
        "columns {columns} of the random effects. The intercept and the coefficients of what makes up these columns "
        "differ between the two; all other coefficients are the same for both."
    ),
)

_SQRT = Link(
    "sqrt",
    "positive",
    np.sqrt,
    np.square,
    lambda eta: 2 * eta,
    lambda eta: _pt().sqr(eta),
    "√{}",
    _sqrt_rows,
    averaging=QUADRATIC,
    increasing=False,
)

_INVERSE = Link(
    "inverse",
    "positive",
    np.reciprocal,
    np.reciprocal,
    lambda eta: -1 / np.square(eta),
    lambda eta: 1 / eta,
    "1/{}",
    _inverse_rows,
    averaging=Undefined("1/η is not integrable at 0"),
    increasing=False,
)

_LOGIT = Link(
    "logit",
    "unit",
    special.logit,
    special.expit,
    lambda eta: special.expit(eta) * special.expit(-eta),
    lambda eta: _pt().sigmoid(eta),
    "logit {}",
    _logit_rows,
    lambda eta: eta,
    averaging=LOGISTIC,
    unit=1.0,
    log_odds=True,
    symmetric=True,
    latent_variance=np.pi**2 / 3,
    latent_text="π²/3",
    probit_slope=float(16 * np.sqrt(3) / (15 * np.pi)),
)

_PROBIT = Link(
    "probit",
    "unit",
    special.ndtri,
    special.ndtr,
    lambda eta: np.exp(-np.square(eta) / 2) / np.sqrt(2 * np.pi),
    lambda eta: _pt().erfc(-eta / np.sqrt(2)) / 2,
    "probit {}",
    _probit_rows,
    _probit_log_odds,
    averaging=NORMAL,
    unit=1.0,
    symmetric=True,
    latent_variance=1.0,
    latent_text="1",
)

_CLOGLOG = Link(
    "cloglog",
    "unit",
    lambda mu: np.log(-np.log1p(-mu)),
    lambda eta: -np.expm1(-np.exp(eta)),
    lambda eta: np.exp(eta - np.exp(eta)),
    lambda eta: -_pt().expm1(-_pt().exp(eta)),
    "cloglog {}",
    _cloglog_rows,
    _cloglog_log_odds,
    averaging=GUMBEL,
    unit=1.0,
    latent_variance=np.pi**2 / 6,
    latent_text="π²/6",
)

_CAUCHIT = Link(
    "cauchit",
    "unit",
    lambda mu: -1 / np.tan(np.pi * mu),
    _cauchit_inverse,
    lambda eta: 1 / (np.pi * (1 + np.square(eta))),
    lambda eta: _pt().arctan2(1.0, -eta) / np.pi,
    "cauchit {}",
    _cauchit_rows,
    _cauchit_log_odds,
    averaging=CAUCHY,
    unit=1.0,
    symmetric=True,
    latent_text="the latent variable of the cauchit link has no variance",
)

LINKS: dict[str, Link] = {
    link.name: link for link in (_IDENTITY, _LOG, _SQRT, _INVERSE, _LOGIT, _PROBIT, _CLOGLOG, _CAUCHIT)
}
"""Every link of the package, by name."""


def get_link(name: str) -> Link:
    """Return a link by its name.

    Raises
    ------
    FamilyError
        If there is none of that name.
    """
    if not isinstance(name, str) or name not in LINKS:
        raise FamilyError(f"link={name!r} is not a link; {suggest(str(name), LINKS)}")
    return LINKS[name]
