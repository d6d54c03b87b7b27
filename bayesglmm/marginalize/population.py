"""`population_mean` and `attenuation`: what averaging over random effects does to a mean and to coefficients.

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060: the factors of `attenuation`.
Neuhaus, Kalbfleisch & Hauck (1991), International Statistical Review 59, 25-35: why it is below 1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesglmm.errors import OptionError
from bayesglmm.marginalize.mean import mean_over_b
from bayesglmm.specify.families.links import Link, get_link

__all__ = ["Attenuation", "attenuation", "population_mean"]

type Array = NDArray[np.float64]

_SUM = 1e-9
"""How far the sum of probabilities may be from 1."""


@dataclass(frozen=True, eq=False)
class Attenuation:
    """The linear predictor of the population's mean as a linear function of that at b = 0; `attenuation` makes one.

    Parameters
    ----------
    factor
        What coefficients are multiplied by, shape of the variance: slopes and the intercept.
    shift
        What is added to the intercept after that, same shape; link scale.
    exact
        Whether the function is exact, or an approximation.
    link
        The name of the link.
    """

    factor: Any
    shift: Any
    exact: bool
    link: str

    def marginal(self, eta: ArrayLike) -> Any:
        """Return factor · η + shift, elementwise; link scale."""
        return self.factor * np.asarray(eta, dtype=np.float64) + self.shift


def attenuation(variance: ArrayLike, link: str | Link = "logit") -> Attenuation:
    """Return how coefficients shrink when a mean is averaged over normal random effects.

    With η the linear predictor at b = 0 and zᵀb ~ N(0, v), g(E g⁻¹(η + zᵀb)) = factor · η + shift:

    - identity: η, exact.
    - log: η + v/2, exact: slopes are the same, the intercept is larger.
    - probit: η/√(1 + v), exact.
    - logit: about η/√(1 + c²v), c = 16√3/(15π), c² = 0.346. For the exact mean see `population_mean`.

    Parameters
    ----------
    variance
        v, the variance of the random intercept, or of zᵀb; any shape, link scale squared.
    link
        The link, or its name: `"identity"`, `"log"`, `"probit"` or `"logit"`.

    Returns
    -------
    Attenuation
        `factor` and `shift` have the shape of `variance`.

    Raises
    ------
    OptionError
        For a negative or infinite variance, and for a link under which there is no such function.

    References
    ----------
    Zeger, Liang & Albert (1988).

    Examples
    --------
    >>> round(float(1.1 * attenuation(2, "logit").factor), 2)
    0.85
    """
    v = np.asarray(variance, dtype=np.float64)
    if not (np.isfinite(v) & (v >= 0)).all():
        raise OptionError("a variance is finite and not negative; pass the square of the standard deviation")
    g = link if isinstance(link, Link) else get_link(link)
    one, zero = np.ones_like(v)[()], np.zeros_like(v)[()]
    if g.additive:
        return Attenuation(one, zero, True, g.name)
    if g.multiplicative:
        return Attenuation(one, (v / 2)[()], True, g.name)
    if g == get_link("probit"):
        return Attenuation((1 / np.sqrt(1 + v))[()], zero, True, g.name)
    if g.probit_slope is not None:
        return Attenuation((1 / np.sqrt(1 + g.probit_slope**2 * v))[()], zero, False, g.name)
    raise OptionError(
        f"under the {g.name} link averages are no linear function of the linear predictor, not even nearly: known are "
        "identity, log, probit and logit; population_mean gives the mean itself under every link"
    )


def population_mean(
    eta: ArrayLike,
    sd: ArrayLike | None = None,
    *,
    link: str | Link = "logit",
    values: ArrayLike | None = None,
    probabilities: ArrayLike | None = None,
) -> Any:
    """Average a mean over a random effect b: E g⁻¹(η + b), normal or with finitely many values.

    Parameters
    ----------
    eta
        η, the linear predictor at b = 0, any shape; link scale.
    sd
        The standard deviation of a normal b, a shape that broadcasts with `eta`; link scale.
    link
        The link g, or its name.
    values
        (k,) the values of a discrete b, instead of `sd`; link scale.
    probabilities
        (k,) their probabilities; None where they are equal.

    Returns
    -------
    numpy.ndarray or float
        On the scale of the response, with the shape that `eta` and `sd` broadcast to, that of `eta` for a discrete b.
        For a normal b the absolute error is below 1e-10 where the mean is a probability, and of rounding elsewhere.

    Raises
    ------
    OptionError
        Without exactly one of `sd` and `values`; for a negative sd, probabilities that are none, a link whose mean has
        no average over a normal b, and an η + b at which the inverse of the link is not defined.

    References
    ----------
    Zeger, Liang & Albert (1988); for the quadrature see `bayesglmm.marginalize.mean`.

    Examples
    --------
    >>> round(float(population_mean(1, values=[-2, 0, 2])), 3), round(float(population_mean(1, 0)), 3)
    (0.651, 0.731)
    """
    g = link if isinstance(link, Link) else get_link(link)
    predictor = np.asarray(eta, dtype=np.float64)
    if (sd is None) == (values is None):
        raise OptionError(
            "give either sd= of a normal random effect, or values= (and probabilities=) of a discrete one"
        )
    if values is not None:
        return _discrete(g, predictor, values, probabilities)
    if probabilities is not None:
        raise OptionError("probabilities= are those of values=; a normal random effect has sd= alone")
    deviation = np.asarray(sd, dtype=np.float64)
    if not (np.isfinite(deviation) & (deviation >= 0)).all():
        raise OptionError("sd is a standard deviation: finite and not negative")
    return mean_over_b(g, predictor, np.square(deviation))[()]


def _discrete(link: Link, eta: Array, values: ArrayLike, probabilities: ArrayLike | None) -> Any:
    b = np.asarray(values, dtype=np.float64)
    if b.ndim != 1 or not b.size or not np.isfinite(b).all():
        raise OptionError("values= is a list of finite numbers, the values of the random effect on the link scale")
    p = np.full(b.size, 1 / b.size) if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    if p.shape != b.shape or not (p >= 0).all() or not abs(p.sum() - 1) <= _SUM:
        raise OptionError(f"probabilities= are {b.size} numbers from 0 up that sum to 1, one for each value")
    at = eta[..., None] + b
    if not link.increasing and (at[..., p > 0] <= 0).any():
        raise OptionError(
            f"the inverse of the {link.name} link is defined above 0, and η + b is not above 0 everywhere"
        )
    with np.errstate(all="ignore"):
        means = np.where(p > 0, link.inverse(at), 0.0)
    return (means @ (p / p.sum()))[()]
