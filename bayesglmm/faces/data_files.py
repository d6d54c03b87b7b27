"""Tables from CSV and Parquet files: nothing in a cell is guessed, what is ambiguous is an error.

A cell is missing if it is empty or one of `na_values`; without `na_values` also if it is one of `MARKS` in a column of
numbers. In a column of text `NA`, `None` and `null` are labels.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesglmm.errors import SpecError, listing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SUFFIXES", "read_csv", "read_table"]

SUFFIXES = (".csv", ".tsv", ".parquet")
"""The suffixes of data files."""

MARKS = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", ".", "#N/A", "<NA>", "-nan", "-NaN")
"""Marks of missing numbers, unless `na_values` lists others."""

_SEPARATORS = (",", ";", "\t", "|")
_LOOKED_AT, _READ_AHEAD = 50, 200_000
_EXACT = 2**53
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_EXCEL = re.compile(r"\Asep=.\r?\n")  # a line that tells a spreadsheet what separates cells
_WHOLE = re.compile(r"[+-]?\d+")
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def read_table(file: Path, na_values: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read a CSV or Parquet file.

    Raises
    ------
    SpecError
        If it cannot be read without guessing.
    """
    try:
        if file.suffix.lower() != ".parquet":
            return read_csv(file.read_bytes(), str(file), na_values)
        import pandas as pd

        return pd.read_parquet(file)
    except ImportError as error:
        raise SpecError(f"'{file}': reading Parquet needs pyarrow; install it, or save the data as CSV") from error
    except SpecError:
        raise
    except MemoryError as error:
        raise SpecError(f"'{file}' cannot be read: the memory does not suffice") from error
    except Exception as error:  # pandas and pyarrow raise many types of error for malformed files
        raise SpecError(f"'{file}' cannot be read: {error}") from error


def read_csv(content: bytes, where: str, na_values: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read the bytes of a CSV file, separated by commas, semicolons, tabs or bars.

    Parameters
    ----------
    content
        The bytes: UTF-8, with or without a byte-order mark, or UTF-16 with one.
    where
        The file, for errors.
    na_values
        The texts that mark missing cells, beside empty ones; None for `MARKS` in columns of numbers.

    Raises
    ------
    SpecError
        For another encoding, a repeated or empty column name, and rows longer than the header.
    """
    import pandas as pd

    text = _decoded(content, where)
    try:
        separator = _separator(text)
        names = _header(text, separator, where)
    except csv.Error as error:
        raise SpecError(f"'{where}' cannot be read: {error}") from error
    marks = ["", *(na_values or ())]
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, keep_default_na=False, na_values=marks, low_memory=False)
    except ValueError as error:
        raise SpecError(f"'{where}' cannot be read: {str(error).strip()}") from error
    table.columns = pd.Index(names)
    if separator != ",":
        table = _with_points(table, na_values)
    return table.apply(_numbers, where=where, usual=na_values is None) if len(table) else table


def _decoded(content: bytes, where: str) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with a byte-order mark."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpecError(
            f"'{where}' is not UTF-8 text: byte {error.start}, in line {line}, is of another encoding (Latin-1, "
            "Windows-1252 …); save the file as UTF-8"
        ) from error
    if "\0" in text:
        raise SpecError(f"'{where}' has zero bytes: UTF-16 without its mark, or no text at all; save it as UTF-8")
    if not text.strip():
        raise SpecError(f"'{where}' cannot be read: it is empty")
    return _EXCEL.sub("", text, count=1)


def _separator(text: str) -> str:
    """Return the separator: the first that gives all of the first rows as many cells as the header."""
    part = text[:_READ_AHEAD]
    widths = {
        separator: [len(row) for row, _ in zip(_rows(part, separator), range(_LOOKED_AT), strict=False)]
        for separator in _SEPARATORS
    }
    if len(part) < len(text):  # the last row may be incomplete
        widths = {separator: cells[: max(1, len(cells) - 1)] for separator, cells in widths.items()}
    several = {separator: cells for separator, cells in widths.items() if cells and cells[0] > 1}
    equal = [separator for separator, cells in several.items() if len(set(cells)) == 1]
    return next(iter(equal or sorted(several, key=lambda separator: -several[separator][0])), ",")


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """Return the rows of a text that are not empty."""
    return (row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(cell.strip() for cell in row))


def _header(text: str, separator: str, where: str) -> list[str]:
    """Return the names of the columns, none of them empty or repeated."""
    rows = _rows(text, separator)
    names, first = [name.strip() for name in next(rows)], next(rows, [])
    if len(first) > len(names):  # pandas would take the first cells for an index
        raise SpecError(f"'{where}': rows have more cells than the header has names ({len(names)}); name every column")
    empty = [position for position, name in enumerate(names, 1) if not name]
    if empty == [1] and len(names) > 1:
        names[0] = "Unnamed: 0"  # the row names that R and pandas write
    elif empty:
        raise SpecError(f"'{where}': column {listing(empty)} of the header has no name; give it one, or remove it")
    repeated = list(dict.fromkeys(name for name in names if names.count(name) > 1))
    if repeated:
        raise SpecError(
            f"'{where}': a column name stands more than once in the header: {listing(repeated)}; rename or drop one"
        )
    return names


def _with_points(table: "pd.DataFrame", na_values: Sequence[str] | None) -> "pd.DataFrame":
    """Return a table with decimal points for decimal commas, unless the commas may be thousands separators."""
    texts = {name: _cells(table[name], na_values is None) for name in table if table[name].dtype.kind in "OUT"}
    with_commas = {}
    for name, cells in texts.items():
        commas = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
        if commas and len(commas) + sum(bool(_WHOLE.fullmatch(cell)) for cell in cells) == len(cells):
            with_commas[name] = commas
    floats = (table[name].dropna() for name in table if table[name].dtype.kind == "f")
    points = any((column % 1 != 0).any() for column in floats)
    certain = any(not _AMBIGUOUS.fullmatch(cell) for cells in with_commas.values() for cell in cells)
    if points or not certain:
        return table
    return table.assign(**{str(name): table[name].str.replace(",", ".", regex=False) for name in with_commas})


def _cells(column: "pd.Series[Any]", usual: bool) -> list[str]:
    """Return the distinct texts of a column that are not marks of missing numbers."""
    texts = [cell.strip() for cell in column.dropna().unique() if isinstance(cell, str)]
    return [text for text in texts if text and not (usual and text in MARKS)]


def _numbers(column: "pd.Series[Any]", where: str, usual: bool) -> "pd.Series[Any]":
    """Return a column as numbers if all its cells are numbers or usual marks of missing ones; unchanged otherwise."""
    import pandas as pd

    if column.dtype.kind == "f":
        _check_exact(column, where)
        return column
    if column.dtype.kind not in "OUT" or not all(isinstance(cell, str) for cell in column.dropna()):
        return column
    column = column.mask(column.str.strip() == "")
    cells = _cells(column, usual)
    if not cells:
        return column
    try:
        pd.to_numeric(pd.Series(cells))
    except (ValueError, TypeError):
        return column
    if any(cell != cell.strip() for cell in column.dropna().unique()) or "_" in "".join(cells):
        return column
    numbers = pd.to_numeric(column.mask(column.isin(MARKS)) if usual else column)
    _check_exact(numbers, where)
    return numbers


def _check_exact(column: "pd.Series[Any]", where: str) -> None:
    """Refuse whole numbers beyond 2^53 beside empty cells, which pandas has rounded to floats."""
    known = column.dropna()
    if (
        column.dtype.kind == "f"
        and len(known) < len(column)
        and (known % 1 == 0).all()
        and (known.abs() >= _EXACT).any()
    ):
        raise SpecError(
            f"'{where}': column '{column.name}' holds whole numbers beyond 2^53 beside empty cells, which a float "
            "rounds; write them as text (in quotes, with a letter before), or rescale them"
        )
