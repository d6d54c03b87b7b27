"""Readers of single values of a manifest: each returns the value if it is of its type, and says what it is if not."""

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any

from bayesglmm.errors import StorageError

__all__ = ["flag", "table", "text", "texts", "whole", "wrong"]


def wrong(where: str, wanted: str, value: Any) -> StorageError:
    """Word a value that is not what was written."""
    return StorageError(f"{where} is {shortened(value)}, not {wanted}")


def text(where: str, value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise wrong(where, "a text", value)
    return value


def texts(where: str, value: Any) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise wrong(where, "a list of texts", value)
    return tuple(value)


def flag(where: str, value: Any) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise wrong(where, "true or false", value)
    return value


def whole(where: str, value: Any) -> int:
    """Return a whole number from zero."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise wrong(where, "a whole number from 0", value)
    return value


def table(where: str, value: Any) -> Mapping[str, Any]:
    """Return a table."""
    if not isinstance(value, dict):
        raise wrong(where, "a table", value)
    return value
