"""`to_netcdf(tree)`: draws as the bytes of a netCDF file, made in memory; `from_netcdf(handle)` reads them.

HDF5 aborts the process when a write fails for lack of disk or memory. So it writes into memory allocated beforehand,
and the bytes are written to the disk without it.
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
"""The largest ratio of array to file size: deflate reaches 1,032."""

_LARGEST_EMPTY = 2**24
"""Bytes of arrays allowed whatever the file size: dimensions without coordinates take no space in the file."""


def to_netcdf(tree: xr.DataTree) -> tuple[memoryview, dict[str, str]]:
    """Return draws as the bytes of a netCDF file, the posterior compressed, and types and shapes of its arrays by path.

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
    """Read draws from an open netCDF file, after a check of the arrays that it declares.

    Parameters
    ----------
    handle
        The file, open for reading bytes.
    expected
        Types and shapes by path, as `to_netcdf` returned them; None if these are not known.

    Raises
    ------
    StorageError
        If it declares other arrays, or larger ones than a file of its size can hold.
    """
    size: int = handle.seek(0, io.SEEK_END)
    declared, total = _declared(handle)
    if total > _MOST_EXPANDED * size + _LARGEST_EMPTY:
        raise StorageError(f"declares {total:.3g} bytes of arrays, which a file of {size:,} bytes cannot hold")
    if expected is not None and declared != expected:
        raise StorageError("declares other arrays than were saved")
    handle.seek(0)
    with xr.open_datatree(handle, engine="h5netcdf") as tree:
        loaded: xr.DataTree = tree.load()
    return loaded


def _declared(handle: Any) -> tuple[dict[str, str], int]:
    """Return type and shape of every array, and their size in bytes."""
    import h5py

    declared: dict[str, str] = {}
    total = 0

    def visit(path: str, item: Any) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset):
            declared[path] = f"{item.dtype.str} {' × '.join(map(str, item.shape or ()))}".strip()
            total += item.dtype.itemsize * math.prod(item.shape or ())

    handle.seek(0)
    with h5py.File(handle, "r") as file:
        file.visititems(visit)
    return declared, total


def _room(tree: xr.DataTree) -> int:
    """Return an upper bound of the file size in bytes: the arrays, and HDF5's headers of each and of its chunks."""
    variables = [variable for node in tree.subtree for variable in node.to_dataset().variables.values()]
    return 2**20 + sum(int(1.1 * variable.nbytes) + 2**14 for variable in variables)


class _MemoryFile(io.RawIOBase):
    """A file in memory whose writes never fail for HDF5: out of memory, they are discarded and `content` raises.

    Parameters
    ----------
    room
        The number of bytes allocated at once; it grows when they are used up.

    Raises
    ------
    MemoryError
        If they cannot be allocated.
    """

    def __init__(self, room: int) -> None:
        self._bytes = np.zeros(room, dtype=np.uint8)
        self._size = 0
        self._position = 0
        self._discarding = False

    def content(self) -> memoryview:
        """Return what was written.

        Raises
        ------
        MemoryError
            If a write was discarded.
        """
        if self._discarding:
            raise MemoryError(f"no memory for a file of {self._size:,} bytes")
        return memoryview(self._bytes)[: self._size]

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        source = self._bytes[self._position : min(self._position + len(target), self._size)]
        target[: len(source)] = source.data
        self._position += len(source)
        return len(source)

    def write(self, data: Any) -> int:
        source = memoryview(data).cast("B")
        end = self._position + len(source)
        self._grow(end)
        self._size = max(self._size, end)
        if not self._discarding:
            self._bytes[self._position : end] = source
        self._position = end
        return len(source)

    def truncate(self, size: int | None = None) -> int:
        before, self._size = self._size, self._position if size is None else size
        self._grow(self._size)
        if not self._discarding:
            self._bytes[self._size : before] = 0
        return self._size

    def _grow(self, size: int) -> None:
        if size <= len(self._bytes) or self._discarding:
            return
        try:
            larger = np.zeros(size + size // 4, dtype=np.uint8)
        except MemoryError:
            self._discarding = True
            return
        larger[: len(self._bytes)] = self._bytes
        self._bytes = larger
