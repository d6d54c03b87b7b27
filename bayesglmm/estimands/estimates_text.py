"""What a printed table of estimates has: its heading, its columns, its digits."""

from collections.abc import Sequence
from functools import partial
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayesglmm.common.tables import block, html, plain_table
from bayesglmm.common.text import named, plain
from bayesglmm.errors import listing
from bayesglmm.estimands.hypothesis_judgement import BOUNDS, judgements, shown_judgements

if TYPE_CHECKING:
    from bayesglmm.estimands.estimates import Estimates

__all__ = ["as_html", "as_text"]

_MOST_DESCRIBED = 8
"""The most columns that describe a row which a printed table has."""

_ROPE = frozenset({"rope_lower", "rope_upper", "inside_rope"})


def as_text(estimates: "Estimates", digits: int) -> str:
    """Return the estimand, then at most 40 rows of the table."""
    shown = _columns(estimates)
    table = plain_table(shown).to_string(index=False, **_formats(shown, estimates.labels, digits), max_rows=40)
    return f"{fill(_heading(estimates), 110, break_on_hyphens=False)}\n\n{table}"


def as_html(estimates: "Estimates", digits: int) -> str:
    """Return the same as HTML."""
    shown = _columns(estimates)
    table = html(shown, index=False, **_formats(shown, estimates.labels, digits), max_rows=40)
    return block(f"<p>{escape(_heading(estimates))}</p>{table}")


def _heading(estimates: "Estimates") -> str:
    """Return the estimand, the probability of the intervals, and which columns are not printed."""
    heading = f"{plain(estimates.estimand)} {100 * estimates.ci_prob:g}\N{NO-BREAK SPACE}% equal-tailed intervals."
    rest = listing(map(named, _unprinted(estimates)), 6)
    heading += f" Columns that only `.table` has: {rest}." if rest else ""
    bounded = estimates.judged and (estimates.table["odds_bound"] != "").any()
    return f"{heading} {BOUNDS}" if bounded else heading


def _columns(estimates: "Estimates") -> pd.DataFrame:
    """Return the table as it is printed: a frame says nothing where there are no random effects."""
    every = estimates.table
    whole = estimates.shown.grouped or every["frame"].nunique() > 1
    table = every.drop(columns=[*_unprinted(estimates), *([] if whole else ["frame"])])
    if not estimates.judged:
        return table
    own = judgements(estimates.draws.values, estimates.judged[:1])
    return table.drop(columns=[name for name in table if name in own or name in _ROPE]).join(shown_judgements(every))


def _unprinted(estimates: "Estimates") -> tuple[str, ...]:
    """Return the labels for which a printed table has no room: those before the last of many that describe a row."""
    described = estimates.shown.described
    return described[_MOST_DESCRIBED - 1 : -1] if len(described) > _MOST_DESCRIBED else ()


def _formats(table: pd.DataFrame, labels: Sequence[str], digits: int) -> dict[str, Any]:
    """Return how pandas writes estimates and labels."""
    return {
        "float_format": "{:.4g}".format,
        "formatters": {
            plain(name): partial(_significant, digits=digits)
            for name in table
            if name not in labels and pd.api.types.is_numeric_dtype(table[name])
        },
    }


def _significant(value: float, digits: int) -> str:
    """Return a number to `digits` significant digits, the whole part in full below a million."""
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e6 else text
