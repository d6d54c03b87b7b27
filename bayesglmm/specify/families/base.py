"""What a family is: its links, its parameters, its support, its moments, its draws and its PyMC distribution."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import FamilyError, ResponseError, listing, suggest
from bayesglmm.specify.families.links import LINKS, Link, get_link

__all__ = [
    "LARGE",
    "Array",
    "Cells",
    "Family",
    "Merge",
    "Parameter",
    "Pointer",
    "Residual",
    "Rule",
    "sum_rows",
    "whole",
]

type Array = NDArray[np.float64]
type Cells = NDArray[np.int64]
type Pointer = Any
"""An array, or a C pointer to doubles once compiled."""

LARGE = 8192.0
"""The count from which a row's log density is taken less its value at its height, so that it keeps its digits."""


@dataclass(frozen=True)
class Parameter:
    """A family parameter.

    Parameters
    ----------
    name
        Its usual name.
    about
        What it is, with the variance it implies.
    default
        Its prior in string form; `{scale}` stands for 2.5 standard deviations of the response, so that a parameter
        whose default has it is in units of the response, whatever its name.
    presets
        Its prior in other packages' defaults, by preset.
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
    """A condition every row of the response obeys.

    Parameters
    ----------
    broken
        From outcome (n,) and trials (n,), which rows break it.
    reason
        What is wrong with these rows and what to do.
    """

    broken: Callable[[Array, Array], NDArray[np.bool_]]
    reason: str


@dataclass(frozen=True)
class Merge:
    """How the rows of a cell, equal in their columns and groups, become fewer: the same likelihood up to a constant.

    Parameters
    ----------
    rows
        From the cell of each row (n,), numbered from 0 without a gap, its y and its trials (n,): the cell,
        the y and the trials of the merged rows, at least one a cell.
    under
        Of a link, whether that holds under it; None where it holds under all.
    offset
        From cells and offsets (n,) the offset of each cell (m,), where the rows of a cell may differ in
        it; None where they may not.
    """

    rows: Callable[[Cells, Array, Array], tuple[Cells, Array, Array]]
    under: Callable[[Link], bool] | None = None
    offset: Callable[[Cells, Array], Array] | None = None


@dataclass(frozen=True)
class Residual:
    """A residual that is added to the linear predictor: g(y) = η + ε, or y itself under the identity link.

    Parameters
    ----------
    variance
        From the parameters by name the variance of ε.
    text
        How it is written.
    under
        Of a link, whether the outcome is made so under it.
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
        The links it may have, the canonical or usual one first.
    outcome_type
        What an outcome is: it decides how the response may be written.
    parameters
        Its parameters beside the mean.
    rules
        The support of its outcomes.
    variance
        From μ, the parameters by name and the trials, the variance of an outcome.
    draw
        From a generator, μ, the parameters and the trials, an outcome of the shape of μ.
    distribution
        From the linear predictor as a tensor, the link, the parameters and the trials, the keyword
        arguments of the PyMC distribution.
    pymc
        The name of the PyMC distribution.
    rows
        The log likelihood of n rows up to a constant, with derivatives: from n, y and trials (n,), the
        four arrays of the link's `rows` and the parameters in order, writes ∂/∂η (n,) and adds to
        ∂/∂parameters. Plain scalar Python that numba compiles as it stands.
    constant
        From y and trials (n,) what `rows` leaves out of the log likelihood of each row, (n,); it depends on
        nothing else.
    merge
        How rows of equal columns and groups become fewer, None where they do not. The trials of merged
        rows are theirs together, so `rows` must read them: a row without counts as one.
    effect
        What exp(β) is called under each link where it has a name.
    residual
        The residual on the scale of the linear predictor, None where there is none: groups of one row each cannot be
        told from it, and on the latent scale the variance between groups is compared with its variance.
    notation
        The distribution in mathematical notation, `{mu}` standing for the mean.
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
    rows: Callable[..., float]
    constant: Callable[[Array, Array], Array]
    merge: Merge | None = None
    effect: Mapping[str, str] = field(default_factory=dict)
    residual: Residual | None = None

    @property
    def ratio(self) -> str | None:
        """What exp(β) is called under the link, None where it has no name."""
        known = LINKS.get(self.link.name) == self.link  # a link of one's own may be called as one of the package is
        return self.effect.get(self.link.name) if known else None

    @property
    def in_units_of_response(self) -> bool:
        """Whether the spread of an outcome about its mean is a parameter in units of the response."""
        return any(parameter.in_units_of_response for parameter in self.parameters)

    @property
    def latent_residual(self) -> Callable[[Mapping[str, Array], int], Array] | None:
        """From the parameters, each (s, 1), and s the variance (s,) of the residual on the latent scale, if any."""
        variance, residual = self.link.latent_variance, self.residual
        if self.outcome_type in ("binary", "trials") and variance is not None:
            return lambda parameters, s: np.full(s, variance)
        if residual is not None and residual.under(self.link):
            return lambda parameters, s: np.broadcast_to(residual.variance(parameters)[:, 0], (s,))
        return None

    @property
    def latent_text(self) -> str:
        """How the variance of the residual on the latent scale is written, with its link where it is the link's."""
        if self.outcome_type in ("binary", "trials"):
            return f"{self.link.latent_text} ({self.link.name} link)"
        return self.residual.text if self.residual is not None else ""

    def __repr__(self) -> str:
        """Return the name and the link; the functions say nothing in print."""
        return f"Family({self.name!r}, link={self.link.name!r})"

    def with_link(self, link: str | Link | None) -> "Family":
        """Return the family with another of its links, or one of your own whose means it can have; itself for None.

        Raises
        ------
        FamilyError
            If the family does not have that link, or a link of your own gives other means than its links do.
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
        counted = np.ones_like(y) if trials is None else trials
        for rule in self.rules:
            bad = np.flatnonzero(rule.broken(y, counted))
            if len(bad):
                values = listing(
                    (f"{y[i]:.15g}" if trials is None else f"{y[i]:.15g} of {counted[i]:.15g}" for i in bad), 5
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
            many = "1 category" if len(levels) == 1 else f"{len(levels)} categories"
            raise ResponseError(
                f"response '{name}' has {many} ({listing(levels, 5)}); the {self.name} family needs two: recode it, "
                "for instance as 0 and 1"
            )


def sum_rows(cell: Cells, y: Array, trials: Array) -> tuple[Cells, Array, Array]:
    """Return one row a cell, its y and its trials summed: counts that are sufficient; see `Merge.rows`."""
    total = np.bincount(cell, y)
    return np.arange(len(total)), total, np.bincount(cell, trials)


def whole(values: Array) -> NDArray[np.bool_]:
    """Return which values are whole numbers that a double holds with their neighbours."""
    return np.asarray((values == np.floor(values)) & (np.abs(values) <= 2**53))
