"""How long one evaluation of a compiled log density with its gradient takes, as the sampler calls it."""

import ctypes
import time
from typing import Any

import numpy as np
from numba import njit

__all__ = ["compiled_density", "seconds_per_gradient"]

_LOGP = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_size_t] * 5)
"""Dimension, then the addresses of point, gradient, value and data."""


def compiled_density(model: Any, backend: Any = "auto") -> tuple[Any, int]:
    """Return what nutpie samples for a model, and its number of rows: identical ones are merged."""
    from bayesglmm.sample import sampling
    from bayesglmm.sample.settings import Sampler

    compiled, record = sampling._prepared(sampling._METHODS[backend][0], model, Sampler(backend=backend))
    return compiled, int(record["merged_rows"])


def seconds_per_gradient(compiled: Any, at_least: float = 0.2, repeats: int = 5) -> float:
    """Return the seconds that one evaluation takes: the least of several averages, one thread.

    Parameters
    ----------
    compiled
        What nutpie samples: an object with the address of a compiled log density and its data.
    at_least
        Seconds that each average runs over.
    repeats
        The number of averages.
    """
    function = _LOGP(compiled.compiled_logp_func.address)
    dim = compiled.n_dim
    point = np.random.default_rng(1).normal(0.0, 0.1, dim)
    gradient, value = np.empty(dim), np.empty(1)
    places = (point.ctypes.data, gradient.ctypes.data, value.ctypes.data, compiled.user_data.ctypes.data)
    if function(dim, *places) != 0:
        raise RuntimeError("the log density is not finite where it is to be timed")
    _call(function, 1, dim, *places)  # compiles the loop
    times, found = 1, list[float]()
    while len(found) < repeats:
        start = time.perf_counter()
        _call(function, times, dim, *places)
        seconds = time.perf_counter() - start
        if seconds < at_least:
            times = max(2 * times, int(1.1 * times * at_least / max(seconds, 1e-9)))
        else:
            found.append(seconds / times)
    return min(found)


@njit  # type: ignore[untyped-decorator]
def _call(function: Any, times: int, dim: int, point: int, gradient: int, value: int, data: int) -> None:
    """Call in a compiled loop: from Python a call would cost as much as a small model's gradient."""
    for _ in range(times):
        function(dim, point, gradient, value, data)
