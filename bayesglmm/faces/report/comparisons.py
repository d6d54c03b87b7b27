"""The comparisons of models that a report shows: each a table with its sentences, and its picture."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bayesglmm.common.results import Layout, Result, layout_of
from bayesglmm.common.tables import html

__all__ = ["ReportedComparison", "reported_comparison"]

_NEGATIVE, _HEADING = re.compile(r"<td>-(?=\d)"), re.compile(r"<th.*?</th>")


@dataclass(frozen=True)
class ReportedComparison:
    """A comparison as a report shows it.

    Parameters
    ----------
    above
        Sentences before the table; why there is none where it could not be made.
    table
        The table as HTML; empty where there is none.
    below
        Sentences after the table.
    png
        Its picture; empty where there is none.
    caption
        The caption of the picture.
    """

    above: tuple[str, ...]
    table: str = ""
    below: tuple[str, ...] = ()
    png: bytes = b""
    caption: str = ""


def reported_comparison(result: Result, notes: Sequence[str] = ()) -> ReportedComparison:
    """Return a comparison as a report shows it: the sentences and the table of its text, and its picture if it has one.

    Parameters
    ----------
    result
        What `bayesglmm.compare`, `bayes_factors` or `model_steps` returns, or another result of a comparison.
    notes
        Sentences to stand before its own, such as how the models differ.
    """
    layout = layout_of(result)
    above, table = (*notes, *layout.above), _table(layout)
    if not hasattr(result, "plot"):  # steps of a model
        return ReportedComparison(above, table, layout.below)
    picture = result.plot()
    return ReportedComparison(above, table, layout.below, picture.png(), str(picture.get_label()))


def _table(layout: Layout) -> str:
    """Return the table of a layout as HTML, the index's name at the head of its column; long names may break at `_`."""
    table = layout.table
    head = [*[None] * (table.columns.nlevels - 1), table.columns.name or table.index.name or ""]
    columns = table.columns.set_names(head)
    named = table.set_axis(columns, axis=1).rename_axis(index=None)
    text = _NEGATIVE.sub("<td>\N{MINUS SIGN}", html(named, **layout.options))
    text = _HEADING.sub(lambda heading: heading[0].replace("_", "_<wbr>"), text)
    return f'<div class="scroll">{text}</div>'
