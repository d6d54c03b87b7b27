"""Tables as text and HTML: labels in full, as plain text, neither mathematics nor markup."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from bayesglmm.common.text import plain

__all__ = ["block", "html", "plain_table", "with_texts"]


def with_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a table whose labels, names and texts are changed; numbers and attributes are not."""

    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    def labels(index: Any) -> Any:
        names = [changed(name) for name in index.names]
        if isinstance(index, pd.MultiIndex):
            entries = [tuple(map(changed, entry)) for entry in index]
            if entries:
                return pd.MultiIndex.from_tuples(entries, names=names)
        elif any(isinstance(label, str) for label in index):
            return pd.Index([changed(label) for label in index], dtype=object, name=names[0])
        return index.set_names(names)

    result = table.copy(deep=False)
    for position, dtype in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype)):
            result.isetitem(position, np.array([changed(value) for value in table.iloc[:, position]], dtype=object))
    result.index, result.columns = labels(table.index), labels(table.columns)
    return result


def plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose labels, names and texts are plain; numbers and attributes are not changed."""
    return with_texts(table, plain)


def html(table: pd.DataFrame, **options: Any) -> str:
    """Return a table as HTML, its labels escaped and in full."""
    with pd.option_context("display.max_colwidth", None):
        return str(plain_table(table).to_html(border=0, **options))


def block(content: str) -> str:
    """Return HTML as a block in which notebooks do not read `$…$` as mathematics."""
    return f'<div class="tex2jax_ignore mathjax_ignore">{content}</div>'
