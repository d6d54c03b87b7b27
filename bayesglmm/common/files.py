"""`write_file(path, data)`: atomic replacement of a file.

Bytes are written to a temporary file beside the old one, flushed to the disk, and renamed over it. The folder is locked
meanwhile, so that a temporary file found under the lock is of a process that died.
"""

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows has no lock on a folder
    _fcntl: Any = None
else:
    _fcntl = fcntl

__all__ = ["LEFTOVER", "flush_folder", "locked", "probe", "remove", "remove_leftovers", "replace_file", "write_file"]

LEFTOVER = re.compile(r"\.writing-[0-9a-f]{32}\.\w{1,8}")
"""The names of temporary files, those of processes that died included."""

_PATIENCE = 60.0
"""Seconds to wait for another process that writes to the same folder."""

_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.EISDIR}
"""Errors of systems that cannot lock or flush a folder."""


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically into an existing folder, and remove temporary files of dead processes there.

    Raises
    ------
    OSError
        If it cannot be written; the old file is then unchanged.
    """
    with locked(path.parent) as exclusive:
        if exclusive:
            remove_leftovers(path.parent)
        replace_file(path, data)
        flush_folder(path.parent)


def replace_file(path: Path, data: bytes | memoryview) -> None:
    """Write a temporary file, flush it to the disk, and rename it over the old one; for holders of the folder's lock.

    Raises
    ------
    OSError
        If it cannot be written; the old file is then unchanged.
    """
    temporary = path.with_name(f".writing-{uuid4().hex}{path.suffix or '.tmp'}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        remove(temporary)


def probe(folder: Path) -> None:
    """Check that a file can be made in a folder, and that its disk is not full.

    Raises
    ------
    OSError
        If not.
    """
    trial = folder / f".writing-{uuid4().hex}.tmp"
    try:
        trial.write_bytes(bytes(2**16))
    finally:
        remove(trial)


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder; yields False where the system cannot lock folders.

    It is a lock of the operating system, released when the process ends, however that ends.

    Raises
    ------
    TimeoutError
        If another process holds it for a minute.
    """
    descriptor = _opened(folder)
    if descriptor is None:
        yield False
        return
    try:
        held = _lock(descriptor, folder)
        yield held
        if held:
            _fcntl.flock(descriptor, _fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that died; for holders of the folder's lock."""
    for path in folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file if that is possible."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system can."""
    descriptor = _opened(folder)
    if descriptor is None:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def _opened(folder: Path) -> int | None:
    """Return a descriptor of a folder; None where the system has none, or the folder may not be read."""
    if _fcntl is None:
        return None
    try:
        return os.open(folder, os.O_RDONLY)
    except PermissionError:
        return None


def _lock(descriptor: int, folder: Path) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
            return True
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"another process has been writing there for {_PATIENCE:g} seconds", str(folder)
                ) from error
            time.sleep(0.02)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return False
            raise
