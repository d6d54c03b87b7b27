"""`check_separation(formula, data)` and `separation(model)`: from a model to a `Separation`.

References
----------
Konis (2007), DPhil thesis, University of Oxford.
Heinze & Schemper (2002), Statistics in Medicine 21, 2409-2419.
"""

from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.sensitivity.separation.cells import Cells, Mask, merge
from bayesglmm.sensitivity.separation.programme import Unsolved
from bayesglmm.sensitivity.separation.recession import Recession, recession
from bayesglmm.sensitivity.separation.result import (
    Kind,
    Separation,
    cells_table,
    estimates_table,
    groups_table,
    rows_table,
)
from bayesglmm.specify.design import Design
from bayesglmm.specify.families import Family, get_family
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Formula, column_names
from bayesglmm.specify.model import Model, glmm

__all__ = ["applies", "check_separation", "separation", "sides", "weighted_rows"]

_FEW = 20
"""The largest number of values of a predictor that names cells."""

_VARIABLES = 3
"""The largest number of predictors that name a cell."""


def check_separation(
    formula: str | Formula,
    data: Any,
    family: str | Family = "bernoulli",
    *,
    link: str | Link | None = None,
    missing: Literal["error", "drop"] = "error",
) -> Separation:
    """Return whether the data are separated, given X alone and given the groups, without sampling.

    Parameters
    ----------
    formula, data, link, missing
        As in `bayesglmm.glmm`.
    family
        `"bernoulli"`, `"binomial"`, or a family of counts with the log link, where zeros separate as failures do.

    Returns
    -------
    Separation
        Which coefficients have an infinite maximum likelihood estimate and which rows make it so.

    Raises
    ------
    OptionError
        For a family whose likelihood cannot be separated.
    BayesGLMMError
        As `bayesglmm.glmm`.

    References
    ----------
    Konis (2007).
    """
    family = get_family(family, link)
    if not applies(family):
        raise OptionError(
            f"the {family.name} family with the {family.link.name} link has no separation; it is looked for in binary "
            "and binomial outcomes, and in counts with the log link"
        )
    return separation(glmm(formula, data, family, missing=missing))


def applies(family: Family) -> bool:
    """Return whether the likelihood of a family may have its supremum at infinity only."""
    return family.outcome_type in ("binary", "trials") or (
        family.outcome_type == "count" and family.link.multiplicative
    )


def sides(model: Model) -> tuple[Mask, Mask]:
    """Return the rows whose likelihood does not fall as η increases, and as it decreases, each (n,)."""
    outcome = model.design.outcome
    assert outcome is not None
    y = outcome.y
    if model.family.outcome_type == "count":
        return np.zeros(len(y), dtype=np.bool_), y == 0
    return y == (1 if outcome.trials is None else outcome.trials), y == 0


def weighted_rows(model: Model) -> Model:
    """Return a model on its rows of weights above 0, each once: by how much more does not matter to separation."""
    outcome = model.design.outcome
    assert outcome is not None
    if outcome.weights is None or outcome.weights.all():
        return model
    return replace(model, design=model.design.at(np.flatnonzero(outcome.weights)))


def separation(model: Model) -> Separation:
    """Look for separation in a model whose family has it; see `check_separation`. Rows of weight 0 do not count."""
    model = weighted_rows(model)
    design, (up, down) = model.design, sides(model)
    cells = merge(design.x, design.blocks, up, down)
    given_x = _recession(replace(cells, factors=()))
    given_groups = _recession(cells) if design.blocks else given_x
    both = (given_x, given_groups)
    tables = [estimates_table(design.coef, part.estimates) for part in both]
    strict = [part.strict[cells.cell] for part in both]
    either = np.flatnonzero(strict[0] | strict[1])
    outcomes = _outcomes(model)
    named = [
        [given, *cell]
        for given, part in zip(("X", "groups")[: 1 + bool(design.blocks)], both, strict=False)
        for cell in _responsible(design, part.strict[cells.cell], part.informative[cells.cell], up, outcomes)
    ]
    return Separation(
        str(model.formula),
        model.family.name,
        tables[0],
        tables[1],
        _kind(given_x),
        _kind(given_groups),
        groups_table(_unanimous(design, up, down, outcomes)),
        rows_table(zip(design.columns.rows[either], strict[0][either], strict[1][either], strict=True)),
        cells_table(named),
        {block.factor: len(block.levels) for block in design.blocks},
    )


def _recession(cells: Cells) -> Recession:
    """Return each coefficient's estimate, or that it was not checked."""
    try:
        return recession(cells)
    except Unsolved:
        none = np.zeros(len(cells.x), dtype=np.bool_)
        return Recession(("not checked",) * cells.x.shape[1], none, none)


def _kind(part: Recession) -> Kind:
    if "not checked" in part.estimates:
        return "not checked"
    if not part.strict.any():
        return "none"
    return "complete" if part.strict[part.informative].all() else "quasi-complete"


def _outcomes(model: Model) -> tuple[str, str]:
    """Return what a cell or group of failures, and one of successes, is called."""
    if model.family.outcome_type == "trials":
        return "all failures", "all successes"
    levels = model.design.outcome.levels if model.design.outcome is not None else None
    first, second = levels or ("0", "1")
    return f"all {first}", f"all {second}"


def _unanimous(design: Design, up: Mask, down: Mask, outcomes: tuple[str, str]) -> list[list[Any]]:
    """List the levels of each factor that have one outcome in all of their rows."""
    unanimous: list[list[Any]] = []
    for factor, block in {block.factor: block for block in design.blocks}.items():
        size = np.bincount(block.index, minlength=len(block.levels))
        ups, downs = (np.bincount(block.index, side, len(block.levels)) for side in (up, down))
        for level in np.flatnonzero((size > 0) & ((ups == size) | (downs == size))):
            outcome = outcomes[int(ups[level] == size[level])]
            unanimous.append([factor, block.levels[level], outcome, int(size[level])])
    return unanimous


def _responsible(
    design: Design, strict: Mask, informative: Mask, up: Mask, outcomes: tuple[str, str]
) -> list[list[Any]]:
    """Name the strict rows by cells of the fewest predictors of few values, each cell of one outcome.

    Returns
    -------
    list
        Cell, number of its informative rows, outcome of these, number of all its rows; empty where no cells of up to
        three predictors are those rows exactly.
    """
    if not strict.any():
        return []
    inside = np.flatnonzero(informative)
    columns = {name: np.asarray(design.columns[name]) for name in column_names(design.formula.common)}
    codes = {name: pd.factorize(column[inside], sort=True) for name, column in columns.items()}
    few = {name: code for name, code in codes.items() if len(code[1]) <= _FEW}
    for size in range(1, min(_VARIABLES, len(few)) + 1):
        for names in combinations(few, size):
            cells = _cells([few[name] for name in names], strict[inside], up[inside])
            if cells is not None:
                return [
                    [
                        ", ".join(f"{n} = {v}" for n, v in zip(names, values, strict=True)),
                        count,
                        outcomes[is_up],
                        int(np.all([columns[n] == v for n, v in zip(names, values, strict=True)], axis=0).sum()),
                    ]
                    for values, count, is_up in cells
                ]
    return []


def _cells(
    codes: list[tuple[NDArray[np.int64], Any]], strict: Mask, up: Mask
) -> list[tuple[tuple[Any, ...], int, int]] | None:
    """Return the cells that are the strict rows exactly: values, number of rows, whether they are successes."""
    rows = pd.DataFrame({j: code for j, (code, _) in enumerate(codes)}).assign(strict=strict, up=up)
    table = rows.groupby(list(range(len(codes)))).agg(n=("up", "size"), strict=("strict", "mean"), up=("up", "mean"))
    strict_cells = table[table["strict"] == 1]
    if (table["strict"] % 1 != 0).any() or (strict_cells["up"] % 1 != 0).any():
        return None
    keys = [key if isinstance(key, tuple) else (key,) for key in strict_cells.index]
    values = [tuple(labels[code] for (_, labels), code in zip(codes, key, strict=True)) for key in keys]
    counts = zip(values, strict_cells["n"], strict_cells["up"], strict=True)
    return [(cell, int(n), int(is_up)) for cell, n, is_up in counts]
