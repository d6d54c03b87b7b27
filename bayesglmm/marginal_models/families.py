"""Families of estimating equations: a link and a variance function, the dispersion φ being free.

A name of the package stands for its mean and variance only. A family whose variance has a parameter that no estimating
equation of the mean determines (negative binomial, Student's t) is refused.

References
----------
Wedderburn (1974), Biometrika 61, 439-447.
McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., chapter 9.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import FamilyError, listing, suggest
from bayesglmm.specify.design import Outcome
from bayesglmm.specify.families import FAMILIES, Family, Rule
from bayesglmm.specify.families.elsewhere import instead
from bayesglmm.specify.families.links import LINKS, Link, get_link

__all__ = ["MARGINAL", "QUASI", "MarginalFamily", "get_marginal"]

type Array = NDArray[np.float64]


@dataclass(frozen=True)
class MarginalFamily:
    """A mean and a variance.

    Parameters
    ----------
    name
        Its name.
    links
        The links it may have by name, the default first.
    variance
        μ → V(μ) of one trial, on arrays; the variance of an outcome is φ V(μ) over its number of trials.
    variance_text
        The variance of an outcome as it is written.
    like
        (outcome) → the family of the package that checks the response.
    """

    name: str
    links: tuple[str, ...]
    variance: Callable[[Array], Array]
    variance_text: str
    like: Callable[[Outcome], Family]

    def link(self, link: str | Link | None) -> Link:
        """Return one of the links, the first for None.

        Raises
        ------
        FamilyError
            For any other.
        """
        if link is None:
            return get_link(self.links[0])
        name = link.name if isinstance(link, Link) else link
        if not isinstance(name, str) or name not in self.links or link not in (name, LINKS[name]):
            raise FamilyError(
                f"the {self.name} family has no link {link!r} in estimating equations; {suggest(str(name), self.links)}"
            )
        return get_link(name)

    def check(self, outcome: Outcome, rows: NDArray[np.int64]) -> None:
        """Refuse a response outside the support; `rows` (n,) are the positions in the data as given.

        Raises
        ------
        ResponseError
            Naming the rows and their values.
        """
        self.like(outcome).check(outcome.name, outcome.y, outcome.trials, outcome.levels, rows)


_PROBABILITY = ("logit", "probit", "cloglog", "loglog", "cauchit", "log", "identity")

_NOT_NEGATIVE = Rule(lambda y, trials: y < 0, "outcomes are not negative; correct or drop these rows")
_PROPORTION = Rule(
    lambda y, trials: (y < 0) | (y > 1),
    "outcomes without trials are proportions from 0 to 1; write p(successes, trials) for counts",
)


def _named(name: str) -> Callable[[Outcome], Family]:
    return lambda outcome: FAMILIES[name]


def _counts(outcome: Outcome) -> Family:
    """Return what checks quasi-Poisson responses: numbers from 0 up, whole or not."""
    return replace(FAMILIES["poisson"], name="quasi_poisson", outcome_type="continuous", rules=(_NOT_NEGATIVE,))


def _proportions(outcome: Outcome) -> Family:
    """Return what checks quasi-binomial responses: successes among trials, two labels, or proportions."""
    if outcome.trials is not None:
        return replace(FAMILIES["binomial"], name="quasi_binomial")
    if outcome.levels is not None:
        return replace(FAMILIES["bernoulli"], name="quasi_binomial")
    return replace(FAMILIES["bernoulli"], name="quasi_binomial", outcome_type="continuous", rules=(_PROPORTION,))


def _binary(mu: Array) -> Array:
    return mu * (1 - mu)


MARGINAL: dict[str, MarginalFamily] = {
    family.name: family
    for family in (
        MarginalFamily("gaussian", ("identity", "log", "inverse"), np.ones_like, "φ", _named("gaussian")),
        MarginalFamily("bernoulli", _PROBABILITY, _binary, "φ μ(1 − μ)", _named("bernoulli")),
        MarginalFamily("binomial", _PROBABILITY, _binary, "φ n μ(1 − μ)", _named("binomial")),
        MarginalFamily("poisson", ("log", "identity", "sqrt"), lambda mu: mu, "φ μ", _named("poisson")),
        MarginalFamily("gamma", ("log", "inverse", "identity"), np.square, "φ μ²", _named("gamma")),
        MarginalFamily(
            "inverse_gaussian",
            ("log", "inverse_squared", "inverse", "identity"),
            lambda mu: mu**3,
            "φ μ³",
            _named("inverse_gaussian"),
        ),
        MarginalFamily("quasi_poisson", ("log", "identity", "sqrt"), lambda mu: mu, "φ μ", _counts),
        MarginalFamily("quasi_binomial", _PROBABILITY, _binary, "φ n μ(1 − μ)", _proportions),
    )
}
"""The families by name. The first six are those of the package; `quasi_*` ask less of the response."""

QUASI = ("quasi_poisson", "quasi_binomial")
"""The families that are no distribution."""

_SHAPE = "which the mean does not determine, and estimating equations of the mean hold no equation for it"
_REFUSED = {
    "negative_binomial": f"its variance μ + μ²/shape has a parameter beside the mean, {_SHAPE}; 'quasi_poisson' has "
    "the variance φμ with φ estimated, and robust standard errors are right whatever the variance",
    "negative_binomial1": "its variance μ(1 + φ) is that of 'quasi_poisson' with another name for φ",
    "student": f"the tails of Student's t have a parameter, {_SHAPE}; use 'gaussian', whose robust standard errors ask "
    "no normal distribution",
    "beta": "its variance μ(1 − μ)/(1 + φ) is that of 'quasi_binomial', which takes proportions from 0 to 1",
}
"""The families of the package that estimating equations do not have, and what to use."""


def get_marginal(family: object, known: tuple[str, ...] = tuple(MARGINAL)) -> MarginalFamily:
    """Return a family by its name, or for a `Family` of the package that of its name.

    Parameters
    ----------
    family
        The name or the `Family`.
    known
        The names that are allowed.

    Raises
    ------
    FamilyError
        For one that is not known, with what to use instead.
    """
    name = family.name if isinstance(family, Family) else family
    if not isinstance(name, str):
        raise FamilyError(f"family is a name such as 'poisson', not {type(name).__name__}; known: {listing(known)}")
    if isinstance(family, Family) and replace(family, link=get_link(family.links[0])) != FAMILIES.get(name):
        raise FamilyError(
            f"estimating equations take the families of the package, not a {family.name} family of your own; "
            f"known: {listing(known)}"
        )
    if name not in known:
        _refuse(name, known)
    return MARGINAL[name]


def _refuse(name: str, known: tuple[str, ...]) -> NoReturn:
    if name in _REFUSED:
        raise FamilyError(
            f"family={name!r} is not fitted by estimating equations: {_REFUSED[name]}; known: {listing(known)}"
        )
    if name in MARGINAL:
        raise FamilyError(f"family={name!r} is a distribution with a likelihood; known here: {listing(known)}")
    same = {"".join(other.split("_")): other for other in known}.get("".join(filter(str.isalnum, name.lower())))
    if same is not None:
        raise FamilyError(f"family={name!r} is called '{same}' here; known: {listing(known)}")
    text = instead(name, FAMILIES)
    raise FamilyError(text or f"family={name!r} is not a family; {suggest(name, known)}")
