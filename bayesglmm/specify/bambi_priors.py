"""The priors of a Bambi model as this package's, each matched by its column; and the columns themselves compared."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError, PriorError, listing
from bayesglmm.specify.design import BlockDesign, Design
from bayesglmm.specify.priors.distributions.beta import Beta
from bayesglmm.specify.priors.distributions.cauchy import Cauchy
from bayesglmm.specify.priors.distributions.exponential import Exponential
from bayesglmm.specify.priors.distributions.flat import Flat
from bayesglmm.specify.priors.distributions.gamma import Gamma
from bayesglmm.specify.priors.distributions.half_cauchy import HalfCauchy
from bayesglmm.specify.priors.distributions.half_normal import HalfNormal
from bayesglmm.specify.priors.distributions.half_student_t import HalfStudentT
from bayesglmm.specify.priors.distributions.inv_gamma import InvGamma
from bayesglmm.specify.priors.distributions.laplace import Laplace
from bayesglmm.specify.priors.distributions.logistic import Logistic
from bayesglmm.specify.priors.distributions.lognormal import LogNormal
from bayesglmm.specify.priors.distributions.normal import Normal
from bayesglmm.specify.priors.distributions.student_t import StudentT
from bayesglmm.specify.priors.distributions.uniform import Uniform
from bayesglmm.specify.priors.prior import Prior

__all__ = ["coefficient_priors", "equal", "parameter_priors", "sd_priors"]

type Array = NDArray[np.float64]


def equal(theirs: Array, ours: Array) -> bool:
    """Whether numbers are the same but for rounding."""
    return bool(np.allclose(theirs, ours, rtol=1e-9, atol=1e-12 * (1 + np.abs(ours).max(initial=0))))


def _columns(values: Any, n: int) -> Array:
    """Return the columns of a term, shape (n, k)."""
    return np.asarray(values, dtype=float).reshape(n, -1)


def _claim[K](name: str, left: dict[K, Any], same: Callable[[Any], bool]) -> K:
    """Remove the first of our columns that equals a column of Bambi's term, and return its key."""
    for key, value in left.items():
        if same(value):
            del left[key]
            return key
    raise DataError(
        f"Bambi's term '{name}' has columns that the same formula does not give here: another coding, another "
        "definition of a function, or other data; make the columns in the data first"
    )


def _check_claimed(left: Iterable[object]) -> None:
    if names := listing(left):
        raise DataError(f"the same formula gives columns here that Bambi has not: {names}; write it out in full")


def coefficient_priors(component: Any, centred: bool, design: Design) -> dict[str, Any]:
    """Return the priors of β, each found by its column; Bambi's intercept is that of the centred design unless told."""
    intercept = component.intercept_term
    terms = ({} if intercept is None else {"Intercept": intercept}) | component.common_terms
    left = {name: design.x[:, j] for j, name in enumerate(design.coef)}
    priors: dict[str, Prior] = {}
    for name, term in terms.items():
        columns = _columns(term.data, design.n)
        for column, prior in zip(columns.T, _priors(name, term.prior, columns.shape[1]), strict=True):
            priors[_claim(name, left, partial(equal, column))] = prior
    _check_claimed(left)
    centred = centred and "Intercept" in priors
    return ({"intercept": priors.pop("Intercept")} if centred else {}) | {"coef": priors}


def sd_priors(component: Any, design: Design) -> dict[str, dict[str, Prior]]:
    """Return the prior of every sd by block and column, each found by its column and its groups."""
    left = {(block.name, column): (block, j) for block in design.blocks for j, column in enumerate(block.columns)}
    priors: dict[str, dict[str, Prior]] = {block.name: {} for block in design.blocks}
    for name, term in component.group_specific_terms.items():
        columns = _columns(term.predictor, design.n)
        hyper = _hyperprior(name, term.prior)
        for column, prior in zip(columns.T, _priors(f"{name}_sigma", hyper, columns.shape[1]), strict=True):
            block, column_name = _claim(name, left, partial(_same_column, column, term.group_index))
            priors[block][column_name] = prior
    _check_claimed(f"{column} | {block}" for block, column in left)
    return priors


def _same_column(column: Array, index: NDArray[np.int64], ours: tuple[BlockDesign, int]) -> bool:
    """Whether a column and its groups are those of a block, however the groups are numbered."""
    block, j = ours
    pairs = np.unique(np.column_stack([index, block.index]), axis=0)
    return len(pairs) == len(np.unique(index)) == len(block.levels) and equal(column, block.z[:, j])


def parameter_priors(bambi_model: Any, names: Mapping[str, str]) -> dict[str, Prior]:
    """Return the priors of family parameters, from their names in Bambi to those here."""
    priors: dict[str, Prior] = {}
    for theirs, ours in names.items():
        prior = bambi_model.parameters[theirs].prior
        if isinstance(prior, int | float):
            raise PriorError(f"'{theirs}' is fixed at {prior:g} in the Bambi model; here a parameter has a prior")
        (priors[ours],) = _priors(theirs, prior, 1)
    return priors


def _hyperprior(name: str, prior: Any) -> Any:
    """Return the prior of a group term's sd; the effects themselves are Normal with mean 0."""
    mean, sigma = prior.args.get("mu", 0), prior.args.get("sigma")
    usual = prior.name == "Normal" and prior.dist is None and set(prior.args) <= {"mu", "sigma"}
    if not usual or _is_prior(mean) or np.any(np.asarray(mean) != 0) or not _is_prior(sigma):
        raise PriorError(
            f"Bambi's prior of '{name}' is {prior}; here group effects are Normal(mu=0, sigma) with a prior of sigma"
        )
    return sigma


def _is_prior(value: Any) -> bool:
    return hasattr(value, "args")


type _Form = tuple[tuple[str, ...], Callable[..., Prior]]
"""Names of arguments, and the prior they make."""

_FORMS: dict[str, tuple[_Form, ...]] = {
    "Beta": (
        (("alpha", "beta"), Beta),
        (("mu", "nu"), lambda mu, nu: Beta(mu * nu, (1 - mu) * nu)),
        (
            ("mu", "sigma"),
            lambda mu, sigma: Beta(mu * (mu * (1 - mu) / sigma**2 - 1), (1 - mu) * (mu * (1 - mu) / sigma**2 - 1)),
        ),
    ),
    "Cauchy": ((("alpha", "beta"), Cauchy),),
    "Exponential": ((("lam",), Exponential), (("scale",), lambda scale: Exponential(1 / scale))),
    "Flat": (((), Flat),),
    "Gamma": (
        (("alpha", "beta"), Gamma),
        (("mu", "sigma"), lambda mu, sigma: Gamma(mu**2 / sigma**2, mu / sigma**2)),
    ),
    "HalfCauchy": ((("beta",), HalfCauchy),),
    "HalfNormal": ((("sigma",), HalfNormal), (("tau",), lambda tau: HalfNormal(tau**-0.5))),
    "HalfStudentT": (
        (("nu", "sigma"), lambda nu, sigma: HalfStudentT(nu, 0, sigma)),
        (("nu", "lam"), lambda nu, lam: HalfStudentT(nu, 0, lam**-0.5)),
    ),
    "InverseGamma": (
        (("alpha", "beta"), InvGamma),
        (("mu", "sigma"), lambda mu, sigma: InvGamma(2 + mu**2 / sigma**2, mu * (1 + mu**2 / sigma**2))),
    ),
    "Laplace": ((("mu", "b"), Laplace),),
    "Logistic": ((("mu", "s"), Logistic),),
    "LogNormal": (
        (("mu", "sigma"), LogNormal),
        (("mu", "tau"), lambda mu, tau: LogNormal(mu, tau**-0.5)),
    ),
    "Normal": (
        (("mu", "sigma"), Normal),
        (("mu", "tau"), lambda mu, tau: Normal(mu, tau**-0.5)),
    ),
    "StudentT": (
        (("nu", "mu", "sigma"), StudentT),
        (("nu", "mu", "lam"), lambda nu, mu, lam: StudentT(nu, mu, lam**-0.5)),
    ),
    "Uniform": ((("lower", "upper"), Uniform),),
}
"""The priors that PyMC and this package share, by PyMC's name: each set of arguments that it takes."""

_DEFAULTS: dict[str, dict[str, float]] = {
    "HalfNormal": {"sigma": 1},
    "HalfStudentT": {"sigma": 1},
    "LogNormal": {"mu": 0, "sigma": 1},
    "Normal": {"mu": 0, "sigma": 1},
    "StudentT": {"mu": 0, "sigma": 1},
    "Uniform": {"lower": 0, "upper": 1},
}
"""What PyMC takes for an argument left out."""


def _priors(name: str, prior: Any, k: int) -> tuple[Prior, ...]:
    """Translate the prior of a term of k columns into one a column."""
    if prior.dist is not None or prior.name not in _FORMS:
        raise PriorError(f"Bambi's prior of '{name}' is {prior}, which has no counterpart here; {_KNOWN}")
    names, make = _form(name, prior)
    values = _DEFAULTS.get(prior.name, {}) | prior.args
    if any(_is_prior(values[key]) for key in names):
        raise PriorError(f"Bambi's prior of '{name}' is {prior}; here the arguments of a prior are numbers")
    try:
        columns = [np.broadcast_to(np.asarray(values[key], dtype=float), (k,)).tolist() for key in names]
        return tuple(make(*(column[j] for column in columns)) for j in range(k))
    except (PriorError, ValueError, ArithmeticError) as error:
        raise PriorError(f"Bambi's prior of '{name}' is {prior}: {error}") from error


_KNOWN = f"known: {listing(_FORMS, len(_FORMS))}"


def _form(name: str, prior: Any) -> _Form:
    """Return the form whose arguments these are, every one of them and none missing."""
    arguments, optional = set(prior.args), set(_DEFAULTS.get(prior.name, {}))
    for names, make in _FORMS[prior.name]:
        if arguments <= set(names) <= arguments | optional:
            return names, make
    allowed = " or ".join(f"({', '.join(names)})" for names, _ in _FORMS[prior.name])
    raise PriorError(
        f"Bambi's prior of '{name}' is {prior}, but {prior.name} takes {allowed}; PyMC ignores an argument it does not "
        "know, so the model is not what it says"
    )
