"""`write` and `read` a fit: netCDF and JSON, no pickle; writing is atomic: the old fit or the new one.

A folder holds `fit.json` (everything but numbers, with checksums of itself and of the other file) and
`draws-<checksum>.nc` (the draws, the columns used, and a second copy of the description of the model). All bytes are
made in memory first. Then, with the folder locked, the draws are written beside the old ones, `fit.json` is replaced
atomically, and only then the old draws are removed. Files of other names are not touched.

`read` checks, in this order: checksum and keys of `fit.json`; size and checksum of the draws; types and shapes of the
arrays they declare; that both files hold the same description of the model; that the model can be rebuilt from it; and
that formula, family, link and labels of the draws are the model's (in format 1 also outcomes, columns and groups).
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import numpy as np
import xarray as xr

from bayesglmm.common.files import LEFTOVER, flush_folder, locked, remove, remove_leftovers, replace_file
from bayesglmm.errors import StorageError
from bayesglmm.posterior.for_arviz import without_lazy_groups
from bayesglmm.posterior.saved import (
    FORMAT,
    MANIFEST,
    check_data,
    check_draws,
    check_rebuilt,
    describe,
    from_netcdf,
    is_manifest,
    rebuild,
    seal,
    to_netcdf,
    unseal,
)
from bayesglmm.posterior.saved.values import table
from bayesglmm.specify.model import Model

__all__ = ["FORMAT", "check_folder", "read", "write"]

_DRAWS = re.compile(r"draws-([0-9a-f]{16})\.nc")
"""The name of a file of draws, with the first 16 digits of its checksum."""

_COLUMNS, _RECORD = "columns", "record"
"""The group of the columns used, and its variable that repeats the description of the model."""

_LONGEST = 1000
"""The most characters of an underlying error that are repeated: a damaged file may hold anything."""

_LARGEST = 2**30
"""The most bytes of a `fit.json` that is read."""


def write(model: Model, draws: xr.DataTree, folder: str | Path) -> Path:
    """Write a model and its draws into a folder, made if it is not there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StorageError
        If the folder holds something else, cannot be written, or the family or a prior is not one of the
        package's. A fit that was saved there before is then unchanged.
    """
    folder = Path(folder)
    with _as_storage_error(f"the fit could not be written to '{folder}'"):
        check_folder(folder)
        content, image = _prepared(model, draws)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder) as exclusive:
            check_folder(folder)
            if exclusive:
                remove_leftovers(folder)
            _commit(folder, content, image, exclusive)
    return folder


def read(folder: str | Path) -> tuple[Model, xr.DataTree]:
    """Read a model and its draws from a folder.

    Raises
    ------
    StorageError
        If there is no saved fit, it is damaged or was changed, or it was written in another format.
    """
    folder = Path(folder)
    with _as_storage_error(f"'{folder}' cannot be read"):
        manifest, handle = _opened(folder)
        with handle:
            _check_bytes(manifest, handle)
            tree = from_netcdf(handle, None if manifest["format"] == 1 else table("contents", manifest["contents"]))
        columns = tree[_COLUMNS].to_dataset()
        _check_record(manifest, columns)
        model = rebuild(manifest, columns)
        children = {name: child for name, child in tree.children.items() if name != _COLUMNS}
        attrs = {name: value.item() if isinstance(value, np.generic) else value for name, value in tree.attrs.items()}
        draws = xr.DataTree(dataset=xr.Dataset(attrs=attrs), children=children)
        check_draws(model, draws)
        if manifest["format"] == 1:  # its description of the columns has no checksum
            check_data(model, draws)
    return model, draws


def check_folder(folder: Path) -> None:
    """Check that a fit can be saved in a folder: absent, empty, a saved fit, or the remains of a killed first save.

    Raises
    ------
    StorageError
        If it is a file, or holds something else and no saved fit.
    OSError
        If it cannot be read.
    """
    refusal = StorageError(f"'{folder}' exists and is not a saved fit; choose another folder")
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        if folder.exists():
            raise refusal from error
        raise
    if MANIFEST in names:
        if not _is_manifest(folder / MANIFEST):
            raise StorageError(f"{refusal}, or remove its {MANIFEST}, which bayesglmm did not write")
    elif names and not any(LEFTOVER.fullmatch(name) or _DRAWS.fullmatch(name) for name in names):
        raise refusal


def _is_manifest(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        return is_manifest(handle.read(2**12))


@contextmanager
def _as_storage_error(failure: str) -> Iterator[None]:
    """Turn any exception (of HDF5, JSON, the model …) into a `StorageError`."""
    try:
        yield
    except MemoryError as error:
        raise StorageError(f"{failure}: the memory does not suffice ({error})") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise StorageError(f"{failure}: {reason if len(reason) <= _LONGEST else reason[:_LONGEST] + ' …'}") from error


def _prepared(model: Model, draws: xr.DataTree) -> tuple[dict[str, Any], memoryview]:
    """Return the content of `fit.json` and the bytes of the draws, once the model is rebuilt from them as a check."""
    description, columns = describe(model)
    check_rebuilt(model, rebuild(description, columns))
    check_draws(model, draws)
    if _COLUMNS in draws.children:
        raise StorageError(f"the draws have a group of their own called '{_COLUMNS}'; rename it")
    tree = without_lazy_groups(draws)
    tree[_COLUMNS] = xr.DataTree(dataset=columns.assign({_RECORD: ((), json.dumps(description, ensure_ascii=False))}))
    image, declared = to_netcdf(tree)
    checksum = hashlib.sha256(image).hexdigest()
    arrays = {"arrays": f"draws-{checksum[:16]}.nc", "sha256": checksum, "bytes": len(image)}
    return {**description, **arrays, "contents": declared}, image


def _commit(folder: Path, content: dict[str, Any], image: memoryview, exclusive: bool) -> None:
    """Write the draws, then `fit.json`, which makes them the fit; draws are removed only under the exclusive lock."""
    draws, before = folder / content["arrays"], _current(folder)
    new = exclusive and not draws.exists()
    try:
        replace_file(draws, image)
        flush_folder(folder)
        replace_file(folder / MANIFEST, seal(content))
    except BaseException:
        if new:
            remove(draws)
        raise
    flush_folder(folder)
    if exclusive:
        with suppress(OSError):  # the fit is saved; the next save removes what is left
            _remove_stale(folder, draws.name, before)


def _remove_stale(folder: Path, kept: str, before: str | None) -> None:
    """Remove draws of former fits: those of the manifest before, and others whose checksum is that of their name."""
    for path in folder.iterdir():
        match = _DRAWS.fullmatch(path.name)
        if match is None or path.name == kept or not path.is_file():
            continue
        if path.name == before or _checksum(path).startswith(match.group(1)):
            remove(path)


def _current(folder: Path) -> str | None:
    """Return the name of the draws of the fit saved in a folder; None if there is none that can be read."""
    try:
        return str(unseal((folder / MANIFEST).read_bytes())["arrays"])
    except (FileNotFoundError, StorageError):
        return None


def _opened(folder: Path) -> tuple[dict[str, Any], io.BufferedReader]:
    """Return the manifest and the open file of draws it names, both of one fit even while another is being saved."""
    data = _manifest_bytes(folder)
    while True:
        manifest = unseal(data)
        arrays = folder / str(manifest["arrays"])
        try:
            if _DRAWS.fullmatch(arrays.name) and arrays.parent == folder and arrays.is_file():
                return manifest, arrays.open("rb")
        except FileNotFoundError:
            pass  # removed in between by another process that saves
        again = _manifest_bytes(folder)
        if again == data:
            raise StorageError(f"the file of draws {shortened(manifest['arrays'])} is missing")
        data = again


def _manifest_bytes(folder: Path) -> bytes:
    path = folder / MANIFEST
    if not path.is_file():
        raise StorageError(f"there is no saved fit: it has no {MANIFEST}")
    if path.stat().st_size > _LARGEST:
        raise StorageError(f"{MANIFEST} is damaged: it has {path.stat().st_size:,} bytes")
    return path.read_bytes()


def _check_bytes(manifest: dict[str, Any], handle: io.BufferedReader) -> None:
    size = os.fstat(handle.fileno()).st_size
    if size != manifest.get("bytes", size) or hashlib.file_digest(handle, "sha256").hexdigest() != manifest["sha256"]:
        raise StorageError(
            f"{manifest['arrays']} is damaged: its checksum is not the one recorded; restore it from a copy"
        )


def _checksum(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _check_record(manifest: dict[str, Any], columns: xr.Dataset) -> None:
    """Check that `fit.json` and the draws describe the same model; the first format has one description only."""
    if _RECORD not in columns and manifest["format"] == 1:
        return
    recorded = json.loads(columns[_RECORD].item())
    differing = [name for name, value in recorded.items() if manifest.get(name) != value]
    if differing or manifest["format"] == 1:
        names = ", ".join(differing) or "its format"
        raise StorageError(f"{MANIFEST} was changed: the description stored with the draws differs in {names}")
