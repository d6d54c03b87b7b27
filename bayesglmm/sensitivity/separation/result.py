"""`Separation`: estimates, rows and groups that separation concerns, as tables, a paragraph and text to be stored."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from bayesglmm.common.results import Layout, Result
from bayesglmm.common.text import plain
from bayesglmm.errors import listing

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["Estimate", "Kind", "Separation", "cells_table", "estimates_table", "groups_table", "rows_table"]

type Estimate = Literal["finite", "+inf", "-inf", "±inf", "not identified", "not checked"]
type Kind = Literal["none", "quasi-complete", "complete", "not checked"]

_INFINITE = {"+inf": "plus infinity", "-inf": "minus infinity", "±inf": "either infinity"}
_LEGEND = {
    "not identified": "the effects of the groups can take its place; by itself no sign of separation",
    "±inf": "the likelihood rises with it going to either infinity",
    "not checked": "the linear programme was too large or was not solved",
}
_CELL = ["cell", "rows", "all_rows", "outcome"]
_SHOWN = 8
"""The largest number of cells that text lists."""


@dataclass(frozen=True, eq=False, repr=False)
class Separation(Result):
    """Whether the likelihood has a maximum, given X alone and given the groups, and which estimates are infinite.

    Given the groups means with their effects as fixed effects, [X Z], so that only differences within groups count. A
    coefficient's `estimate` is that of maximum likelihood:

    - `finite`: it has one.
    - `+inf`, `-inf`: the likelihood rises as it goes there.
    - `±inf`: the likelihood rises towards its supremum with the coefficient going to either infinity.
    - `not identified`: only given the groups, whose effects can take its place; no sign of separation.
    - `not checked`: the linear programme was too large, or the solver gave it up.

    Parameters
    ----------
    formula, family
        Those of the model.
    given_x, given_groups
        Index `coefficient`, column `estimate`; equal without grouping factors.
    kind, kind_given_groups
        `none`; `complete`, where some direction predicts every row without error; `quasi-complete`, where
        some rows. Given the groups, only of the rows that the effects of the groups alone do not predict.
    groups
        The levels whose outcomes are all failures or all successes (for counts, all zeros): index `factor`,
        `level`; columns `outcome` and `rows`, their number.
    rows
        The rows predicted without error: index `row`, positions in the data as given; columns `given_x` and
        `given_groups`.
    cells
        The same rows as cells of the fewest predictors, where up to three with few values describe them: columns
        `given` (`X` or `groups`), `cell`, `rows` (their number), `outcome` (theirs) and `all_rows`, the size of the
        cell. Given the groups the cell may be larger: rows that the effects of the groups alone predict, such as
        those of a level with one outcome, are not informative, and may have another outcome.
    levels
        The number of levels of each grouping factor.
    """

    formula: str
    family: str
    given_x: pd.DataFrame
    given_groups: pd.DataFrame
    kind: Kind
    kind_given_groups: Kind
    groups: pd.DataFrame
    rows: pd.DataFrame
    cells: pd.DataFrame
    levels: Mapping[str, int]

    @property
    def separated(self) -> bool:
        """Whether the data are separated, given X or given the groups."""
        return not {self.kind, self.kind_given_groups} <= {"none", "not checked"}

    @property
    def unchecked(self) -> bool:
        """Whether the data were too large for the linear programme, given X or given the groups."""
        return "not checked" in (self.kind, self.kind_given_groups)

    @property
    def complete(self) -> bool:
        """Whether the separation given X is complete."""
        return self.kind == "complete"

    @property
    def infinite(self) -> dict[str, str]:
        """The coefficients whose estimate given X is infinite, with the estimate."""
        return _infinite(self.given_x)

    @property
    def infinite_given_groups(self) -> dict[str, str]:
        """The coefficients whose estimate given the groups is infinite, with the estimate."""
        return _infinite(self.given_groups)

    @property
    def message(self) -> str:
        """The result in one paragraph."""
        parts = [_clause("given X", self.kind, self.infinite)]
        if self.levels:
            where = f"given the groups of {listing(self.levels)}"
            parts.append(_clause(where, self.kind_given_groups, self.infinite_given_groups))
        return "; ".join(parts)

    @property
    def advice(self) -> str:
        """What to do about it."""
        if not self.separated and self.unchecked:
            return "use check_separation on a subset of the groups, or round the values of continuous predictors"
        if not self.separated:
            return "nothing to do"
        if self.kind in ("quasi-complete", "complete"):
            return (
                "there is no finite maximum likelihood estimate, so the priors determine the width of the posterior: "
                "give these coefficients priors that you can justify, and compare other scales with prior_ladder"
            )
        return (
            "within groups the data do not bound these coefficients: their estimates depend on differences between "
            "groups and on the priors of the coefficients and sds; compare other scales with prior_ladder"
        )

    @property
    def details(self) -> list[str]:
        """The rows predicted without error and the groups of one outcome, a line each."""
        return [plain(line) for line in (*self._cells(), *self._groups())]

    @property
    def legend(self) -> list[str]:
        """The meaning of entries of the table, a line each."""
        entries = {*self.given_x["estimate"], *self.given_groups["estimate"]}
        return [f"{entry}: {text}" for entry, text in _LEGEND.items() if entry in entries]

    def plot(self) -> "Picture":
        """Draw which way each estimate goes, given X and given the groups: see `bayesglmm.plots.separation`."""
        from bayesglmm.plots.separation import draw

        return draw(self)

    def _layout(self) -> Layout:
        advice = [f"{self.advice[0].upper()}{self.advice[1:]}."] if self.separated or self.unchecked else []
        above = (f"separation {self.message}.", *advice, *self.details)
        table = self.table
        table.columns.name = "maximum likelihood estimate"
        return Layout(above, table, tuple(self.legend))

    @property
    def table(self) -> pd.DataFrame:
        """Both estimates side by side: index `coefficient`, columns `given X` and `given the groups`."""
        columns = {"given X": self.given_x["estimate"]}
        if self.levels:
            columns["given the groups"] = self.given_groups["estimate"]
        return pd.DataFrame(columns)

    def _cells(self) -> list[str]:
        """Word the rows predicted without error."""
        lines = []
        for given, column in (("X", "given_x"), ("groups", "given_groups")):
            count, cells = int(self.rows[column].sum()), self.cells[self.cells["given"] == given]
            if not count or (given == "groups" and not self.levels):
                continue
            named = [f"{name} ({_counted(*cell)})" for name, *cell in cells[_CELL].itertuples(index=False, name=None)]
            list_of_cells = f": {listing(named, _SHOWN)}" if named else ""
            design = "X" if given == "X" else "the groups"
            rows = f"{count:,} row{'' if count == 1 else 's'}"
            lines.append(f"predicted without error given {design}: {rows}{list_of_cells}")
        return lines

    def _groups(self) -> list[str]:
        counts = Counter(zip(self.groups.index.get_level_values("factor"), self.groups["outcome"], strict=True))
        return [
            f"{count:,} of {self.levels[factor]:,} levels of {factor} are {outcome}"
            for (factor, outcome), count in counts.items()
        ]

    def to_json(self) -> str:
        """Return everything as text, which `from_json` reads."""
        record = {
            "formula": self.formula,
            "family": self.family,
            "coefficients": list(self.given_x.index),
            "given_x": list(self.given_x["estimate"]),
            "given_groups": list(self.given_groups["estimate"]),
            "kind": [self.kind, self.kind_given_groups],
            "groups": self.groups.reset_index().to_numpy(dtype=object).tolist(),
            "rows": self.rows.reset_index().to_numpy(dtype=object).tolist(),
            "cells": self.cells.to_numpy(dtype=object).tolist(),
            "levels": dict(self.levels),
        }
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Separation":
        """Read what `to_json` wrote."""
        record = json.loads(text)
        kind, kind_given_groups = record["kind"]
        return cls(
            record["formula"],
            record["family"],
            estimates_table(record["coefficients"], record["given_x"]),
            estimates_table(record["coefficients"], record["given_groups"]),
            kind,
            kind_given_groups,
            groups_table(record["groups"]),
            rows_table(record["rows"]),
            cells_table(cell for cell in record["cells"] if len(cell) == 5),  # earlier records lack `all_rows`
            record["levels"],
        )


def estimates_table(names: Iterable[str], estimates: Iterable[Estimate]) -> pd.DataFrame:
    """Tabulate one estimate a coefficient."""
    index = pd.Index(list(names), name="coefficient", dtype=object)
    return pd.DataFrame({"estimate": pd.Series(list(estimates), index, dtype=object)})


def groups_table(entries: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Tabulate levels of one outcome: factor, level, outcome, number of rows."""
    return _table(entries, ["factor", "level", "outcome", "rows"]).set_index(["factor", "level"])


def rows_table(entries: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Tabulate rows predicted without error: position, given X, given the groups."""
    dtypes = {"row": np.int64, "given_x": np.bool_, "given_groups": np.bool_}
    return _table(entries, list(dtypes)).astype(dtypes).set_index("row")


def cells_table(entries: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Tabulate cells predicted without error: given what, cell, number of rows, outcome, number of all its rows."""
    return _table(entries, ["given", "cell", "rows", "outcome", "all_rows"]).astype({"all_rows": np.int64})


def _table(entries: Iterable[Sequence[Any]], columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame([list(entry) for entry in entries], columns=columns, dtype=object)
    return table.astype({"rows": np.int64}) if "rows" in columns else table


def _counted(rows: int, all_rows: int, outcome: str) -> str:
    """Return the number of rows of a cell with one outcome: all of them, or those informative given the groups."""
    if rows == all_rows:
        return f"{rows:,} rows, {outcome}"
    verb = "is" if rows == 1 else "are"
    return f"{rows:,} of its {all_rows:,} rows {verb} informative given the groups: {outcome}"


def _infinite(table: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(estimate) for name, estimate in table["estimate"].items() if estimate in _INFINITE}


def _clause(where: str, kind: Kind, infinite: Mapping[str, str]) -> str:
    """Return the result given X, or given the groups."""
    if kind == "none":
        return f"{where}: none"
    if kind == "not checked":
        return f"{where}: not checked, the linear programme is too large or was not solved"
    by_end = {end: [name for name, estimate in infinite.items() if estimate == end] for end in _INFINITE}
    divergent = [f"{listing(names)} to {_INFINITE[end]}" for end, names in by_end.items() if names]
    if not divergent:
        divergent = ["a combination of coefficients to infinity, none of which is identified alone"]
    return f"{where}: {kind}, the likelihood rises without a maximum with {' and '.join(divergent)}"
