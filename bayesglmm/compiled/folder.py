"""`folder()`: where machine code is kept, and whether a file there may be trusted.

Machine code that is loaded runs with the rights of whoever loads it. So it is read only from files that this user
wrote and nobody else may write, in folders where nobody else may put a file in the place of another.
"""

import os
import re
import stat
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from bayesglmm.compiled.fingerprint import PACKAGE
from bayesglmm.errors import warn_once

__all__ = ["folder", "read", "write"]

_WRITING, _ABANDONED = ".writing", 3600
"""How files end that are being written, and after how many seconds one was left behind by a process that ended."""

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@cache
def folder() -> Path | None:
    """Return the first folder that can be written and trusted: that of numba's setting, the package's, the user's."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    for place in [Path(given)] if given else [PACKAGE / "compiled" / "__pycache__", *_of_user()]:
        try:
            place.mkdir(parents=True, exist_ok=True)
            if _trusted(place):
                with tempfile.TemporaryFile(dir=place):
                    return place
        except OSError:
            continue
        if given:
            warn_once(
                "folder",
                f"compiled code is neither kept in nor read from NUMBA_CACHE_DIR={given}, which others may write to: "
                "every process compiles anew, for ten seconds or more. Give a folder that only you may write to",
            )
    return None


def read(path: Path) -> bytes | None:
    """Return the content of a file, None if there is none or others may have written it."""
    try:
        with path.open("rb") as file:
            return file.read() if _own(os.fstat(file.fileno())) and _trusted(path.parent) else None
    except OSError:
        return None


def write(path: Path, content: bytes, replaced: re.Pattern[str]) -> bool:
    """Write a file in one step, and take away those of its folder that it replaces, by their names.

    A process that is ended meanwhile leaves what was there, and a file that a later call takes away.
    """
    beside = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=_WRITING, delete=False) as file:
            beside = Path(file.name)
            file.write(content)
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except OSError:
        return False
    finally:
        if beside is not None:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
    for other in list(path.parent.iterdir()):
        if other != path and (replaced.fullmatch(other.name) or _abandoned(other)):
            with suppress(OSError):
                other.unlink()
    return True


def _of_user() -> list[Path]:
    """Return the user's folder for what can be made again; none for a user without a home."""
    homes = [os.environ.get("XDG_CACHE_HOME"), os.environ.get("LOCALAPPDATA")]
    with suppress(RuntimeError):
        homes.append(str(Path.home() / ".cache"))
    return [Path(home) / "bayesglmm" for home in homes if home and Path(home).is_absolute()][:1]


def _abandoned(path: Path) -> bool:
    """Whether a file is one that a process began to write and never ended."""
    if path.suffix != _WRITING:
        return False
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > _ABANDONED
    return False


def _own(found: os.stat_result) -> bool:
    """Whether a file is this user's, and no other's to write; always, where the system keeps no such record."""
    return not hasattr(os, "geteuid") or (found.st_uid == os.geteuid() and not found.st_mode & _OTHERS)


def _trusted(place: Path) -> bool:
    """Whether nobody but this user and the administrator may replace files in a folder."""
    if not hasattr(os, "geteuid"):
        return True
    found = place.stat()
    return found.st_uid in (0, os.geteuid()) and not (found.st_mode & _OTHERS and not found.st_mode & stat.S_ISVTX)
