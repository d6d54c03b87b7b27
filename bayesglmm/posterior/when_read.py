"""`when_read(…)`: variables of a dataset that are computed when one of their values is first read."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, DTypeLike, NDArray
from xarray.core.indexing import ExplicitIndexer, IndexingSupport, LazilyIndexedArray, explicit_indexing_adapter

from bayesglmm.sample.progress import status

__all__ = ["when_read"]

_SLOW = 2e7
"""How many values take a second or two."""


def when_read(
    compute: Mapping[str, Callable[[], ArrayLike]],
    coords: Mapping[str, Any],
    dtype: DTypeLike,
    about: str,
) -> xr.Dataset:
    """Return variables, with dims those of the coordinates, that are computed when one of their values is first read.

    Parameters
    ----------
    compute
        By name of a variable, a function that returns all its values.
    coords
        The dims in order, with their labels.
    dtype
        Of the values.
    about
        What they are: their attribute `about`, and the line shown while many of them are computed.
    """
    shape, attrs = tuple(len(labels) for labels in coords.values()), {"about": f"{about}; computed when first read"}
    arrays = {name: LazilyIndexedArray(_WhenRead(one, shape, np.dtype(dtype), about)) for name, one in compute.items()}
    return xr.Dataset({name: (tuple(coords), array, attrs) for name, array in arrays.items()}, coords=dict(coords))


class _WhenRead(xr.backends.BackendArray):
    """An array that is computed, whole, when one of its values is first read; copies share it.

    Parameters
    ----------
    compute
        Returns the values.
    shape, dtype
        Theirs.
    text
        What they are, shown while many of them are computed.
    """

    def __init__(
        self, compute: Callable[[], ArrayLike], shape: tuple[int, ...], dtype: np.dtype[Any], text: str
    ) -> None:
        self.compute, self.shape, self.dtype, self.text = compute, shape, dtype, text

    @cached_property
    def values(self) -> NDArray[Any]:
        with status(self.text, shown=int(np.prod(self.shape)) > _SLOW):
            return np.ascontiguousarray(self.compute(), dtype=self.dtype).reshape(self.shape)

    def __getitem__(self, key: ExplicitIndexer) -> NDArray[Any]:
        return np.asarray(
            explicit_indexing_adapter(key, self.shape, IndexingSupport.BASIC, lambda index: self.values[index])
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "_WhenRead":
        return self
