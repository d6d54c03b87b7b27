"""`from_bambi(model, data) -> Model`: a Bambi model as one of ours, exactly or not at all.

A formula means what its numbers are: every column, group, offset and outcome is compared with Bambi's
own, and a difference is an error. Nothing of Bambi is imported; the model is read as it is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, FamilyError, FormulaError, OptionError, PriorError, listing
from bayesglmm.specify.bambi_formula import translate
from bayesglmm.specify.design import BlockDesign, Columns, Design
from bayesglmm.specify.design.levels import label
from bayesglmm.specify.families import Family, get_family
from bayesglmm.specify.formula import Bar, Binary, Call, Formula, Name, Node, Number, Text, Unary, column_names, parse
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.priors import (
    Beta,
    Cauchy,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InvGamma,
    Laplace,
    LogNormal,
    Normal,
    Prior,
    Priors,
    StudentT,
    Uniform,
)

__all__ = ["from_bambi", "is_bambi"]

type Array = NDArray[np.float64]


def from_bambi(bambi_model: Any, data: Any = None, *, correlated: bool = False) -> Model:
    """Return the model that a Bambi model describes.

    Parameters
    ----------
    bambi_model
        A `bambi.Model`, built or not; it is not changed.
    data
        The data it was made from; None for those it holds.
    correlated
        Whether the columns of a block are correlated: False keeps Bambi's model, where they are
        independent whatever the formula says (`(x | g)` becomes `(x || g)`); True reads its formula as
        lme4 does, with the default prior on the correlations.

    Returns
    -------
    Model
        With Bambi's formula, family, link and priors: NumPy's functions, braces, `scale` by n and codings are
        written as formulas here have them, and factors whose levels Bambi sorts with the level it compares with.
        Aliases and the choice between centred and non-centred parameterisations are not part of a model and stay
        behind.

    Raises
    ------
    OptionError
        If it is not a Bambi model, or one with potentials.
    FormulaError
        For a formula with parts that have no counterpart here, such as `hsgp(…)`, censored or weighted
        responses, or a formula for a second parameter.
    FamilyError
        For a family or link that has no counterpart.
    DataError
        If the data are not those of the Bambi model, or a column means something else here.
    PriorError
        For a prior without counterpart, or with an argument that Bambi hands on and PyMC ignores.

    Examples
    --------
    >>> import bambi as bmb  # doctest: +SKIP
    >>> from_bambi(bmb.Model("y ~ x + (x | id)", data), data)  # doctest: +SKIP
    """
    _check_kind(bambi_model)
    missing: Literal["error", "drop"] = "drop" if bambi_model.dropna else "error"
    data = bambi_model.data if data is None else data
    formula = _with_references(_formula(bambi_model, correlated), bambi_model.data, data, missing)
    family, parameters = _family(bambi_model.family)
    model = glmm(formula, data, family, missing=missing)
    component = bambi_model.parameters[bambi_model.family.likelihood.parent]
    _check_rows(bambi_model.response_term, component, model.design)
    given = {
        **_coefficients(component, bambi_model.center_predictors, model.design),
        "sd": _deviations(component, model.design),
        **_parameters(bambi_model, parameters),
    }
    return replace(model, priors=Priors.build(given, model.design, model.family))


def is_bambi(value: Any) -> bool:
    """Whether a value is one of Bambi's, without importing Bambi."""
    return type(value).__module__.partition(".")[0] == "bambi"


def _check_kind(bambi_model: Any) -> None:
    if not is_bambi(bambi_model) or not hasattr(bambi_model, "response_term"):
        raise OptionError(f"from_bambi takes a bambi.Model, not {type(bambi_model).__name__}")
    if bambi_model.potentials:
        raise OptionError(
            "this Bambi model has potentials, which no prior here stands for; leave them out, or add them to "
            "model.to_pymc() with pm.Potential"
        )


# -- formula ---------------------------------------------------------------------------------------


def _formula(bambi_model: Any, correlated: bool) -> Formula:
    text = bambi_model.formula.main
    if bambi_model.formula.additionals:
        raise FormulaError(
            f"this Bambi model has a formula for {listing(bambi_model.formula.additionals_lhs)} as well; here only the "
            "mean has one"
        )
    for kind in ("censored", "constrained", "truncated", "weighted"):
        if getattr(bambi_model.response_term, f"is_{kind}"):
            raise FormulaError(f"a {kind} response has no counterpart here", text, 0)

    def first(name: str) -> str:
        if name not in bambi_model.data:
            raise FormulaError(
                f"binary({name}) has no counterpart here; write the level, or make the column first", text, 0
            )
        return _quoted(_levels(bambi_model.data[name])[0])

    formula = parse(translate(text, first))
    return replace(formula, bars=tuple(_bar(bar, correlated) for bar in formula.bars))


def _levels(column: Any) -> list[Any]:
    """Return the levels of a column as Bambi has them: sorted, but for an ordered categorical, which says itself."""
    if getattr(column.dtype, "ordered", False):
        return list(column.cat.categories)
    return sorted(column.dropna().unique().tolist())


def _quoted(level: Any) -> str:
    return f'"{level}"' if isinstance(level, str) else str(level)


def _with_references(formula: Formula, theirs: Any, data: Any, missing: Literal["error", "drop"]) -> Formula:
    """Say of each factor whose first level is another one to Bambi which level the others are compared with."""
    columns, given = Columns.read(data, formula.columns, missing=missing), {}
    for name in column_names(formula.common, *(bar.lhs for bar in formula.bars)):
        column = columns[name]
        if isinstance(column, pd.Categorical) and name in theirs:
            ours = [label(level) for level in column.categories]
            first = next((level for level in map(label, _levels(theirs[name])) if level in ours), ours[0])
            if first != ours[0]:
                given[name] = Call("C", (Name(name), Call("Treatment", (Text(first),))))
    if not given:
        return formula
    bars = tuple(replace(bar, lhs=_put(bar.lhs, given)) for bar in formula.bars)
    return replace(formula, common=_put(formula.common, given), bars=bars)


def _put(node: Node, given: Mapping[str, Call]) -> Node:
    """Write factors with their reference, where they stand as terms or in C(…) without one."""
    match node:
        case Name(name) if name in given:
            return given[name]
        case Call("C" | "factor", (Name(name),)) if name in given:
            return given[name]
        case Call("C", (Name(name), Call("Treatment", (), ()))) if name in given:
            return given[name]
        case Call("C", (Name(name), Call("Sum"))) if name in given:
            raise DataError(
                f"Bambi sorts the levels of '{name}', the data have them in another order: under Sum coding another "
                "level is left out; sort the categories of the column"
            )
        case Binary(_, left, right):
            return replace(node, left=_put(left, given), right=_put(right, given))
        case Unary(operand):
            return replace(node, operand=_put(operand, given))
        case _:
            return node


def _bar(bar: Bar, correlated: bool) -> Bar:
    """Return a block as Bambi means it: independent columns; a lone intercept is written with one bar."""
    return replace(bar, correlated=correlated or isinstance(bar.lhs, Number))


# -- family ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Counterpart:
    """What a family of Bambi is called here: its likelihood there, and its parameters by their names here."""

    name: str
    likelihood: str
    parameters: Mapping[str, str]


_FAMILIES = {
    "Bernoulli": _Counterpart("bernoulli", "Bernoulli", {}),
    "Beta": _Counterpart("beta", "Beta", {"kappa": "phi"}),
    "Binomial": _Counterpart("binomial", "Binomial", {}),
    "Gamma": _Counterpart("gamma", "Gamma", {"alpha": "shape"}),
    "Gaussian": _Counterpart("gaussian", "Normal", {"sigma": "sigma"}),
    "NegativeBinomial": _Counterpart("negative_binomial", "NegativeBinomial", {"alpha": "phi"}),
    "Poisson": _Counterpart("poisson", "Poisson", {}),
    "StudentT": _Counterpart("student", "StudentT", {"sigma": "sigma", "nu": "nu"}),
}
"""By the class of the family; its name is the user's to choose, and a plain `bambi.Family` has no class of its own."""


def _family(family: Any) -> tuple[Family, Mapping[str, str]]:
    counterpart = _FAMILIES.get(type(family).__name__)
    if counterpart is None or not is_bambi(family):
        raise FamilyError(
            f"Bambi's family '{family.name}' has no counterpart here; known: "
            f"{listing(other.name for other in _FAMILIES.values())}"
        )
    if family.likelihood.name != counterpart.likelihood or family.likelihood.dist is not None:
        raise FamilyError(f"Bambi's family '{family.name}' has a likelihood of its own, which has no counterpart here")
    return get_family(counterpart.name, family.link[family.likelihood.parent].name), counterpart.parameters


# -- data ------------------------------------------------------------------------------------------


def _check_rows(response: Any, component: Any, design: Design) -> None:
    """Refuse rows, an outcome or an offset other than Bambi's."""
    outcome = design.outcome
    assert outcome is not None
    theirs = np.asarray(response.data, dtype=float)
    if len(theirs) != design.n:
        raise DataError(f"the Bambi model was made from {len(theirs):,} rows, these data have {design.n:,}")
    ours = outcome.y if outcome.trials is None else np.column_stack([outcome.y, outcome.trials])
    if outcome.levels is not None and np.array_equal(theirs, 1 - ours):
        other, event = outcome.levels
        raise DataError(
            f"Bambi models the probability of {outcome.name} = '{other}', here '{event}' is the event; recode the "
            "response as 0 and 1"
        )
    if theirs.shape != ours.shape or not np.array_equal(theirs, ours):
        raise DataError(f"the response '{outcome.name}' is not that of the Bambi model")
    offset = sum((np.reshape(term.data, -1) for term in component.offset_terms.values()), np.zeros(design.n))
    if not _same(offset, design.offset):
        raise DataError("the offset is not that of the Bambi model")


def _same(theirs: Array, ours: Array) -> bool:
    return bool(np.allclose(theirs, ours, rtol=1e-9, atol=1e-12 * (1 + np.abs(ours).max(initial=0))))


def _columns(values: Any, n: int) -> Array:
    """Return the columns of a term, shape (n, k)."""
    return np.asarray(values, dtype=float).reshape(n, -1)


def _claim[K](name: str, left: dict[K, Any], same: Callable[[Any], bool]) -> K:
    """Take out the first of our columns that is a column of Bambi's term."""
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


# -- priors ----------------------------------------------------------------------------------------


def _coefficients(component: Any, centred: bool, design: Design) -> dict[str, Any]:
    """Return the priors of β, each found by its column; Bambi's intercept is that of the centred design unless told."""
    intercept = component.intercept_term
    terms = ({} if intercept is None else {"Intercept": intercept}) | component.common_terms
    left = {name: design.x[:, j] for j, name in enumerate(design.coef)}
    given: dict[str, Prior] = {}
    for name, term in terms.items():
        columns = _columns(term.data, design.n)
        for column, prior in zip(columns.T, _priors(name, term.prior, columns.shape[1]), strict=True):
            given[_claim(name, left, partial(_same, column))] = prior
    _check_claimed(left)
    centred = centred and "Intercept" in given
    return ({"intercept": given.pop("Intercept")} if centred else {}) | {"coef": given}


def _deviations(component: Any, design: Design) -> dict[str, dict[str, Prior]]:
    """Return the prior of every sd by block and column, each found by its column and its groups."""
    left = {(block.name, column): (block, j) for block in design.blocks for j, column in enumerate(block.columns)}
    given: dict[str, dict[str, Prior]] = {block.name: {} for block in design.blocks}
    for name, term in component.group_specific_terms.items():
        columns = _columns(term.predictor, design.n)
        hyper = _hyperprior(name, term.prior)
        for column, prior in zip(columns.T, _priors(f"{name}_sigma", hyper, columns.shape[1]), strict=True):
            block, ours = _claim(name, left, partial(_same_column, column, term.group_index))
            given[block][ours] = prior
    _check_claimed(f"{column} | {block}" for block, column in left)
    return given


def _same_column(column: Array, index: NDArray[np.int64], ours: tuple[BlockDesign, int]) -> bool:
    """Whether a column and its groups are those of a block, however the groups are numbered."""
    block, j = ours
    pairs = np.unique(np.column_stack([index, block.index]), axis=0)
    return len(pairs) == len(np.unique(index)) == len(block.levels) and _same(column, block.z[:, j])


def _parameters(bambi_model: Any, names: Mapping[str, str]) -> dict[str, Prior]:
    given: dict[str, Prior] = {}
    for theirs, ours in names.items():
        prior = bambi_model.parameters[theirs].prior
        if isinstance(prior, int | float):
            raise PriorError(f"'{theirs}' is fixed at {prior:g} in the Bambi model; here a parameter has a prior")
        (given[ours],) = _priors(theirs, prior, 1)
    return given


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
    given, left_out = set(prior.args), set(_DEFAULTS.get(prior.name, {}))
    for names, make in _FORMS[prior.name]:
        if given <= set(names) <= given | left_out:
            return names, make
    allowed = " or ".join(f"({', '.join(names)})" for names, _ in _FORMS[prior.name])
    raise PriorError(
        f"Bambi's prior of '{name}' is {prior}, but {prior.name} takes {allowed}; PyMC ignores an argument it does not "
        "know, so the model is not what it says"
    )
