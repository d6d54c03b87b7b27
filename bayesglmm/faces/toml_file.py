"""`read_toml(path)`: the table of a TOML file, within limits of size and depth, or an error that says where it is."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayesglmm.errors import SpecError, suggest

__all__ = ["read_toml"]

_LARGEST, _LONGEST, _DEEPEST = 2**22, 1000, 12
"""Limits of a spec: its bytes, the characters of a key, the depth of nested tables and lists."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a file.

    Raises
    ------
    SpecError
        If there is none, it is not TOML (the message has the line), or it is beyond the limits.
    """
    if not os.path.isfile(path):
        others = sorted(path.parent.glob("*.toml")) if os.path.isdir(path.parent) else []
        suggestion = f"; {suggest(path.stem, [file.stem for file in others])}" if others else ""
        raise SpecError(f"there is no spec file {str(path)!r}{suggestion}")
    try:
        if (size := path.stat().st_size) > _LARGEST:
            raise SpecError(f"{path}: has {size:,} bytes; a spec is a text of at most {_LARGEST:,}")
        text = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except SpecError:
        raise
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text at byte {error.start}; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        reason = str(error).replace("at end of document", f"at line {len(text.splitlines())}, the end of the file")
        raise SpecError(f"{path}: not TOML: {reason}; texts stand in quotes, tables in [brackets]") from error
    except RecursionError as error:
        raise SpecError(f"{path}: nested too deep; a spec has tables of tables, no deeper") from error
    except ValueError as error:
        raise SpecError(f"{path}: a value is out of range: {error}") from error
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    _check_sizes(path, table)
    return table


def _check_sizes(path: Path, table: Mapping[str, Any]) -> None:
    """Refuse very long keys, deep nesting and integers beyond 64 bits, which TOML allows."""
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        keys = [key for item in level if isinstance(item, dict) for key in item]
        if long := [key for key in keys if len(key) > _LONGEST]:
            raise SpecError(f"{path}: the key '{long[0][:40]}…' has {len(long[0]):,} characters")
        level = [
            value
            for item in level
            if isinstance(item, dict | list)
            for value in (item.values() if isinstance(item, dict) else item)
        ]
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in level):
            raise SpecError(f"{path}: holds a whole number beyond ±2^63, which TOML does not support")
        if not level:
            return
    raise SpecError(f"{path}: nested too deep; a spec has tables of tables, no deeper")
