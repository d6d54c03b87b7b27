"""`Result`: what every result shows of itself, as text and as HTML, from one layout."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from textwrap import fill
from typing import Any

import pandas as pd

from bayesglmm.common.tables import block, html, plain_table
from bayesglmm.common.text import plain

__all__ = ["Layout", "Result", "layout_of"]


@dataclass(frozen=True, eq=False)
class Layout:
    """What a result shows: lines of text, a table or two, further lines.

    Parameters
    ----------
    above, below
        Lines before and after the tables.
    table
        The table.
    options
        Options of `pandas.DataFrame.to_string` and `to_html`, such as `float_format`.
    width
        At how many characters lines of text are wrapped; None for not at all. HTML wraps them itself.
    second
        A table under the first, with the same options; None for none.
    """

    above: tuple[str, ...]
    table: pd.DataFrame
    below: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    width: int | None = None
    second: pd.DataFrame | None = None

    @property
    def tables(self) -> tuple[pd.DataFrame, ...]:
        """The tables, from above to below."""
        return (self.table,) if self.second is None else (self.table, self.second)


class Result(ABC):
    """A result with a `table`, `plot()`, `to_text()` and an HTML display; `str` and `repr` are its text."""

    @abstractmethod
    def _layout(self) -> Layout:
        """Return what is shown."""

    def to_text(self) -> str:
        """Return the result as text: what it is, then its table."""
        layout = self._layout()
        above, below = ("\n".join(self._wrapped(lines, layout.width)) for lines in (layout.above, layout.below))
        tables = (plain_table(table).to_string(**layout.options) for table in layout.tables)
        return "\n\n".join(part for part in (above, *tables, below) if part)

    def __str__(self) -> str:
        """Return the same as `to_text()`."""
        return self.to_text()

    def __repr__(self) -> str:
        """Return the same as `to_text()`: this is what a notebook or a prompt shows."""
        return self.to_text()

    def _repr_html_(self) -> str:
        layout = self._layout()
        above, below = (
            "".join(f"<p>{escape(plain(line))}</p>" for line in lines) for lines in (layout.above, layout.below)
        )
        tables = "".join(html(table, **layout.options) for table in layout.tables)
        return block(f"{above}{tables}{below}")

    @staticmethod
    def _wrapped(lines: tuple[str, ...], width: int | None) -> list[str]:
        texts = [plain(line) for line in lines]
        return texts if width is None else [fill(text, width, break_on_hyphens=False) for text in texts]


def layout_of(result: Result) -> Layout:
    """Return what a result shows, for a page that lays it out itself."""
    return result._layout()
