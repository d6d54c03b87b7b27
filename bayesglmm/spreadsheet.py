"""`to_csv(table)`: a table as the text of a CSV file, in which no cell is a formula of a spreadsheet.

References
----------
OWASP (2020), CSV Injection.
"""

import re
from typing import Any

import pandas as pd

__all__ = ["to_csv"]

_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"-\d+(\.\d*)?([eE][+-]?\d+)?|-\.\d+([eE][+-]?\d+)?")


def to_csv(table: pd.DataFrame) -> str:
    """Return a table as the text of a CSV file.

    A name or a label that a spreadsheet would run as a formula, because it begins with `=`, `+`, `-`, `@`, a
    tab or a line break and is not a plain negative number, is preceded by an apostrophe: spreadsheets
    show it as the text it is.
    """
    safe = table.copy()
    for position, kind in enumerate(safe.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            safe.isetitem(position, [_cell(value) for value in safe.iloc[:, position]])
    safe.index, safe.columns = _labels(safe.index), _labels(safe.columns)
    return str(safe.to_csv())


def _labels(labels: "pd.Index[Any]") -> "pd.Index[Any]":
    names = [_cell(name) for name in labels.names]
    if len(labels) and isinstance(labels, pd.MultiIndex):
        return pd.MultiIndex.from_tuples([tuple(_cell(part) for part in label) for label in labels], names=names)
    return labels.map(_cell).set_names(names) if len(labels) else labels.set_names(names)


def _cell(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
