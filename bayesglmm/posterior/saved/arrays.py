"""`to_netcdf(tree)`: draws as the bytes of a netCDF file, made in memory; `from_netcdf(handle)` reads them.

HDF5 ends the process when a write fails, be it for want of disk or of memory. So it writes into memory that was taken
beforehand, and the bytes go to the disk without it.
"""

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesglmm.errors import StorageError

__all__ = ["from_netcdf", "to_netcdf"]

_MOST_EXPANDED = 1100
"""How many bytes one byte of a file can stand for: deflate stops at 1,032."""

_LARGEST_EMPTY = 2**24
"""How many bytes a file may stand for whatever its size: dimensions without coordinates take no room in it."""


def to_netcdf(tree: xr.DataTree) -> tuple[memoryview, dict[str, str]]:
    """Return draws as the bytes of a netCDF file, the posterior compressed, and its arrays' types and shapes by path.

    Raises
    ------
    MemoryError
        If the memory does not suffice.
    """
    encoding = {
        f"/{name}": {variable: {"zlib": True, "complevel": 1} for variable in child.data_vars}
        for name, child in tree.children.items()
        if name == "posterior"
    }
    file = _MemoryFile(_room(tree))
    tree.to_netcdf(file, engine="h5netcdf", encoding=encoding)
    image = file.content()
    return image, _declared(file)[0]


def from_netcdf(handle: Any, expected: Mapping[str, Any] | None) -> xr.DataTree:
    """Read draws from an open netCDF file, once it is seen that it declares what it should.

    Parameters
    ----------
    handle
        The file, open for reading bytes.
    expected
        What `to_netcdf` said of its arrays when it was written; None if that is not known.

    Raises
    ------
    StorageError
        If it declares other arrays, or larger ones than a file of its size can hold.
    """
    size: int = handle.seek(0, io.SEEK_END)
    found, total = _declared(handle)
    if total > _MOST_EXPANDED * size + _LARGEST_EMPTY:
        raise StorageError(f"declares {total:.3g} bytes of arrays, which a file of {size:,} bytes cannot hold")
    if expected is not None and found != expected:
        raise StorageError("declares other arrays than were saved")
    handle.seek(0)
    with xr.open_datatree(handle, engine="h5netcdf") as tree:
        loaded: xr.DataTree = tree.load()
    return loaded


def _declared(handle: Any) -> tuple[dict[str, str], int]:
    """Return type and shape of every array, and how many bytes they are together."""
    import h5py

    found: dict[str, str] = {}
    total = 0

    def look(path: str, item: Any) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset):
            found[path] = f"{item.dtype.str} {' × '.join(map(str, item.shape or ()))}".strip()
            total += item.dtype.itemsize * math.prod(item.shape or ())

    handle.seek(0)
    with h5py.File(handle, "r") as file:
        file.visititems(look)
    return found, total


def _room(tree: xr.DataTree) -> int:
    """Return how many bytes the file can need: the arrays, and what HDF5 notes of each and of its chunks."""
    variables = [variable for node in tree.subtree for variable in node.to_dataset().variables.values()]
    return 2**20 + sum(int(1.1 * variable.nbytes) + 2**14 for variable in variables)


class _MemoryFile(io.RawIOBase):
    """A file in memory whose writing never fails before HDF5: where memory ends, what is written goes nowhere.

    Parameters
    ----------
    room
        How many bytes to take at once; it grows beyond.

    Raises
    ------
    MemoryError
        If there is not so much memory.
    """

    def __init__(self, room: int) -> None:
        self._bytes = np.zeros(room, dtype=np.uint8)
        self._size = 0
        self._at = 0
        self._lost = False

    def content(self) -> memoryview:
        """Return what was written.

        Raises
        ------
        MemoryError
            If something of it went nowhere.
        """
        if self._lost:
            raise MemoryError(f"no memory for a file of {self._size:,} bytes")
        return memoryview(self._bytes)[: self._size]

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        into = memoryview(buffer).cast("B")
        here = self._bytes[self._at : min(self._at + len(into), self._size)]
        into[: len(here)] = here.data
        self._at += len(here)
        return len(here)

    def write(self, data: Any) -> int:
        given = memoryview(data).cast("B")
        end = self._at + len(given)
        self._grow(end)
        self._size = max(self._size, end)
        if not self._lost:
            self._bytes[self._at : end] = given
        self._at = end
        return len(given)

    def truncate(self, size: int | None = None) -> int:
        before, self._size = self._size, self._at if size is None else size
        self._grow(self._size)
        if not self._lost:
            self._bytes[self._size : before] = 0
        return self._size

    def _grow(self, size: int) -> None:
        if size <= len(self._bytes) or self._lost:
            return
        try:
            larger = np.zeros(size + size // 4, dtype=np.uint8)
        except MemoryError:
            self._lost = True
            return
        larger[: len(self._bytes)] = self._bytes
        self._bytes = larger
