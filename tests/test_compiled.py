"""Machine code is kept on disk whole and of the present sources, and loaded without numba's compiler."""

import ctypes
import os
import subprocess
import sys

import pytest
from numba import types

from bayesglmm.compiled import cache
from bayesglmm.compiled.build import build
from bayesglmm.compiled.load import load

SIGNATURE = types.float64(types.float64, types.float64)
DOUBLE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double)


def ratio(a, b):
    return a / b


def called(address: int, a: float, b: float) -> float:
    return DOUBLE(address)(a, b)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def builds(monkeypatch):
    """How often something is compiled."""
    counted = []

    def counting(function, signature):
        counted.append(function)
        return build(function, signature)

    monkeypatch.setattr("bayesglmm.compiled.build.build", counting)
    return counted


def test_a_function_is_compiled_once_and_then_taken_from_disk(folder, builds):
    for _ in range(2):
        function = cache.compiled(SIGNATURE)(ratio)
        assert called(function.address, 3.0, 4.0) == 0.75
    assert len(builds) == 1
    assert [path.suffix for path in folder.iterdir()] == [".object"]


def test_division_by_zero_is_infinite_as_in_c(folder):
    assert called(cache.compiled(SIGNATURE)(ratio).address, 1.0, 0.0) == float("inf")


@pytest.mark.parametrize(
    "spoil", [lambda code: code[:-9], lambda code: b"", lambda code: code.replace(b"cfunc", b"cfunk", 1)]
)
def test_a_file_that_is_not_whole_is_compiled_anew(folder, builds, spoil):
    cache.compiled(SIGNATURE)(ratio)
    (path,) = folder.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    assert called(cache.compiled(SIGNATURE)(ratio).address, 1.0, 2.0) == 0.5
    assert len(builds) == 2
    cache.compiled(SIGNATURE)(ratio)
    assert len(builds) == 2


def test_other_sources_are_compiled_anew_in_the_place_of_the_old(folder, builds, monkeypatch):
    cache.compiled(SIGNATURE)(ratio)
    monkeypatch.setattr(cache, "_sources", lambda: "others")
    cache.compiled(SIGNATURE)(ratio)
    assert len(builds) == 2
    assert len(list(folder.iterdir())) == 1


def test_without_a_folder_that_can_be_written_all_is_compiled(monkeypatch, builds):
    monkeypatch.setattr(cache, "_folder", lambda: None)
    assert called(cache.compiled(SIGNATURE)(ratio).address, 1.0, 2.0) == 0.5
    assert len(builds) == 1


def test_code_that_calls_what_is_nowhere_has_numba_loaded_and_works():
    """A division that raises calls Python and numba's own run time."""
    from numba import njit

    counted = njit(lambda n: sum([float(i) for i in range(n)]))
    built = build(lambda a, b: counted(int(a)) / b, SIGNATURE)
    assert any(name.startswith("NRT") for name in built.needs)
    assert called(load(built), 4.0, 2.0) == 3.0


def test_the_folder_is_the_one_that_is_given(tmp_path):
    code = "from bayesglmm.compiled import cache; print(cache._folder())"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "new")}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str(tmp_path / "new")
