"""The variables of a posterior: their names, dims and labels, the same from every sampler, in every file and table.

For a block on `id`: `beta` (coef), `b_id` (id, id_coef), `sd_id` (id_coef), `corr_id` (id_pair, the lower triangle row
by row), and the family parameters.
"""

import re
from typing import Any, Protocol

import pandas as pd

from bayesglmm.common.text import plain
from bayesglmm.errors import DataError, listing
from bayesglmm.specify.design import BlockDesign, Design
from bayesglmm.specify.families import Family
from bayesglmm.specify.priors import Priors
from bayesglmm.specify.reserved import RESERVED

__all__ = ["Parts", "check_names", "pair_names", "posterior_coords", "posterior_dims", "variable_names"]


class Parts(Protocol):
    """The parts of a model that its variables follow from: design, family and priors."""

    @property
    def design(self) -> Design: ...  # noqa: D102
    @property
    def family(self) -> Family: ...  # noqa: D102
    @property
    def priors(self) -> Priors: ...  # noqa: D102


def variable_names(model: Parts) -> tuple[str, ...]:
    """Return the names of the variables of a posterior, in the order of tables."""
    return tuple(posterior_dims(model))


def posterior_dims(model: Parts) -> dict[str, tuple[str, ...]]:
    """Return the dims of every variable of a posterior, without chain and draw, in the order of tables."""
    blocks = model.design.blocks
    return {
        "beta": ("coef",),
        **{f"sd_{block.name}": (f"{block.name}_coef",) for block in blocks},
        **{f"corr_{block.name}": (f"{block.name}_pair",) for block in blocks if block.correlated},
        **{parameter.name: () for parameter in model.family.parameters},
        **{f"b_{block.name}": (block.name, f"{block.name}_coef") for block in blocks},
    }


def posterior_coords(model: Parts) -> dict[str, list[Any]]:
    """Return the labels of every dim of `posterior_dims`."""
    coords: dict[str, list[Any]] = {"coef": list(model.design.coef)}
    for block in model.design.blocks:
        coords[block.name] = list(block.levels)
        coords[f"{block.name}_coef"] = list(block.columns)
        if block.correlated:
            coords[f"{block.name}_pair"] = list(pair_names(block))
    return coords


def pair_names(block: BlockDesign) -> tuple[str, ...]:
    """Return the names of the correlations of a block: the lower triangle, row by row."""
    return tuple(f"{block.columns[j]},{block.columns[i]}" for i in range(block.size) for j in range(i))


def check_names(model: Parts) -> None:
    """Refuse a grouping factor whose variables would have names already taken, and labels that no file can store.

    Raises
    ------
    DataError
        Naming the factor and the clash, or the label.
    """
    _check_labels(model)
    taken = RESERVED | {parameter.name for parameter in model.family.parameters}
    for block in model.design.blocks:
        names = {block.name, *(f"{block.name}_{dim}" for dim in ("coef", "pair"))}
        names |= {f"{part}_{block.name}" for part in ("b", "sd", "corr", "z", "partial", "index", "columns")}
        if clash := names & taken:
            raise DataError(
                f"grouping factor '{block.factor}' would give the name {listing(sorted(clash))} to two things in the "
                "posterior; rename the column"
            )
        taken |= names


def _check_labels(model: Parts) -> None:
    """Refuse labels with a NUL, which ends a string in files, and lone surrogates, which cannot be encoded."""
    for name, column in model.design.columns.items():
        labels = column.categories if isinstance(column, pd.Categorical) else ()
        for label in map(str, labels):
            if bad := _UNSTORABLE.search(label):
                raise DataError(
                    f"the label '{plain(label)}' of '{plain(name)}' holds the character U+{ord(bad[0]):04X}, which no "
                    "file of text keeps; remove it from the data"
                )


_UNSTORABLE = re.compile("[\\x00\\ud800-\\udfff]")
