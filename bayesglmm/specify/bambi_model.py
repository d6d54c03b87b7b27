"""`from_bambi(model, data) -> Model`: a Bambi model as one of this package's, exactly or not at all.

Every column, group, offset and outcome is compared with Bambi's; a difference is an error. Bambi is not imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError, FamilyError, OptionError, listing
from bayesglmm.specify.bambi_formula import formula_of, with_references
from bayesglmm.specify.bambi_priors import coefficient_priors, equal, parameter_priors, sd_priors
from bayesglmm.specify.design import Design
from bayesglmm.specify.families import Family, get_family
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.priors import Priors

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
    _check_model(bambi_model)
    missing: Literal["error", "drop"] = "drop" if bambi_model.dropna else "error"
    data = bambi_model.data if data is None else data
    formula = with_references(formula_of(bambi_model, correlated), bambi_model.data, data, missing)
    family, parameters = _family(bambi_model.family)
    model = glmm(formula, data, family, missing=missing)
    component = bambi_model.parameters[bambi_model.family.likelihood.parent]
    _check_rows(bambi_model.response_term, component, model.design)
    specified = {
        **coefficient_priors(component, bambi_model.center_predictors, model.design),
        "sd": sd_priors(component, model.design),
        **parameter_priors(bambi_model, parameters),
    }
    return replace(model, priors=Priors.build(specified, model.design, model.family))


def is_bambi(value: Any) -> bool:
    """Whether a value is one of Bambi's, without importing Bambi."""
    return type(value).__module__.partition(".")[0] == "bambi"


def _check_model(bambi_model: Any) -> None:
    if not is_bambi(bambi_model) or not hasattr(bambi_model, "response_term"):
        raise OptionError(f"from_bambi takes a bambi.Model, not {type(bambi_model).__name__}")
    if bambi_model.potentials:
        raise OptionError(
            "this Bambi model has potentials, which no prior here stands for; leave them out, or add them to "
            "model.to_pymc() with pm.Potential"
        )


# -- family ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Counterpart:
    """A family by its name here, its likelihood in Bambi, and its parameters: from Bambi's names to those here."""

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
    "Wald": _Counterpart("inverse_gaussian", "Wald", {"lam": "shape"}),
    "StudentT": _Counterpart("student", "StudentT", {"sigma": "sigma", "nu": "nu"}),
}
"""By the class of the family in Bambi: its name is the user's to choose."""


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
    if not equal(offset, design.offset):
        raise DataError("the offset is not that of the Bambi model")
