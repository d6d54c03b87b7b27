"""The sparse Cholesky factor against dense matrices, and its kernels as plain Python with bounds checked."""

import numpy as np
import pytest

from bayesglmm.compiled.interpreted import Memory, interpreted
from bayesglmm.compiled.plain import without_addresses
from bayesglmm.compiled.table import Filled
from bayesglmm.likelihood import sparse_factor
from bayesglmm.likelihood.sparse_factor import Factor, Pattern
from bayesglmm.likelihood.sparse_kernels import sparse


def some_matrix(size: int, density: float) -> np.ndarray:
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size)) * (rng.random((size, size)) < density)
    return root @ root.T + size * np.eye(size)


def stored(matrix: np.ndarray) -> tuple[Pattern, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Its pattern, its storage, and the entries on and below the diagonal that are not zero."""
    i, j = np.nonzero(np.tril(matrix, -1))
    pattern = Pattern.of(i, j, len(matrix))
    entries = np.nonzero(np.tril(matrix))
    storage = np.zeros(pattern.size)
    storage[pattern.places(*entries)] = matrix[entries]
    return pattern, storage, entries


MATRICES = {
    "one": (1, 1.0),
    "dense": (5, 0.5),
    "fills in": (40, 0.05),
    "nearly diagonal": (60, 0.01),
    "diagonal": (9, 0),
}


@pytest.mark.parametrize("name", MATRICES)
def test_it_solves_and_inverts(name):
    matrix = some_matrix(*MATRICES[name])
    pattern, storage, entries = stored(matrix)
    factor, right = Factor(pattern, storage), np.arange(len(matrix)) - 1.5
    np.testing.assert_allclose(factor.solve(right), np.linalg.solve(matrix, right), rtol=1e-12, atol=1e-14)
    assert factor.log_determinant == pytest.approx(np.linalg.slogdet(matrix)[1], rel=1e-13)
    inverse = factor.inverse()[pattern.places(*entries)]
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix)[entries], rtol=1e-12, atol=1e-16)


def test_sparse_and_dense_columns_are_both_met():
    assert [stored(some_matrix(*MATRICES[name]))[0].sparse for name in ("dense", "diagonal")] == [0, 8]
    assert 0 < stored(some_matrix(*MATRICES["fills in"]))[0].sparse < 39


@pytest.mark.parametrize("at", [0, 39])
def test_an_indefinite_matrix_is_refused(at):
    matrix = some_matrix(*MATRICES["fills in"])
    matrix[at, at] = -1.0
    pattern, storage, _ = stored(matrix)
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        Factor(pattern, storage)


def test_nested_levels_do_not_fill_in():
    """Twelve levels within three, after them: the factor has an entry for each of them and no other."""
    i, j = 12 + np.arange(12) % 3, np.arange(12)
    pattern = Pattern.of(i, j, 15)
    assert (pattern.sparse, len(pattern.rows)) == (14, 12)


@pytest.mark.parametrize("name", MATRICES)
def test_the_kernels_stay_inside_their_arrays(name, monkeypatch):
    kept: list[np.ndarray] = []
    filled_of = Filled.of

    def filled(values, sizes):
        result = filled_of(values, sizes)
        kept.extend([*result.arrays, result.row])
        return result

    def call(address: int) -> int:
        memory = Memory()
        for array in kept:
            if array.size:  # an empty array has the address of what is behind it
                memory.add(array)
        return interpreted(sparse.function, memory)(address)

    matrix = some_matrix(*MATRICES[name])
    pattern, storage, _ = stored(matrix)
    theirs, right = Factor(pattern, storage.copy()), np.arange(len(matrix)) - 1.5
    zeros = np.zeros

    def remembered(*arguments, **options):
        array = zeros(*arguments, **options)
        kept.extend(pattern.views(array) if array.shape == (pattern.size,) else [])
        return array

    with monkeypatch.context() as patch:
        patch.setattr(Filled, "of", filled)
        patch.setattr(sparse_factor, "_kernel", lambda: call)
        ours = Factor(pattern, storage)
        solved = ours.solve(right)
        patch.setattr(np, "zeros", remembered)
        inverse = ours.inverse()
    np.testing.assert_allclose(solved, theirs.solve(right), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(inverse, theirs.inverse(), rtol=1e-13, atol=1e-15)


def test_without_c_functions_numba_compiles_the_same(monkeypatch):
    matrix = some_matrix(*MATRICES["fills in"])
    pattern, storage, _ = stored(matrix)
    theirs = Factor(pattern, storage.copy())
    with monkeypatch.context() as patch:
        plain = without_addresses(sparse.function, None, None)
        patch.setattr(sparse_factor, "_kernel", lambda: plain)
        ours = Factor(pattern, storage)
        right = np.arange(40.0)
        np.testing.assert_allclose(ours.solve(right), theirs.solve(right), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(ours.inverse(), theirs.inverse(), rtol=1e-13, atol=1e-15)
