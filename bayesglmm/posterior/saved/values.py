"""Typed readers of single values of a manifest: each returns the value or raises a `StorageError` that names it."""

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any

from bayesglmm.errors import StorageError

__all__ = ["flag", "table", "text", "texts", "whole", "wrong"]


def wrong(where: str, wanted: str, value: Any) -> StorageError:
    """Return the error for a value of another type or range."""
    return StorageError(f"{where} is {shortened(value)}, not {wanted}")


def text(where: str, value: Any) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise wrong(where, "a text", value)
    return value


def texts(where: str, value: Any) -> tuple[str, ...]:
    """Return a list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise wrong(where, "a list of texts", value)
    return tuple(value)


def flag(where: str, value: Any) -> bool:
    """Return a Boolean."""
    if not isinstance(value, bool):
        raise wrong(where, "true or false", value)
    return value


def whole(where: str, value: Any) -> int:
    """Return an integer that is not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise wrong(where, "a whole number from 0", value)
    return value


def table(where: str, value: Any) -> Mapping[str, Any]:
    """Return a mapping."""
    if not isinstance(value, dict):
        raise wrong(where, "a table", value)
    return value
