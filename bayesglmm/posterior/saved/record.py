"""`describe(model)`: a model as texts and numbers; `rebuild` inverts it; `check_draws` refuses draws of another model.

A saved fit holds the description twice, in `fit.json` and beside the draws, so that neither can be exchanged alone.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from reprlib import repr as shortened
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import StorageError
from bayesglmm.posterior.saved.columns import pack_columns, unpack_columns
from bayesglmm.posterior.saved.priors import pack_priors, unpack_priors
from bayesglmm.posterior.saved.values import text, texts
from bayesglmm.sample.labelling import constants, observed
from bayesglmm.specify.design import Design
from bayesglmm.specify.families import FAMILIES, get_family
from bayesglmm.specify.families.links import LINKS
from bayesglmm.specify.formula import parse
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import posterior_coords, posterior_dims

__all__ = ["check_data", "check_draws", "check_rebuilt", "describe", "rebuild"]


def describe(model: Model) -> tuple[dict[str, Any], xr.Dataset]:
    """Return a description of a model that JSON can hold, and the columns it was built on as numbers.

    Raises
    ------
    StorageError
        If its family, its link or a prior is not one of the package's: code is not stored.
    """
    family = model.family
    packaged = FAMILIES.get(family.name)
    if LINKS.get(family.link.name) != family.link or packaged is None or replace(packaged, link=family.link) != family:
        raise StorageError(
            f"the family '{family.name}' with the link '{family.link.name}' is not the package's own and cannot be "
            "stored by name"
        )
    columns, described = pack_columns(model.design.columns)
    description = {
        "bayesglmm": version("bayesglmm"),
        "formula": str(model.formula),
        "family": family.name,
        "link": family.link.name,
        "priors": pack_priors(model.priors),
        "dropped": model.design.columns.dropped,
        "columns": described,
        "coef": list(model.design.coef),
    }
    return description, columns


def rebuild(description: Mapping[str, Any], columns: xr.Dataset) -> Model:
    """Return the model that `describe` described.

    Raises
    ------
    BayesGLMMError
        If it is not the description of a model, or this version codes its columns otherwise.
    """
    formula = parse(text("formula", description["formula"]))
    design = Design.build(formula, unpack_columns(description["columns"], description["dropped"], columns))
    if design.coef != texts("coef", description["coef"]):
        raise StorageError(
            f"it was written by bayesglmm {shortened(description.get('bayesglmm'))}, which coded its columns "
            "otherwise; read it with that version"
        )
    family = get_family(text("family", description["family"]), text("link", description["link"]))
    return Model(formula, family, unpack_priors(description["priors"], design, family), design)


def check_rebuilt(model: Model, again: Model) -> None:
    """Check that a rebuilt model equals the model.

    Raises
    ------
    StorageError
        If it does not: the description is incomplete, and the model must not be stored.
    """
    ours, theirs = model.design, again.design
    arrays = {
        "columns": (ours.x, theirs.x),
        "offset": (ours.offset, theirs.offset),
        **{f"effects of {a.name}": (a.z, b.z) for a, b in zip(ours.blocks, theirs.blocks, strict=True)},
        **{f"groups of {a.name}": (a.index, b.index) for a, b in zip(ours.blocks, theirs.blocks, strict=True)},
    }
    lost = [name for name, (a, b) in arrays.items() if not np.array_equal(a, b)]
    lost += ["priors"] if model.priors != again.priors else []
    if lost:
        raise StorageError(f"the model cannot be stored: read back, its {', '.join(lost)} would differ")


def check_draws(model: Model, draws: xr.DataTree) -> None:
    """Check that draws are of a model, by their attributes and labels.

    Raises
    ------
    StorageError
        If formula, family, link or the labels of a dimension differ.
    """
    posterior = _group(draws, "posterior")
    expected = {"formula": str(model.formula), "family": model.family.name, "link": model.family.link.name}
    for name, ours in expected.items():
        theirs = posterior.attrs.get(name, ours)
        if theirs != ours:
            raise _differ(name, ours, theirs)
    coords = posterior_coords(model)
    for dim in {dim for name, dims in posterior_dims(model).items() if name in posterior for dim in dims}:
        if dim in posterior.coords:
            _compare_labels(dim, coords[dim], posterior[dim].values)


def check_data(model: Model, draws: xr.DataTree) -> None:
    """Check that the outcome, the columns and the groups of a model are those that its draws were made with.

    Raises
    ------
    StorageError
        If they differ by more than rounding.
    """
    if model.design.outcome is not None:
        _compare_numbers(_group(draws, "observed_data"), observed(model))
    _compare_numbers(_group(draws, "constant_data"), constants(model))


def _group(draws: xr.DataTree, name: str) -> xr.Dataset:
    return draws[name].to_dataset() if name in draws.children else xr.Dataset()


def _compare_labels(dim: str, ours: list[Any], theirs: NDArray[Any]) -> None:
    if [str(label) for label in ours] != [str(label) for label in theirs]:
        raise _differ(f"labels of {dim}", ours, list(theirs))


def _compare_numbers(recorded: xr.Dataset, ours: xr.Dataset) -> None:
    for name in ours.data_vars:
        if name not in recorded:
            continue
        values, theirs = ours[name].values, recorded[name].values
        rounding = 1e-9 * np.abs(values).max(initial=0)
        if theirs.shape != values.shape or not np.allclose(theirs, values, rtol=1e-6, atol=rounding):
            raise _differ(f"numbers of {name}", values.tolist(), theirs.tolist())


def _differ(name: str, ours: Any, theirs: Any) -> StorageError:
    return StorageError(f"the {name} of the model, {shortened(ours)}, and of the draws, {shortened(theirs)}, differ")
