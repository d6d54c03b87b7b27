"""Tables as text and HTML show them: labels as plain text, in full, and never read as mathematics or as markup."""

from typing import Any

import numpy as np
import pandas as pd

from bayesglmm.text import plain

__all__ = ["block", "html", "plain_table"]


def plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose labels, names and texts are plain; numbers and attributes are as before."""
    shown = table.copy(deep=False)
    for position, kind in enumerate(table.dtypes):
        if pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind):
            values = [plain(value) if isinstance(value, str) else value for value in table.iloc[:, position]]
            shown.isetitem(position, np.array(values, dtype=object))
    shown.index, shown.columns = _plain_index(table.index), _plain_index(table.columns)
    return shown


def _plain_index(index: pd.Index) -> pd.Index:
    names = [plain(name) if isinstance(name, str) else name for name in index.names]
    if isinstance(index, pd.MultiIndex):
        rows = [tuple(plain(part) if isinstance(part, str) else part for part in row) for row in index]
        return pd.MultiIndex.from_tuples(rows, names=names) if rows else index.set_names(names)
    if not any(isinstance(label, str) for label in index):
        return index.set_names(names)
    labels = [plain(label) if isinstance(label, str) else label for label in index]
    return pd.Index(labels, dtype=object, name=names[0])


def html(table: pd.DataFrame, **options: Any) -> str:
    """Return a table as HTML: its labels escaped and in full, however long."""
    with pd.option_context("display.max_colwidth", None):
        return str(plain_table(table).to_html(border=0, **options))


def block(content: str) -> str:
    """Return HTML as a block in which notebooks look for no mathematics between dollar signs."""
    return f'<div class="tex2jax_ignore mathjax_ignore">{content}</div>'
