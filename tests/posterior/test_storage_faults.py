"""Saved fits under faults: damaged files, kills, full and read-only disks, little memory, two savers at once."""

import copy
import errno
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from handmade import seizure_fit

import bayesglmm as bg
from bayesglmm import Fit
from bayesglmm.common import files
from bayesglmm.errors import StorageError
from bayesglmm.posterior.saved import seal, unseal

HERE = Path(__file__).parents[1]
OLD = HERE / "saved" / "format1_seizure"

SAMPLE_OR_ALL = [pytest.param(False, id="sample"), pytest.param(True, id="all", marks=pytest.mark.slow)]
"""A small sample by default; all with `-m slow`."""


@pytest.fixture(scope="module")
def fit() -> Fit:
    return seizure_fit(draws=10, chains=2)


@pytest.fixture(scope="module")
def other() -> Fit:
    return seizure_fit(draws=10, chains=2, seed=2)


@pytest.fixture
def saved(fit: Fit, tmp_path: Path) -> Path:
    return fit.save(tmp_path / "fit")


def same(one: Fit, two: Fit) -> bool:
    return str(one.model) == str(two.model) and one.posterior.equals(two.posterior)


def load_or_refuse(folder: Path) -> Fit | None:
    """Load a fit; a refusal is None, any other error one of the test."""
    try:
        return bg.load(folder)
    except StorageError as error:
        if len(str(error)) > 2000:
            pytest.fail(f"a message of {len(str(error))} characters: {str(error)[:200]}")
        return None


# -- damaged files ---------------------------------------------------------------------------------


def changed(data: bytes, rng: random.Random) -> bytes:
    """Change, insert or remove a few bytes, cut the file, or double a part."""
    at, width = rng.randrange(len(data)), rng.choice((1, 1, 1, 4, 60))
    new = bytes(rng.randrange(256) for _ in range(width))
    match rng.randrange(8):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + new + data[at:]
        case 2:
            return data[:at] + data[at + width :]
        case 3:
            return data + data[at : at + width]
        case _:
            return data[:at] + new + data[at + width :]


@pytest.mark.parametrize("everything", SAMPLE_OR_ALL)
@pytest.mark.parametrize("which", ["fit.json", "draws-*.nc"])
def test_every_change_of_a_byte_is_noticed(saved: Path, which: str, everything: bool) -> None:
    (path,) = saved.glob(which)
    whole, rng = path.read_bytes(), random.Random(1)
    for _ in range(10_000 if everything else 150):
        damaged = changed(whole, rng)
        if damaged == whole:
            continue
        path.write_bytes(damaged)
        with pytest.raises(StorageError):
            bg.load(saved)
    path.write_bytes(whole)
    bg.load(saved)


VALUES: tuple[Any, ...] = (None, True, -1, 2**70, 0.5, "", "x", [], {}, [[]], ["a", "b"], {"a": None}, "x" * 10**5)


def paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


def edited(content: Any, path: tuple[Any, ...], rng: random.Random) -> Any:
    """Replace, remove, double or nest the value in a place."""
    result = copy.deepcopy(content)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    choice = rng.randrange(len(VALUES) + 3)
    if choice < len(VALUES):
        inner[path[-1]] = VALUES[choice]
    elif choice == len(VALUES):
        del inner[path[-1]]
    elif choice == len(VALUES) + 1:
        inner[path[-1]] = [inner[path[-1]], inner[path[-1]]]
    else:
        for _ in range(900):
            inner[path[-1]] = [inner[path[-1]]]
    return result


@pytest.mark.parametrize("everything", SAMPLE_OR_ALL)
def test_edits_of_the_json_are_refused_even_with_a_right_checksum(saved: Path, fit: Fit, everything: bool) -> None:
    path, rng = saved / "fit.json", random.Random(2)
    content = unseal(path.read_bytes())
    content.pop("format")
    places = list(paths(content))
    for _ in range(1000 if everything else 25):
        changes = edited(content, rng.choice(places), rng)
        path.write_bytes(seal(changes))
        if changes != content:
            assert load_or_refuse(saved) is None, changes


@pytest.mark.parametrize("everything", SAMPLE_OR_ALL)
def test_edits_of_the_json_of_the_first_format_give_a_fit_or_a_word(tmp_path: Path, everything: bool) -> None:
    folder, rng = shutil.copytree(OLD, tmp_path / "fit"), random.Random(3)
    content = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    places, refused = list(paths(content)), 0
    for _ in range(1000 if everything else 25):
        changes = edited(content, rng.choice(places), rng)
        (folder / "fit.json").write_text(json.dumps(changes), encoding="utf-8")
        loaded = load_or_refuse(folder)
        refused += loaded is None
        assert loaded is None or str(loaded.model.formula) == content["formula"]
    assert refused > 10


def resealed(folder: Path) -> None:
    """Make the checksums of a saved fit those of what is there."""
    path, (arrays,) = folder / "fit.json", folder.glob("draws-*.nc")
    data = arrays.read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    arrays.rename(folder / f"draws-{checksum[:16]}.nc")
    content = unseal(path.read_bytes())
    content |= {"arrays": f"draws-{checksum[:16]}.nc", "sha256": checksum}
    if content.pop("format") == 1:
        path.write_text(json.dumps({"format": 1, **content}), encoding="utf-8")
    else:
        path.write_bytes(seal({**content, "bytes": len(data)}))


def _declare(file: h5py.File, path: str, shape: tuple[int, ...], dtype: Any = "f8") -> None:
    del file[path]
    file.create_dataset(path, shape=shape, dtype=dtype, chunks=tuple(min(n, 1000) for n in shape))


NETCDF: dict[str, Callable[[h5py.File], Any]] = {
    "10^11 numbers": lambda file: _declare(file, "posterior/beta", (10**11,)),
    "10^11 rows": lambda file: _declare(file, "columns/rows", (10**11,), "i8"),
    "wide texts": lambda file: _declare(file, "posterior/coef", (4,), "S1000000000"),
    "many chains": lambda file: _declare(file, "posterior/chain", (10**10,), "i8"),
    "no columns": lambda file: file.pop("columns"),
    "no rows": lambda file: file["columns"].pop("rows"),
    "a column less": lambda file: file["columns"].pop("column4"),
    "texts for numbers": lambda file: _declare(file, "columns/column1", (60,), h5py.string_dtype()),
    "fractions for rows": lambda file: _declare(file, "columns/rows", (60,), "f8"),
    "another length": lambda file: _declare(file, "columns/column1", (7,), "i8"),
    "no columns of rows": lambda file: _declare(file, "columns/column1", (60, 2), "i8"),
    "a table of dates": lambda file: file["columns/column1"].attrs.__setitem__("units", "days since never"),
    "a strange calendar": lambda file: file["posterior/beta"].attrs.__setitem__("scale_factor", "x"),
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("case", NETCDF)
def test_draws_that_are_not_those_saved_are_refused_before_they_are_read(
    fit: Fit, tmp_path: Path, case: str, version: int
) -> None:
    folder = shutil.copytree(OLD, tmp_path / "fit") if version == 1 else fit.save(tmp_path / "fit")
    with h5py.File(next(folder.glob("draws-*.nc")), "r+") as file:
        NETCDF[case](file)
    with pytest.raises(StorageError, match="checksum"):
        bg.load(folder)
    resealed(folder)
    with pytest.raises(StorageError, match="cannot be read"):
        bg.load(folder)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(OLD, tmp_path / "fit")
    with h5py.File(next(folder.glob("draws-*.nc")), "r+") as file:
        weeks = np.asarray(file["columns/column3"], dtype=float)
        del file["columns/column3"]
        file["columns/column3"] = np.where(np.arange(len(weeks)) == 3, np.nan, weeks)
    resealed(folder)
    with pytest.raises(StorageError, match="cannot be read"):
        bg.load(folder)


@pytest.mark.parametrize("everything", SAMPLE_OR_ALL)
def test_bytes_changed_under_a_right_checksum_do_not_end_the_process(everything: bool, tmp_path: Path) -> None:
    """HDF5 reads what it has not written; whatever it makes of it is an error in words or numbers."""
    (arrays,) = OLD.glob("draws-*.nc")
    whole, rng = arrays.read_bytes(), random.Random(4)
    for k in range(1000 if everything else 15):
        folder = shutil.copytree(OLD, tmp_path / f"fit{k}")
        (folder / arrays.name).write_bytes(changed(whole, rng))
        resealed(folder)
        load_or_refuse(folder)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["\0", "a" * 300, "", "fit\ud800"])
def test_a_name_that_no_folder_can_have_is_refused(fit: Fit, name: str, tmp_path: Path) -> None:
    place = f"{tmp_path}/{name}/fit.json"
    with pytest.raises(StorageError):
        bg.load(place)
    if name:
        with pytest.raises(StorageError, match="could not be written"):
            fit.save(place)


# -- what else is in the folder --------------------------------------------------------------------


def test_nothing_is_removed_that_is_not_ours(fit: Fit, other: Fit, saved: Path) -> None:
    mine = ["draws-mine.nc", "draws-0123456789abcdef.nc", "notes.txt", ".writing-notes.txt", "fit.json.bak", ".hidden"]
    for name in mine:
        (saved / name).write_text(name)
    (saved / "draws-0123456789abcde0.nc").mkdir()
    other.save(saved)
    assert same(bg.load(saved), other)
    assert all((saved / name).read_text() == name for name in mine)
    assert len(list(saved.iterdir())) == len(mine) + 3


def test_what_dead_processes_left_is_removed(fit: Fit, other: Fit, saved: Path) -> None:
    (draws,) = saved.glob("draws-*.nc")
    orphan = fit.save(saved.parent / "elsewhere")
    (saved / f".writing-{'0' * 32}.nc").write_bytes(b"half")
    (saved / f".writing-{'f' * 32}.json").write_bytes(b"{")
    other.save(orphan)
    (third,) = orphan.glob("draws-*.nc")
    shutil.copy(third, saved)  # draws that were written, and never named by a fit.json
    fit.save(saved)
    assert sorted(path.name for path in saved.iterdir()) == sorted([draws.name, "fit.json"])


@pytest.mark.parametrize("left", ["draws", "temporary", "both"])
def test_a_folder_of_a_first_save_that_was_killed_can_be_saved_to(fit: Fit, saved: Path, left: str) -> None:
    (saved / "fit.json").unlink()
    if left != "draws":
        (saved / f".writing-{'a' * 32}.json").write_bytes(b"{")
    if left == "temporary":
        next(saved.glob("draws-*.nc")).unlink()
    with pytest.raises(StorageError, match="no saved fit"):
        bg.load(saved)
    assert same(bg.load(fit.save(saved)), fit)
    assert len(list(saved.iterdir())) == 2


def test_a_fit_json_of_another_program_is_left_alone(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_text('{"steps": 12000}')
    with pytest.raises(StorageError, match=r"remove its fit.json, which bayesglmm did not write"):
        fit.save(tmp_path)
    assert (tmp_path / "fit.json").read_text() == '{"steps": 12000}'


@pytest.mark.parametrize("damage", ["", '{"format": 2, "checksum": "0", "bayesglmm": "0.1.0", "arrays": '])
def test_a_damaged_fit_is_replaced_only_if_it_is_one(fit: Fit, other: Fit, saved: Path, damage: str) -> None:
    (saved / "fit.json").write_text(damage)
    if damage:
        assert same(bg.load(other.save(saved)), other)
        assert len(list(saved.iterdir())) == 2
    else:
        with pytest.raises(StorageError, match="is not a saved fit"):
            other.save(saved)


def test_where_folders_have_no_lock_nothing_is_removed(
    fit: Fit, other: Fit, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = saved.glob("draws-*.nc")
    monkeypatch.setattr(files, "_fcntl", None)
    other.save(saved)
    assert old.exists()
    assert same(bg.load(saved), other)
    monkeypatch.undo()
    other.save(saved)
    assert not old.exists()


# -- disks -----------------------------------------------------------------------------------------


def test_a_disk_that_is_full_leaves_the_old_fit(
    fit: Fit, other: Fit, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, []
    for full_at in range(1, 5):  # the draws, their folder, fit.json, the folder again
        calls.clear()

        def fsync(descriptor: int, full_at: int = full_at) -> None:
            calls.append(descriptor)
            if len(calls) == full_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(StorageError, match="No space left on device"):
            other.save(saved)
        monkeypatch.undo()
        assert same(bg.load(saved), fit if full_at < 4 else other)
        fit.save(saved)
        assert len(list(saved.iterdir())) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 KiB, if this process may make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if mount is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_small_disk_that_fills_up(other: Fit, small_disk: Path) -> None:
    fits = [seizure_fit(draws=n, chains=4) for n in (20, 60, 300)]
    place, kept = fits[0].save(small_disk / "fit"), fits[0]
    outcomes = []
    for fit in (fits[1], fits[2], other, fits[2], fits[0]):
        try:
            fit.save(place)
            kept = fit
            outcomes.append("saved")
        except StorageError as error:
            outcomes.append("full" if "No space left" in str(error) else str(error))
        assert same(bg.load(place), kept)
        assert len(list(place.iterdir())) == 2
    assert set(outcomes) == {"saved", "full"}


def test_a_disk_that_is_read_only(fit: Fit, other: Fit, small_disk: Path) -> None:
    place = fit.save(small_disk / "fit")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for folder in (place, small_disk / "new"):
        with pytest.raises(StorageError, match="Read-only file system"):
            other.save(folder)
    assert same(bg.load(place), fit)


@pytest.mark.parametrize("denied", ["listdir", "mkdir", "open"])
def test_rights_that_the_system_denies(fit: Fit, tmp_path: Path, denied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path if denied == "mkdir" else os, denied, refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        fit.save(tmp_path / "fit")


# -- kills, races and memory -----------------------------------------------------------------------

needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="forks children and limits their memory")


SAMPLE = {"saves": 4, "first": 3, "races": 1, "sizes": 2, "rights": 1, "memory": 2}
ALL = {"saves": 100, "first": 100, "races": 50, "sizes": 40, "rights": 1, "memory": 40}


@needs_fork
@pytest.mark.parametrize("programs", [SAMPLE, pytest.param(ALL, marks=pytest.mark.slow)], ids=["sample", "all"])
def test_kills_races_and_limits(programs: dict[str, int]) -> None:
    """See `faults.py`, which says what it saw where it fails."""
    arguments = [str(word) for program in programs.items() for word in program]
    one_arena = {"MALLOC_ARENA_MAX": "1"}  # others would hold memory in reserve, beyond any limit
    command = [sys.executable, str(HERE / "faults.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **one_arena})
    assert run.returncode == 0, run.stdout + run.stderr
