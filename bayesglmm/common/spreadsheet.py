"""`to_csv(table)`: a table as the text of a CSV file, safe from spreadsheet formulas.

References
----------
OWASP (2020), CSV Injection.
"""

import re

import pandas as pd

from bayesglmm.common.tables import with_texts

__all__ = ["to_csv"]

_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"-\d+(\.\d*)?([eE][+-]?\d+)?|-\.\d+([eE][+-]?\d+)?")


def to_csv(table: pd.DataFrame) -> str:
    """Return a table as the text of a CSV file.

    A name or a label that a spreadsheet would run as a formula, because it begins with `=`, `+`, `-`, `@`, a
    tab or a line break and is not a plain negative number, is preceded by an apostrophe: spreadsheets
    show it as the text it is.
    """
    return str(with_texts(table, _cell).to_csv())


def _cell(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
