"""`rebuilt(function, replaced)`: a kernel that calls other functions than those it was written with."""

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

__all__ = ["rebuilt"]


def rebuilt(
    function: Any, replaced: Mapping[str, Any], decorate: Callable[[Any], Any] = lambda function: function
) -> Callable[..., Any]:
    """Return a kernel with all decorated functions that it calls, of the same code over other globals.

    Parameters
    ----------
    function
        The kernel, decorated by numba or not.
    replaced
        By the name of a global, what stands in its place, in the kernel and in whatever it calls.
    decorate
        What is made of each function; by default it stays plain Python.
    """
    return _rebuilt(function, replaced, decorate, {})  # type: ignore[no-any-return]  # numba has no types


def _rebuilt(function: Any, replaced: Mapping[str, Any], decorate: Callable[[Any], Any], done: dict[Any, Any]) -> Any:
    python = getattr(function, "py_func", function)
    if python not in done:
        names = [name for name in python.__code__.co_names if name in python.__globals__]
        globals_ = {name: python.__globals__[name] for name in names}
        for name, value in globals_.items():
            if name in replaced:
                globals_[name] = replaced[name]
            elif isinstance(getattr(value, "py_func", None), FunctionType):
                globals_[name] = _rebuilt(value, replaced, decorate, done)
        globals_["__name__"] = python.__module__
        copy = FunctionType(python.__code__, globals_, python.__name__, python.__defaults__, python.__closure__)
        done[python] = decorate(copy)
    return done[python]
