"""`Table`: an array of int64 through which a compiled function receives its sizes, its data and its workspace.

A table is an enumeration. The number of a member is the place of its entry in the array; the member itself says what
the entry means, and which shape and type an array has whose address it holds. `Filled.of` writes such an array,
checks the values against these shapes and types, and assigns places in the workspace of a call.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Entry",
    "Filled",
    "Table",
    "borrowed",
    "floats",
    "integers",
    "number",
    "scratch",
    "size",
    "small_integers",
    "table",
]


@dataclass(frozen=True)
class Entry:
    """What stands at one place of a table.

    Parameters
    ----------
    meaning
        What it is.
    shape
        Of an array: its dimensions, each a sum of sizes by their symbols, such as `"d+e"`, or a number.
    dtype
        Of an array given by its address: the type of its elements; None for any other entry.
    symbol
        Of a size: the symbol by which shapes name it.
    workspace
        Whether the entry is where an array of doubles begins in the workspace of a call, counted in doubles: `"own"`
        if `Filled.of` deals the array out, `"borrowed"` if the array is an entry of another table.
    rows
        Of an address: the table that each row of the array is.
    when
        The entry that has to be other than 0 for this one to be needed, `"not …"` for 0; empty for always.
    """

    meaning: str
    shape: tuple[str, ...] = ()
    dtype: Any = None
    symbol: str = ""
    workspace: Literal["own", "borrowed"] | None = None
    rows: "type[Table] | None" = None
    when: str = ""

    def dimensions(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape in numbers."""
        return tuple(_dimension(text, sizes) for text in self.shape)


def _dimension(text: str, sizes: Mapping[str, int]) -> int:
    if text in sizes:
        return sizes[text]
    terms = text.replace("-", "+-").split("+")
    signed = [(-1, term[1:]) if term.startswith("-") else (1, term) for term in terms]
    return sum(sign * (int(term) if term.isdigit() else sizes[term]) for sign, term in signed)


class Table(IntEnum):
    """An enumeration of the entries of a table, in order."""

    entry: Entry

    def __new__(cls, entry: Entry) -> Self:
        """Make the next member: entries are numbered from 0."""
        member = int.__new__(cls, len(cls.__members__))
        member._value_ = len(cls.__members__)
        member.entry = entry
        return member


def size(symbol: str, meaning: str, when: str = "") -> Entry:
    """Describe a size, which shapes name by its symbol."""
    return Entry(meaning, symbol=symbol, when=when)


def number(meaning: str, when: str = "") -> Entry:
    """Describe a number: a flag, a position, the address of a function."""
    return Entry(meaning, when=when)


def floats(meaning: str, *shape: str, when: str = "") -> Entry:
    """Describe the address of an array of doubles, C-contiguous."""
    return Entry(meaning, shape, np.dtype(np.float64), when=when)


def integers(meaning: str, *shape: str, when: str = "") -> Entry:
    """Describe the address of an array of int64, C-contiguous."""
    return Entry(meaning, shape, np.dtype(np.int64), when=when)


def small_integers(meaning: str, *shape: str, when: str = "") -> Entry:
    """Describe the address of an array of int32, C-contiguous: half of the memory to read where there are many."""
    return Entry(meaning, shape, np.dtype(np.int32), when=when)


def table(rows: type[Table], meaning: str, count: str, when: str = "") -> Entry:
    """Describe the address of so many rows that are tables themselves; of one where `count` is empty."""
    columns = str(len(rows.__members__))
    shape = (count, columns) if count else (columns,)
    return Entry(meaning, shape, np.dtype(np.int64), rows=rows, when=when)


def scratch(meaning: str, *shape: str) -> Entry:
    """Describe the place of an array of doubles in the workspace of a call."""
    return Entry(meaning, shape, workspace="own")


def borrowed(meaning: str) -> Entry:
    """Describe the place of an array in the workspace that is an entry of another table."""
    return Entry(meaning, workspace="borrowed")


@dataclass(frozen=True, eq=False)
class Filled:
    """A table that has been filled.

    Parameters
    ----------
    row
        The entries, by their numbers.
    space
        The doubles of workspace dealt out so far.
    arrays
        The arrays whose addresses stand in it, which have to live as long as it is read.
    """

    row: NDArray[np.int64]
    space: int
    arrays: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, values: Mapping[Any, int | NDArray[Any]], sizes: Mapping[str, int], space: int = 0) -> Self:
        """Fill a table.

        Parameters
        ----------
        values
            By member, a number or the array whose address is meant.
        sizes
            Sizes by symbol, beside those that are entries of the table.
        space
            The doubles of workspace that others have.

        Raises
        ------
        ValueError
            If an array is not of the shape and type that the table says, or an entry that is needed is missing.
        """
        entries: type[Table] = type(next(iter(values)))
        sizes = {**sizes, **{member.entry.symbol: int(values[member]) for member in values if member.entry.symbol}}
        row = np.zeros(len(entries), dtype=np.int64)
        arrays = []
        for member in entries:
            entry, value = member.entry, values.get(member)
            if entry.workspace == "own":
                row[member] = space
                space += math.prod(entry.dimensions(sizes))
            elif isinstance(value, np.ndarray):
                row[member] = _address(member, value, sizes)
                arrays.append(value)
            elif value is not None:
                row[member] = value
            elif _needed(entry, entries, values):
                raise ValueError(f"{entries.__name__}.{member.name} is missing: {entry.meaning}")
        return cls(row, space, tuple(arrays))


def _address(member: Table, array: NDArray[Any], sizes: Mapping[str, int]) -> int:
    entry = member.entry
    shape = entry.dimensions(sizes)
    if array.shape != shape or array.dtype != entry.dtype or not array.flags.c_contiguous:
        raise ValueError(
            f"{type(member).__name__}.{member.name}, {entry.meaning}, is C-contiguous {entry.dtype} of shape "
            f"({', '.join(entry.shape)}) = {shape}, not {array.dtype} of shape {array.shape}"
        )
    return array.ctypes.data


def _needed(entry: Entry, entries: type[Table], values: Mapping[Any, Any]) -> bool:
    flag = entry.when.removeprefix("not ")
    return not flag or bool(values[entries[flag]]) != entry.when.startswith("not ")
