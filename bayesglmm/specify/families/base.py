"""`Family`: links, parameters, support, variance, draws, PyMC distribution and row log likelihood.

What a new family, link or prior needs, with an example of each, stands in `docs/extending.md`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import FamilyError, ResponseError, listing, suggest
from bayesglmm.specify.families.links import LINKS, Link, get_link
from bayesglmm.specify.families.merging import Merge

__all__ = [
    "LARGE",
    "Array",
    "Family",
    "Parameter",
    "Pointer",
    "Pointers",
    "Predictors",
    "Residual",
    "Rule",
    "whole",
]

type Array = NDArray[np.float64]
type Pointer = Any
"""An array, or a C pointer to doubles in compiled code."""

type Pointers = tuple[Pointer, ...]
"""One array a parameter, that of the linear predictor first."""

type Predictors = tuple[tuple[Pointer, Pointer, Pointer, Pointer], ...]
"""What a kernel reads of each parameter: the four arrays of the link for the mean; then of each parameter beside it the
value, its logarithm, and their derivatives by what the parameter is predicted by (today the value itself)."""

LARGE = 8192.0
"""The count above which a row's log density is computed relative to its maximum over μ, to avoid cancellation."""


@dataclass(frozen=True)
class Parameter:
    """A family parameter.

    Parameters
    ----------
    name
        Its usual name.
    about
        What it is, with the variance of an outcome.
    default
        Its prior in string form. `{scale}` stands for 2.5 standard deviations of the response, and marks a parameter
        in units of the response.
    presets
        Its prior in string form by preset, for `"brms"` and `"rstanarm"`.
    """

    name: str
    about: str
    default: str
    presets: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_units_of_response(self) -> bool:
        """Whether it is measured in units of the response, as a residual standard deviation is."""
        return "{scale}" in self.default


@dataclass(frozen=True)
class Rule:
    """A condition on the support that every row of the response obeys.

    Parameters
    ----------
    broken
        (y, trials) → which rows break it, all (n,).
    reason
        What is wrong with these rows and what to do.
    """

    broken: Callable[[Array, Array], NDArray[np.bool_]]
    reason: str


@dataclass(frozen=True)
class Residual:
    """A residual ε on the scale of the linear predictor: g(y) = η + ε.

    Parameters
    ----------
    variance
        parameters by name → the variance of ε.
    text
        How that variance is written.
    under
        link → whether g(y) = η + ε under it.
    """

    variance: Callable[[Mapping[str, Array]], Array]
    text: str
    under: Callable[[Link], bool]


@dataclass(frozen=True)
class Family:
    """A family of distributions with its link.

    Parameters
    ----------
    name
        Its name.
    link
        The link in use.
    links
        The links it may have by name, the default first.
    outcome_type
        What an outcome is: it decides how the response may be written.
    parameters
        Its parameters beside the mean.
    rules
        The support of its outcomes.
    variance
        (μ, parameters by name, trials) → the variance of an outcome, arrays that broadcast.
    draw
        (generator, μ, parameters by name, trials) → outcomes of the shape of μ.
    distribution
        (η, link, parameters by name, trials) → the keyword arguments of the PyMC distribution, as tensors.
    pymc
        The name of the PyMC distribution.
    rows
        (n, y, trials, at, ll, d): writes the log likelihood of each row without `constant` to ll (n,), and its
        derivatives to d: by η to d[0] (n,), by each parameter in order to d[1], … `at` is `Predictors`: at[0] are a, b
        and their derivatives by η as the link's `rows` write them, at[1] is (value, log value, and the derivatives of
        both, by which the derivative of the log likelihood by the parameter is multiplied), each with an entry a row.
        Scalar Python over `math` and `families.special` that numba compiles. What depends on a parameter alone is
        computed anew only where the parameter is not that of the row before.
    constant
        (y, trials) → the terms (n,) of the log likelihood that `rows` leaves out; they depend on nothing else.
    merge
        How rows with equal predictors and groups are merged; for None those whose outcomes are equal too.
    effect
        The name of exp(β), by link.
    residual
        The residual on the scale of the linear predictor, None where there is none. Groups of one row each are not
        identified beside it, and the latent intraclass correlation has its variance.
    notation
        The distribution in mathematical notation, `{mu}` standing for the mean and `{times}` for "·e" of an exposure.
    exposure
        Whether a response may have an exposure e, `y | rate(e)`: an outcome is then the sum of the counts of e units.
        μ is e times the mean of a unit, and `trials` is e in all functions here. Parameters are those of a unit.
    cdf
        (y, μ, parameters by name, trials) → P(Y ≤ y), arrays that broadcast; y may lie off the support. None where it
        is not known: quantile residuals then rank an outcome among simulated ones.
    """

    name: str
    link: Link
    links: tuple[str, ...]
    outcome_type: Literal["continuous", "count", "binary", "trials"]
    parameters: tuple[Parameter, ...]
    rules: tuple[Rule, ...]
    variance: Callable[[Array, Mapping[str, Array], Array], Array]
    draw: Callable[[np.random.Generator, Array, Mapping[str, Array], Array], Array]
    distribution: Callable[[Any, Link, Mapping[str, Any], Any], Mapping[str, Any]]
    pymc: str
    notation: str
    rows: Callable[..., None]
    constant: Callable[[Array, Array], Array]
    merge: Merge | None = None
    effect: Mapping[str, str] = field(default_factory=dict)
    residual: Residual | None = None
    exposure: bool = False
    cdf: Callable[[Array, Array, Mapping[str, Array], Array], Array] | None = None

    @property
    def ratio(self) -> str | None:
        """The name of exp(β) under the link, None where it has none."""
        packaged = LINKS.get(self.link.name) == self.link  # a user's link may have the name of another
        return self.effect.get(self.link.name) if packaged else None

    @property
    def in_units_of_response(self) -> bool:
        """Whether the spread of an outcome about its mean is a parameter in units of the response."""
        return any(parameter.in_units_of_response for parameter in self.parameters)

    @property
    def latent_residual(self) -> Callable[[Mapping[str, Array], int], Array] | None:
        """(parameters (s, 1) by name, s) → the residual variance (s,) on the latent scale, None where there is none."""
        variance, residual = self.link.latent_variance, self.residual
        if self.outcome_type in ("binary", "trials") and variance is not None:
            return lambda parameters, s: np.full(s, variance)
        if residual is not None and residual.under(self.link):
            return lambda parameters, s: np.broadcast_to(residual.variance(parameters)[:, 0], (s,))
        return None

    @property
    def latent_text(self) -> str:
        """How the residual variance on the latent scale is written, with the link where it follows from the link."""
        if self.outcome_type in ("binary", "trials"):
            return f"{self.link.latent_text} ({self.link.name} link)"
        return self.residual.text if self.residual is not None else ""

    def __repr__(self) -> str:
        """Return the name and the link."""
        return f"Family({self.name!r}, link={self.link.name!r})"

    def with_link(self, link: str | Link | None) -> "Family":
        """Return the family with another of its links, or with a link of your own of the same range; itself for None.

        Raises
        ------
        FamilyError
            If the family does not have the link, or a link of your own has another range than its links.
        """
        if link is None:
            return self
        if isinstance(link, Link):
            ranges = {get_link(name).range for name in self.links}
            if link.range not in ranges:
                raise FamilyError(
                    f"the {link.name} link gives means of the range '{link.range}', the {self.name} family has "
                    f"{listing(sorted(ranges))}"
                )
            return replace(self, link=link)
        if not isinstance(link, str) or link not in self.links:
            raise FamilyError(f"the {self.name} family has no link {link!r}; {suggest(str(link), self.links)}")
        return replace(self, link=get_link(link))

    def log_density(
        self, y: Array, eta: Array, parameters: Mapping[str, Array | float], trials: Array | None = None
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return the log density of rows and its derivatives, by `rows` and the link's `rows` as plain Python.

        Slow, and the same as compiled: to check a family of your own against the density of another package.

        Parameters
        ----------
        y, eta, trials
            (n,) outcomes, linear predictors, numbers of trials; None for 1 each.
        parameters
            By name, a number or (n,) values.

        Returns
        -------
        value
            (n,) log f(y), the constant included.
        derivatives
            By η (n,), then by each parameter (n,).
        """
        n = len(y)
        counted = np.ones(n) if trials is None else np.asarray(trials, dtype=float)
        link = [np.full(n, np.nan) for _ in range(4)]
        self.link.rows(n, np.asarray(eta, dtype=float), *link)
        at: list[tuple[Array, ...]] = [(link[0], link[1], link[2], link[3])]
        for parameter in self.parameters:
            value = np.broadcast_to(np.asarray(parameters[parameter.name], dtype=float), (n,))
            at.append((value, np.log(value), np.ones(n), 1 / value))
        ll, d = np.full(n, np.nan), tuple(np.full(n, np.nan) for _ in at)
        self.rows(n, np.asarray(y, dtype=float), counted, tuple(at), ll, d)
        return ll + self.constant(y, counted), d

    def check(self, name: str, y: Array, trials: Array | None, levels: tuple[str, ...] | None, rows: Any) -> None:
        """Refuse a response outside the support.

        Parameters
        ----------
        name
            The response as written.
        y, trials, levels
            As in `Outcome`.
        rows
            (n,) positions of the rows in the data as given.

        Raises
        ------
        ResponseError
            Naming the rows and their values.
        """
        self._check_kind(name, trials, levels)
        number = np.ones_like(y) if trials is None else trials
        for rule in self.rules:
            bad = np.flatnonzero(rule.broken(y, number))
            if len(bad):
                values = listing(
                    (f"{y[i]:.15g}" if trials is None else f"{y[i]:.15g} of {number[i]:.15g}" for i in bad), 5
                )
                where = listing((int(rows[i]) for i in bad), 5)
                raise ResponseError(
                    f"{self.name} response '{name}': {rule.reason}; found {values} in "
                    f"row{'s' if len(bad) > 1 else ''} {where} (counting from 0)"
                )

    def _check_kind(self, name: str, trials: Array | None, levels: tuple[str, ...] | None) -> None:
        if trials is not None and self.outcome_type != "trials":
            raise ResponseError(
                f"response '{name}' has trials, which the {self.name} family has not; use family=\"binomial\""
            )
        if trials is None and self.outcome_type == "trials":
            raise ResponseError(
                f"the {self.name} family needs the number of trials: write p({name}, trials); for single outcomes "
                'of 0 and 1 use family="bernoulli"'
            )
        if levels is None:
            return
        if self.outcome_type != "binary":
            raise ResponseError(
                f"response '{name}' holds labels ({listing(levels, 5)}); the {self.name} family needs numbers: "
                'recode it, or use family="bernoulli" for two outcomes'
            )
        if len(levels) != 2:
            count = "1 category" if len(levels) == 1 else f"{len(levels)} categories"
            raise ResponseError(
                f"response '{name}' has {count} ({listing(levels, 5)}); the {self.name} family needs two: recode it, "
                "for instance as 0 and 1"
            )


def whole(values: Array) -> NDArray[np.bool_]:
    """Return which values are whole numbers up to 2^53, where doubles represent all of them."""
    return np.asarray((values == np.floor(values)) & (np.abs(values) <= 2**53))
