"""`combined`: rows of a table of estimates compared with each other, or combined as text says, draw by draw."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.common.text import plain
from bayesglmm.errors import FormulaError, OptionError, listing, suggest
from bayesglmm.estimands.contrasts import NAMED, pairs
from bayesglmm.estimands.hypothesis_judgement import Judged
from bayesglmm.estimands.hypothesis_text import CALLABLE, Statement, evaluated, read_statements, uses
from bayesglmm.estimands.wording import number

__all__ = ["Combined", "combined"]

type Array = NDArray[np.float64]

_OWN = ("hypothesis", "rows")
"""The labels that comparing rows adds."""

_NUMBERS = ("relation", "null", "probability", "odds", "odds_bound", "rope_lower", "rope_upper", "inside_rope")
"""The columns that judging hypotheses adds to a table."""

_ROW = re.compile(r"b([1-9]\d*)\b")
_NAME = re.compile(r"`[^`]*`?|[^\W\d]\w*")
_CALL = re.compile(r"([^\W\d]\w*)\s*\(")


@dataclass(frozen=True, eq=False)
class Combined:
    """Combinations of rows.

    Parameters
    ----------
    labels
        Their labels, `frame` the last.
    draws
        (s, k).
    judged
        How each is judged; empty where they are compared by pairs.
    null
        The value of no effect that all have; None where there is none.
    ratio
        Whether they are ratios.
    about
        What was done.
    """

    labels: pd.DataFrame
    draws: Array
    judged: tuple[Judged, ...]
    null: float | None
    ratio: bool
    about: str


def combined(
    labels: pd.DataFrame,
    draws: Array,
    hypotheses: str | Sequence[str] | Mapping[str, str],
    by: str | Sequence[str] | None,
    ratio: bool,
) -> Combined:
    """Compare or combine the rows of a table.

    Parameters
    ----------
    labels
        The labels of the rows, `frame` the last.
    draws
        (s, rows) their draws.
    hypotheses
        `"reference"`, `"pairwise"` or `"sequential"`; or hypotheses in which `b1`, `b2`, … are the rows in order.
    by
        Labels within whose values rows are compared, or numbered.
    ratio
        Whether the rows are ratios, whose comparison by pairs is a ratio again.

    Raises
    ------
    OptionError
        For an unknown label, nothing to compare, or a label that the result has itself.
    FormulaError
        For text that cannot be read wholly, or a row that is not there.
    """
    within = _by(labels, by)
    if isinstance(hypotheses, str) and hypotheses in NAMED:
        return _by_pairs(labels, draws, hypotheses, within, ratio)
    return _by_text(labels, draws, hypotheses, within)


def _by(labels: pd.DataFrame, by: str | Sequence[str] | None) -> list[str]:
    names = [] if by is None else [by] if isinstance(by, str) else list(by)
    known = [str(name) for name in labels if name != "frame"]
    for name in names:
        if name not in known:
            reason = "rows of different frames are never compared by pairs" if name == "frame" else ""
            raise OptionError(
                f"by has {name!r}, which is no label of these estimates; {reason or suggest(str(name), known)}"
            )
    clashing = [name for name in known if name in _NUMBERS or (name == "rows" and "hypothesis" not in known)]
    if clashing:
        raise OptionError(f"the table has a column {clashing[0]!r} of its own; rename that of the data before the fit")
    return names


def _by_pairs(labels: pd.DataFrame, draws: Array, option: str, by: list[str], ratio: bool) -> Combined:
    """Compare rows of one frame, and of one value of `by`, by pairs; the later minus the earlier, or over it."""
    sign, texts = "/" if ratio else "-", _texts(labels, by)
    named, columns = [], []
    for rows in labels.groupby([*by, "frame"], sort=False, observed=True).indices.values():
        for low, high in pairs(len(rows), option):
            first, second = int(rows[low]), int(rows[high])
            named.append((first, f"({texts[second]}) {sign} ({texts[first]})"))
            with np.errstate(all="ignore"):
                columns.append(draws[:, second] / draws[:, first] if ratio else draws[:, second] - draws[:, first])
    if not named:
        where = f" of each {listing(by)} and frame" if by else " of a frame"
        raise OptionError(
            f"there is one row{where}, and nothing to compare it with; leave out by=, or ask for more rows"
        )
    fixed = [name for name in labels if name not in (*_OWN, *by, "frame") and labels[name].nunique(dropna=False) == 1]
    first_rows = labels.iloc[[row for row, _ in named]].reset_index(drop=True)
    table = first_rows[fixed].assign(hypothesis=[text for _, text in named])
    table = pd.concat([table, first_rows[[*by, "frame"]]], axis=1)
    each = f" within each {listing(by)}" if by else ""
    what = {
        "reference": "each against the first",
        "pairwise": "every pair",
        "sequential": "each against the one before",
    }
    kind = "Ratios" if ratio else "Differences"
    about = f"{kind} between estimates{each}, {what[option]}, computed draw by draw"
    return Combined(table, np.column_stack(columns), (), 1.0 if ratio else 0.0, ratio, about)


def _by_text(
    labels: pd.DataFrame, draws: Array, hypotheses: str | Sequence[str] | Mapping[str, str], by: list[str]
) -> Combined:
    """Combine rows as text says."""
    groups = list(labels.groupby([*by, "frame"], sort=False, observed=True).indices.values()) if by else []
    groups = groups or [np.arange(len(labels))]
    if len({len(rows) for rows in groups}) > 1:
        raise OptionError(
            f"the values of {listing(by)} have different numbers of rows, so that b1, b2, … have no meaning"
        )
    statements = read_statements(hypotheses, _RowNames(len(groups[0])))
    tables, columns, judged = [], [], []
    texts = _texts(labels, by)
    for rows in groups:
        own = {f"b{j + 1}": draws[:, row] for j, row in enumerate(rows)}
        for name, statement in statements.items():
            used = {each: int(rows[int(each[1:]) - 1]) for each in uses(statement.quantity)}
            tables.append(_label(labels, name, used, texts, by))
            columns.append(evaluated(statement.quantity, own, statement.text))
            judged.append(Judged(statement.relation, statement.null))
    nulls = {each.null for each in judged}
    each = f", b1 being the first row of each {listing(by)} and frame" if by else ""
    about = f"Combinations of estimates, computed draw by draw{each}: {_written(statements)}"
    return Combined(
        pd.DataFrame(tables),
        np.column_stack(columns),
        tuple(judged),
        nulls.pop() if len(nulls) == 1 else None,
        False,
        about,
    )


def _label(
    labels: pd.DataFrame, name: str, used: Mapping[str, int], texts: Sequence[str], by: Sequence[str]
) -> dict[str, object]:
    rows = list(used.values())
    frames = list(dict.fromkeys(labels["frame"].iloc[rows]))
    whose = [f" ({labels['frame'].iloc[row]})" if len(frames) > 1 else "" for row in rows]
    described = (f"{each}: {texts[row]}{frame}" for (each, row), frame in zip(used.items(), whose, strict=True))
    named = {"hypothesis": name, "rows": "; ".join(described)}
    return {**named, **{key: labels[key].iloc[rows[0]] for key in by}, "frame": " and ".join(frames)}


def _written(statements: Mapping[str, Statement]) -> str:
    return listing(each.text if name == each.text else f"{name}: {each.text}" for name, each in statements.items())


def _texts(labels: pd.DataFrame, by: Sequence[str]) -> list[str]:
    """Name rows by the labels that differ between them."""
    several = labels["frame"].nunique() > 1
    frames = labels.groupby("frame", sort=False).ngroups if several else 1
    varying = [
        name
        for name in labels
        if name not in (*by, "rows", "frame") and (name == "hypothesis" or labels[name].nunique(dropna=False) > 1)
    ]
    texts = []
    for position, row in enumerate(labels.to_dict("records")):
        parts = []
        if "contrast" in varying or "variable" in varying:
            parts.append(f"{row['variable']}: {row['contrast']}" if "contrast" in row else str(row["variable"]))
        for name in varying:
            if name == "hypothesis":
                parts.append(str(row[name]))
            elif name not in ("variable", "contrast"):
                parts.append(f"{name} = {number(row[name])}")
        texts.append(plain(", ".join(parts)) or f"b{position + 1}")
    counts = pd.Series(texts).value_counts()
    expected = frames * (len(labels.groupby(list(by), observed=True)) if by else 1)
    return [text if counts[text] <= expected else f"{text} (b{j + 1})" for j, text in enumerate(texts)]


class _RowNames:
    """The names b1, b2, … of rows."""

    def __init__(self, count: int) -> None:
        self.count = count

    def read(self, text: str, at: int) -> tuple[str, int] | None:
        """Return the row that is named at a position, and where its name ends; None for a function called there."""
        row = _ROW.match(text, at)
        if row is not None and int(row[1]) <= self.count:
            return row.group(), row.end()
        called = _CALL.match(text, at)
        if called is not None and called[1] in CALLABLE:
            return None
        name = _NAME.match(text, at)
        given = plain(name.group() if name else text[at])
        last = f"b1 to b{self.count}, in the order of the table" if self.count > 1 else "b1 alone"
        functions = f"; functions: {listing(CALLABLE, 20)}" if called else ""
        named = f"; by name there are {listing(map(repr, NAMED))}" if at == 0 and text.isidentifier() else ""
        raise FormulaError(f"{given} is no row of these estimates, which are {last}{functions}{named}", text, at)
