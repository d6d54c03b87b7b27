"""`write` and `read` a fit: netCDF and JSON, no pickle; a crash halfway leaves the old fit or nothing.

A folder holds `fit.json` (everything but numbers, with the checksum of the other file) and
`draws-<checksum>.nc` (the draws and the columns used). `fit.json` is replaced in one step, last.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import xarray as xr

from bayesglmm.design import Columns, Design
from bayesglmm.errors import BayesGLMMError, StorageError, listing
from bayesglmm.families import FAMILIES, get_family
from bayesglmm.formula import parse
from bayesglmm.links import LINKS
from bayesglmm.model import Model
from bayesglmm.priors import Assigned, Priors, parse_prior

__all__ = ["FORMAT", "read", "write"]

FORMAT = 1
"""The version of the layout; a reader refuses any other."""

_MANIFEST = "fit.json"


def write(model: Model, draws: xr.DataTree, folder: str | Path) -> Path:
    """Write a model and its draws into a folder, made if it is not there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StorageError
        If the folder holds something else, cannot be written, or the family is not one of the package's.
    """
    folder = Path(folder)
    _check_own(model)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MANIFEST).exists())):
        raise StorageError(f"'{folder}' exists and is not a saved fit; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        columns, described = _pack(model.design.columns)
        name, checksum = _write_arrays(folder, draws, columns)
        manifest = {
            "format": FORMAT,
            "bayesglmm": version("bayesglmm"),
            "arrays": name,
            "sha256": checksum,
            "formula": str(model.formula),
            "family": model.family.name,
            "link": model.family.link.name,
            "priors": _pack_priors(model.priors),
            "dropped": model.design.columns.dropped,
            "columns": described,
            "coef": list(model.design.coef),
        }
        _replace(folder / _MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"the fit could not be written to '{folder}': {error}") from error
    for stale in folder.glob("draws-*.nc"):
        if stale.name != name:
            stale.unlink(missing_ok=True)
    return folder


def _check_own(model: Model) -> None:
    """Refuse what is stored by its name and is not the package's: functions are no data."""
    family, link = model.family, model.family.link
    if LINKS.get(link.name) != link:
        raise StorageError(f"the link '{link.name}' is not the package's own and cannot be stored by name")
    packaged = FAMILIES.get(family.name)
    if packaged is None or replace(packaged, link=link) != family:
        raise StorageError(f"the family '{family.name}' is not the package's own and cannot be stored by name")
    if model.priors.own:
        raise StorageError(
            f"{listing(model.priors.own)} is a function of your own and cannot be stored by name; keep the draws, "
            "fit.draws, or give the prior by one of the package's distributions"
        )


def read(folder: str | Path) -> tuple[Model, xr.DataTree]:
    """Read a model and its draws from a folder.

    Raises
    ------
    StorageError
        If there is no saved fit, it is damaged, or it was written in another format.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    arrays = folder / str(manifest["arrays"])
    if arrays.parent != folder or not arrays.is_file():
        raise StorageError(f"'{folder}' is damaged: its file of draws '{manifest['arrays']}' is missing")
    if _checksum(arrays) != manifest["sha256"]:
        raise StorageError(f"'{arrays}' is damaged: its checksum is not the one recorded; restore it from a copy")
    try:
        with xr.open_datatree(arrays, engine="h5netcdf") as tree:
            loaded = tree.load()
        columns = _unpack(manifest["columns"], loaded["columns"].to_dataset(), manifest["dropped"])
        formula = parse(manifest["formula"])
        design = Design.build(formula, columns)
        model = Model(
            formula, get_family(manifest["family"], manifest["link"]), _unpack_priors(manifest["priors"]), design
        )
    except StorageError:
        raise
    except (BayesGLMMError, KeyError, TypeError, ValueError, OSError) as error:
        raise StorageError(f"'{folder}' cannot be read: {error}") from error
    if list(design.coef) != manifest["coef"]:
        raise StorageError(
            f"'{folder}' was written by bayesglmm {manifest.get('bayesglmm')}, which coded its columns otherwise; "
            "read it with that version"
        )
    children = {name: child for name, child in loaded.children.items() if name != "columns"}
    attrs = {name: value.item() if isinstance(value, np.generic) else value for name, value in loaded.attrs.items()}
    return model, xr.DataTree(dataset=xr.Dataset(attrs=attrs), children=children)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not path.is_file():
        raise StorageError(f"there is no saved fit in '{folder}': it has no {_MANIFEST}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"'{path}' is damaged: it is not the JSON that was written") from error
    if found != FORMAT:
        raise StorageError(
            f"'{folder}' has format {found!r}, this version of bayesglmm reads format {FORMAT}; "
            f"it was written by bayesglmm {manifest.get('bayesglmm', 'of unknown version')}"
        )
    wanted = {"arrays", "sha256", "formula", "family", "link", "priors", "dropped", "columns", "coef"}
    if missing := wanted - set(manifest):
        raise StorageError(f"'{path}' is damaged: it lacks {', '.join(sorted(missing))}")
    return dict(manifest)


def _write_arrays(folder: Path, draws: xr.DataTree, columns: xr.Dataset) -> tuple[str, str]:
    """Write the arrays under a name made of their checksum, and flush them to the disk."""
    tree = draws.copy()
    tree["columns"] = xr.DataTree(dataset=columns)
    temporary = folder / f".writing-{uuid4().hex}.nc"
    try:
        encoding = {
            f"/{name}": {variable: {"zlib": True, "complevel": 1} for variable in child.data_vars}
            for name, child in tree.children.items()
            if name == "posterior"
        }
        tree.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        checksum = _checksum(temporary)
        name = f"draws-{checksum[:16]}.nc"
        os.replace(temporary, folder / name)
    finally:
        temporary.unlink(missing_ok=True)
    return name, checksum


def _replace(path: Path, text: str) -> None:
    """Write a file beside the old one, flush it to the disk, and put it in the old one's place in one step."""
    temporary = path.parent / f".writing-{uuid4().hex}.json"
    try:
        with temporary.open("w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _checksum(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _pack(columns: Columns) -> tuple[xr.Dataset, list[dict[str, Any]]]:
    """Return the columns as plain numbers, and what they stand for."""
    arrays: dict[str, Any] = {"rows": ("used_row", columns.rows)}
    described = []
    for position, name in enumerate(columns):
        column = columns[name]
        entry: dict[str, Any] = {"name": name}
        if isinstance(column, pd.Categorical):
            levels = [level.item() if isinstance(level, np.generic) else level for level in column.categories]
            kinds = {type(level) for level in levels}
            if not kinds <= {str, int, float, bool}:
                levels = [str(level) for level in levels]
            entry["levels"] = levels
            if name in columns.reference:
                entry["reference"] = columns.reference[name]
            values: Any = column.codes.astype(np.int32)
        elif column.dtype.kind in "Mm":
            entry["dtype"] = column.dtype.str
            values = column.astype(np.int64)
        else:
            values = column
        arrays[f"column{position}"] = ("used_row", values)
        described.append(entry)
    return xr.Dataset(arrays), described


def _unpack(described: list[dict[str, Any]], arrays: xr.Dataset, dropped: int) -> Columns:
    values: dict[str, Any] = {}
    for position, entry in enumerate(described):
        column = arrays[f"column{position}"].values
        if "levels" in entry:
            levels = entry["levels"]
            kind = object if all(isinstance(level, str) for level in levels) else None
            values[entry["name"]] = pd.Categorical.from_codes(column, categories=pd.Index(levels, dtype=kind))
        else:
            values[entry["name"]] = column.astype(entry["dtype"]) if "dtype" in entry else column
    reference = {entry["name"]: entry["reference"] for entry in described if "reference" in entry}
    return Columns(values, arrays["rows"].values, dropped, reference)


def _pack_priors(priors: Priors) -> dict[str, Any]:
    return {
        "preset": priors.preset,
        "given": [[list(path), str(prior)] for path, prior in priors.given.items()],
        "intercept": None if priors.intercept is None else _pack_one(priors.intercept),
        "centred": priors.centred,
        "slopes": [_pack_one(assigned) for assigned in priors.slopes],
        "sd": {name: [_pack_one(assigned) for assigned in entries] for name, entries in priors.sd.items()},
        "correlation": {name: _pack_one(assigned) for name, assigned in priors.correlation.items()},
        "parameters": {name: _pack_one(assigned) for name, assigned in priors.parameters.items()},
    }


def _pack_one(assigned: Assigned) -> list[str]:
    return [str(assigned.prior), assigned.origin]


def _unpack_priors(packed: Mapping[str, Any]) -> Priors:
    return Priors(
        preset=packed["preset"],
        given={tuple(path): parse_prior(text) for path, text in packed["given"]},
        intercept=None if packed["intercept"] is None else _unpack_one(packed["intercept"]),
        centred=packed["centred"],
        slopes=tuple(_unpack_one(entry) for entry in packed["slopes"]),
        sd={name: tuple(_unpack_one(entry) for entry in entries) for name, entries in packed["sd"].items()},
        correlation={name: _unpack_one(entry) for name, entry in packed["correlation"].items()},
        parameters={name: _unpack_one(entry) for name, entry in packed["parameters"].items()},
    )


def _unpack_one(packed: list[str]) -> Assigned:
    return Assigned(parse_prior(packed[0]), packed[1])
