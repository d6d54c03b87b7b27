"""Tables as text and HTML show them: labels as plain text, in full, and never read as mathematics or as markup."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from bayesglmm.common.text import plain

__all__ = ["block", "html", "plain_table", "with_texts"]


def with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a table whose labels, names and texts are changed; numbers and attributes are as before."""

    def one(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    def labels(index: Any) -> Any:
        names = [one(name) for name in index.names]
        if isinstance(index, pd.MultiIndex):
            rows = [tuple(map(one, row)) for row in index]
            if rows:
                return pd.MultiIndex.from_tuples(rows, names=names)
        elif any(isinstance(label, str) for label in index):
            return pd.Index([one(label) for label in index], dtype=object, name=names[0])
        return index.set_names(names)

    changed = table.copy(deep=False)
    for position, kind in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)):
            changed.isetitem(position, np.array([one(value) for value in table.iloc[:, position]], dtype=object))
    changed.index, changed.columns = labels(table.index), labels(table.columns)
    return changed


def plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose labels, names and texts are plain; numbers and attributes are as before."""
    return with_texts(table, plain)


def html(table: pd.DataFrame, **options: Any) -> str:
    """Return a table as HTML: its labels escaped and in full, however long."""
    with pd.option_context("display.max_colwidth", None):
        return str(plain_table(table).to_html(border=0, **options))


def block(content: str) -> str:
    """Return HTML as a block in which notebooks look for no mathematics between dollar signs."""
    return f'<div class="tex2jax_ignore mathjax_ignore">{content}</div>'
