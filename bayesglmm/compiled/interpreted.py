"""Kernels run as plain Python, with every access checked: for tests and for debugging.

`Memory` stands for the memory that a kernel may touch: the arrays whose addresses a header holds, and the workspace.
`interpreted(kernel, memory)` is the kernel's own source with Python twins of what `abi` provides: a pointer is an array
with a position, and an index outside the array raises IndexError, where compiled code would read or overwrite something
else. Each array of the workspace counts as an array of its own: for the run they are laid out with gaps between them,
and filled with NaN, so that reading what was never written is seen in the result.

Arithmetic is Python's: `math` raises where C returns an infinity or NaN.
"""

import operator
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.compiled.rebuilt import rebuilt
from bayesglmm.compiled.table import Table

__all__ = ["Memory", "Pointer", "Repeated", "interpreted"]

_GAP = 1000
"""Doubles between arrays of the workspace, so that an offset into the next one is seen."""


class Pointer:
    """A pointer: a position in an array, which may move as far as its end, and is read and written inside it only."""

    __slots__ = ("array", "entries", "position", "regions")

    def __init__(
        self,
        array: NDArray[Any],
        position: int = 0,
        *,
        entries: type[Table] | None = None,
        regions: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self.array, self.position, self.entries, self.regions = array, position, entries, regions

    def moved(self, n: int) -> "Pointer":
        """Return the pointer n elements further on; in a workspace, one into the array that is at that place."""
        position = self.position + operator.index(n)
        if self.regions:
            start, end = self._region(position)
            return Pointer(self.array[start:end], position - start)
        if not 0 <= position <= self.array.size:
            raise IndexError(f"a pointer moves to {position} of an array of {self.array.size}")
        return Pointer(self.array, position, entries=self.entries)

    def __getitem__(self, index: int) -> Any:
        return self.array[self._checked(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        self.array[self._checked(index)] = value

    def _checked(self, index: int) -> int:
        wanted, member = self.entries, type(index) if isinstance(index, Table) else None
        if member is not wanted:
            raise IndexError(f"{'an array' if wanted is None else wanted.__name__} is indexed by {index!r}")
        position = self.position + operator.index(index)
        if self.regions:
            self._region(position)
        if index < 0 or not 0 <= position < self.array.size:
            raise IndexError(f"index {position} is outside an array of {self.array.size}")
        return position

    def _region(self, position: int) -> tuple[int, int]:
        """Return start and end of the array of the workspace that is at a position."""
        number = bisect_right(self.regions, (position, self.array.size)) - 1
        start, end = self.regions[number] if number >= 0 else (0, -1)
        if not (start <= position < end or start == position):
            raise IndexError(f"no array of the workspace is at {position}")
        return start, end


class Repeated:
    """One number, read as an array: the same at every index."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value

    def __getitem__(self, index: int) -> float:
        return self.value


class _Checked(np.ndarray[Any, Any]):
    """An array whose indices are not negative and whose slices do not end outside it."""

    memory: "Memory | None" = None

    def __array_finalize__(self, parent: Any) -> None:
        self.memory = getattr(parent, "memory", None)

    def __getitem__(self, key: Any) -> Any:
        _check(key, self.shape)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _check(key, self.shape)
        super().__setitem__(key, value)

    @property
    def ctypes(self) -> Any:
        """The address, once the memory knows the array."""
        assert self.memory is not None
        self.memory.add(np.asarray(self))
        return super().ctypes


def _check(key: Any, shape: tuple[int, ...]) -> None:
    for part, length in zip(key if isinstance(key, tuple) else (key,), shape, strict=False):
        places = (part.start or 0, length if part.stop is None else part.stop) if isinstance(part, slice) else (part,)
        if min(places) < 0 or max(places) > length - (not isinstance(part, slice)):
            raise IndexError(f"{part} is outside a dimension of {length}")


@dataclass(frozen=True)
class _Known:
    array: NDArray[Any]
    entries: type[Table] | None


class Memory:
    """The arrays that a kernel may read and write, by address."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._functions: dict[int, Callable[..., Any]] = {}
        self._regions: tuple[tuple[int, int], ...] = ()
        self.allocated: list[Pointer] = []

    def add(self, array: NDArray[Any], entries: type[Table] | None = None) -> int:
        """Let a kernel use an array, or the rows of a table; return the address."""
        self._known[array.ctypes.data] = _Known(array.reshape(-1), entries)
        return array.ctypes.data

    def function(self, address: int, function: Callable[..., Any]) -> None:
        """Run a Python function in the place of the compiled function at an address."""
        self._functions[int(address)] = function

    def pointer(self, address: int | Pointer, dtype: Any) -> Pointer:
        """Return a pointer to an address inside a known array of a type; into an empty array for any other address."""
        if isinstance(address, Pointer):
            return address
        for start, known in self._known.items():
            offset = int(address) - start
            if 0 <= offset <= known.array.nbytes and offset % known.array.itemsize == 0:
                inside = offset < known.array.nbytes or offset == 0
                if inside and known.array.dtype == dtype:
                    return Pointer(known.array, offset // known.array.itemsize, entries=known.entries)
        return Pointer(np.empty(0, dtype))

    def view(self, address: int, n: int, dtype: Any) -> NDArray[Any]:
        """Return n elements at an address as an array, or as many of them as are there."""
        pointer = self.pointer(address, dtype)
        array = pointer.array[pointer.position : pointer.position + n].view(_Checked)
        array.memory = self
        return array

    def call(self, address: int, *arguments: Any) -> Any:
        """Call the function that stands for the one at an address."""
        return self._functions[int(address)](*arguments)

    def lay_out(self, tables: Mapping[type[Table], NDArray[np.int64]], sizes: Mapping[str, int]) -> int:
        """Move the arrays of the workspace apart, in copies of tables that the caller owns; return the size.

        Parameters
        ----------
        tables
            By table the rows, (rows, entries), that one header leads to.
        sizes
            Sizes by symbol, beside those that stand in the tables.
        """
        places: dict[int, int] = {}
        end, regions = _GAP, []
        for row, member, count in _workspace_entries(tables, sizes):
            if count:
                places[int(row[member])] = end
            row[member] = end
            regions.append((end, end + count))
            end += count + _GAP
        for entries, rows in tables.items():
            for member in entries:
                if member.entry.workspace == "borrowed":
                    rows[:, member] = [places[int(place)] for place in rows[:, member]]
        self._regions = tuple(regions)
        return end

    def allocate(self, allocator: int, n: int) -> Pointer:
        """Return a workspace of n doubles, all NaN."""
        workspace = Pointer(np.full(n, np.nan), regions=self._regions)
        self.allocated.append(workspace)
        return workspace

    def release(self, releaser: int, pointer: Pointer) -> None:
        """Free a workspace; any other pointer is an error."""
        self.allocated.remove(pointer)


def _workspace_entries(
    tables: Mapping[type[Table], NDArray[np.int64]], sizes: Mapping[str, int]
) -> Iterator[tuple[NDArray[np.int64], Table, int]]:
    """Yield the row, the entry and the number of doubles of each array of the workspace."""
    for entries, rows in tables.items():
        for row in rows:
            own = {member.entry.symbol: int(row[member]) for member in entries if member.entry.symbol}
            for member in entries:
                if member.entry.workspace == "own":
                    yield row, member, prod(member.entry.dimensions({**sizes, **own}))


def interpreted(kernel: Any, memory: Memory) -> Callable[..., Any]:
    """Return a kernel of the package, with all that it calls, as plain Python on a memory."""
    float64, int64, int32 = np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.int32)

    def call_family(address: int, n: int, *pointers: Any) -> None:
        memory.call(address, n, *(memory.pointer(pointer, float64) for pointer in pointers))

    def made(function: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*arguments: Any, **options: Any) -> Any:
            array = function(*arguments, **options).view(_Checked)
            array.memory = memory
            return array

        return checked

    twins = {
        "doubles": lambda address: memory.pointer(address, float64),
        "integers": lambda address: memory.pointer(address, int64),
        "indices": lambda address: memory.pointer(address, int32),
        "floats": lambda address, n: memory.view(address, n, float64),
        "words": lambda address, n: memory.view(address, n, int64),
        "further": Pointer.moved,
        "allocate": memory.allocate,
        "release": memory.release,
        "call_link": lambda address, n, work: memory.call(address, n, memory.pointer(work, float64)),
        "call_family": call_family,
        "call_prior": memory.call,
        "np": SimpleNamespace(
            int64=np.int64,
            zeros=made(np.zeros),
            ones=made(np.ones),
            full=made(np.full),
            empty=made(lambda shape: np.full(shape, np.nan)),
        ),
    }
    return rebuilt(kernel, twins)
