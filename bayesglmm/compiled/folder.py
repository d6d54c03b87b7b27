"""`folder()`: where machine code is kept, and whether a file there may be trusted.

Machine code runs with the rights of the user who loads it. So it is read only from files that this user owns and nobody
else may write, in folders where nobody else may replace a file.
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
"""The suffix of files that are being written, and the age in seconds from which one counts as abandoned."""

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@cache
def folder() -> Path | None:
    """Return NUMBA_CACHE_DIR, else the package's or the user's cache folder, the first that is writable and trusted."""
    setting = os.environ.get("NUMBA_CACHE_DIR")
    for place in [Path(setting)] if setting else [PACKAGE / "compiled" / "__pycache__", *_of_user()]:
        try:
            place.mkdir(parents=True, exist_ok=True)
            if _trusted(place):
                with tempfile.TemporaryFile(dir=place):
                    return place
        except OSError:
            continue
        if setting:
            warn_once(
                "folder",
                f"compiled code is neither kept in nor read from NUMBA_CACHE_DIR={setting}, which others may write to: "
                "every process compiles anew, for ten seconds or more. Give a folder that only you may write to",
            )
    return None


def read(path: Path) -> bytes | None:
    """Return the content of a file; None if there is none, or others may have written it."""
    try:
        with path.open("rb") as file:
            return file.read() if _own(os.fstat(file.fileno())) and _trusted(path.parent) else None
    except OSError:
        return None


def write(path: Path, content: bytes, replaced: re.Pattern[str]) -> bool:
    """Write a file atomically, and delete the files of its folder whose names match `replaced`.

    A process killed meanwhile leaves the old file, and a temporary one that a later call deletes.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=_WRITING, delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError:
        return False
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    for other in list(path.parent.iterdir()):
        if other != path and (replaced.fullmatch(other.name) or _abandoned(other)):
            with suppress(OSError):
                other.unlink()
    return True


def _of_user() -> list[Path]:
    """Return the user's cache folder; none for a user without a home."""
    homes = [os.environ.get("XDG_CACHE_HOME"), os.environ.get("LOCALAPPDATA")]
    with suppress(RuntimeError):
        homes.append(str(Path.home() / ".cache"))
    return [Path(home) / "bayesglmm" for home in homes if home and Path(home).is_absolute()][:1]


def _abandoned(path: Path) -> bool:
    """Whether a file is a temporary one that a process left behind."""
    if path.suffix != _WRITING:
        return False
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > _ABANDONED
    return False


def _own(status: os.stat_result) -> bool:
    """Whether a file is this user's and nobody else may write it; True on systems without owners of files."""
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & _OTHERS)


def _trusted(place: Path) -> bool:
    """Whether nobody but this user and the administrator may replace files in a folder."""
    if not hasattr(os, "geteuid"):
        return True
    status = place.stat()
    return status.st_uid in (0, os.geteuid()) and not (status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX)
