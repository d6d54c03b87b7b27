"""`in_processes(…)`: one function of many arguments, on the cores of this machine."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

__all__ = ["in_processes"]

_CHUNKS = 8
"""Pieces of work a process, so that none waits long for the last."""


def in_processes[T](
    function: Callable[[Any, T], Any], shared: Any, arguments: Sequence[T], cores: int | None = None
) -> Iterator[Any]:
    """Yield `function(shared, argument)` of each argument, in their order.

    Parameters
    ----------
    function
        A function of a module; it and its arguments are pickled.
    shared
        What is sent to each process once.
    arguments
        One a call.
    cores
        How many processes; None for those that this process may use. With 1 no process is started.
    """
    count = min(cores or _usable(), len(arguments))
    if count <= 1:
        yield from (function(shared, argument) for argument in arguments)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _start, (function, shared)) as pool, _without_main():
        chunk = max(1, len(arguments) // (count * _CHUNKS))
        yield from pool.map(_call, arguments, chunksize=chunk)


def _usable() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_work: tuple[Callable[[Any, Any], Any], Any] | None = None


def _start(function: Callable[[Any, Any], Any], shared: Any) -> None:
    global _work
    _work = (function, shared)


def _call(argument: Any) -> Any:
    assert _work is not None
    function, shared = _work
    return function(shared, argument)


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep new processes from running the user's script again, which they need nothing of."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    try:
        if "__file__" in kept:
            del main.__file__
        main.__spec__ = None
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)
