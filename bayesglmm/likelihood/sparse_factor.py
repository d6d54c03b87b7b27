"""`Pattern`: which entries of the Cholesky factor of a sparse matrix are not zero; `Factor`: the factor itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri

from bayesglmm.compiled.table import Filled
from bayesglmm.errors import InterfaceError
from bayesglmm.likelihood.sparse_kernels import Header, sparse

__all__ = ["Factor", "Pattern"]

type Array = NDArray[np.float64]
type Integers = NDArray[np.int64]

_DENSE = 0.5
"""The share of entries that are not zero from which the last columns are one dense matrix."""

_MOST_DENSE = 8000


@dataclass(frozen=True, eq=False)
class Pattern:
    """The pattern of a symmetric matrix and its factor, the variables in the order of their elimination.

    Parameters
    ----------
    sparse, dense
        The numbers s of variables with a sparse column and t of those after them.
    starts, rows
        (s + 1,) and (e,): the entries below the diagonal of the sparse columns, column by column.
    """

    sparse: int
    dense: int
    starts: Integers
    rows: Integers

    @classmethod
    def of(cls, i: Integers, j: Integers, size: int) -> "Pattern":
        """Find the pattern of the factor of a matrix with entries (i, j), i > j, by symbolic factorisation.

        The rows of a column are added to those of the first of them, its parent in the elimination tree.
        """
        below: list[set[int]] = [set() for _ in range(size)]
        for row, column in zip(i.tolist(), j.tolist(), strict=True):
            below[column].add(row)
        for column in range(size):
            if below[column]:
                parent = min(below[column])
                below[parent] |= below[column] - {parent}
        counts = np.array([len(rows) for rows in below], dtype=np.int64)
        s = _first_dense(counts)
        starts = np.concatenate([[0], np.cumsum(counts[:s])]).astype(np.int64)
        rows = np.array([row for rows in below[:s] for row in sorted(rows)], dtype=np.int64)
        return cls(s, size - s, starts, rows)

    @property
    def size(self) -> int:
        """The length of the storage of a matrix: diagonal (s,), entries (e,), dense part (t, t)."""
        return self.sparse + len(self.rows) + self.dense**2

    def places(self, i: Integers, j: Integers) -> Integers:
        """Return where entries (i, j), i ≥ j, stand in the storage."""
        s, d = self.sparse, self.sparse + self.dense
        keys = np.repeat(np.arange(s), np.diff(self.starts)) * d + self.rows
        in_column = s + np.searchsorted(keys, j * d + i)
        in_core = s + len(self.rows) + (i - s) * self.dense + (j - s)
        return np.where(j >= s, in_core, np.where(i == j, j, in_column))

    def views(self, storage: Array) -> tuple[Array, Array, Array]:
        """Return diagonal (s,), entries (e,) and dense part (t, t) of a storage."""
        s, e = self.sparse, len(self.rows)
        return storage[:s], storage[s : s + e], storage[s + e :].reshape(self.dense, self.dense)


def _first_dense(counts: Integers) -> int:
    """Return the first column from which the columns are dense enough, of their numbers of entries."""
    entries = np.cumsum(counts[::-1])[::-1]
    after = np.arange(len(counts), 0, -1)
    dense = (entries >= _DENSE * after * (after - 1) / 2) & (after <= _MOST_DENSE)
    return int(np.argmax(dense)) if dense.any() else len(counts)


class Factor:
    """The Cholesky factor of a positive definite matrix.

    Parameters
    ----------
    pattern
        Its pattern.
    matrix
        The matrix as `Pattern` stores it; it is overwritten.

    Raises
    ------
    numpy.linalg.LinAlgError
        If it is not positive definite.
    """

    def __init__(self, pattern: Pattern, matrix: Array) -> None:
        self.pattern = pattern
        self._diagonal, self._values, core = pattern.views(matrix)
        self._vector = np.empty(pattern.sparse + pattern.dense)
        self._header = self._filled(core)
        if self._call(Header.FACTORISE):
            raise np.linalg.LinAlgError("the matrix is not positive definite")
        self._core = core
        if pattern.dense:
            factor, failed = dpotrf(core.T, lower=0)  # LAPACK reads columns: the transpose's upper triangle
            if failed:
                raise np.linalg.LinAlgError("the matrix is not positive definite")
            self._core = factor.T
        self.log_determinant = 2 * float(np.log(self._diagonal).sum() + np.log(np.diag(self._core)).sum())

    def solve(self, right: Array) -> Array:
        """Return H⁻¹ times a vector (s + t,)."""
        x, s = self._vector, self.pattern.sparse
        x[:] = right
        self._call(Header.SOLVE)
        if self.pattern.dense:
            half = solve_triangular(self._core, x[s:], lower=True, check_finite=False)
            x[s:] = solve_triangular(self._core, half, lower=True, trans=1, check_finite=False)
        self._call(Header.SOLVE, 2)
        return x.copy()

    def inverse(self) -> Array:
        """Return the entries of H⁻¹ where the factor has some, stored as `Pattern` says, the dense part in full."""
        storage = np.zeros(self.pattern.size)
        diagonal, values, core = self.pattern.views(storage)
        if self.pattern.dense:
            upper, _ = dpotri(self._core.T, lower=0)
            core[:] = np.triu(upper) + np.triu(upper, 1).T
        places = zip(
            (Header.INVERSE_DIAGONAL, Header.INVERSE_VALUES, Header.CORE), (diagonal, values, core), strict=True
        )
        for entry, array in places:
            self._header.row[entry] = array.ctypes.data
        self._call(Header.INVERT)
        return storage

    def _filled(self, core: Array) -> Filled:
        pattern = self.pattern
        return Filled.of(
            {
                Header.FACTORISE: 0,
                Header.SOLVE: 0,
                Header.INVERT: 0,
                Header.SPARSE: pattern.sparse,
                Header.DENSE: pattern.dense,
                Header.ENTRIES: len(pattern.rows),
                Header.STARTS: pattern.starts,
                Header.ROWS: pattern.rows,
                Header.DIAGONAL: self._diagonal,
                Header.VALUES: self._values,
                Header.CORE: core,
                Header.VECTOR: self._vector,
            },
            {},
        )

    def _call(self, flag: Header, value: int = 1) -> int:
        """Do what a flag asks for."""
        row = self._header.row
        row[[Header.FACTORISE, Header.SOLVE, Header.INVERT]] = 0
        row[flag] = value
        return int(_kernel()(row.ctypes.data))


@cache
def _kernel() -> Callable[[int], Any]:
    """Return the compiled function; without C functions, it is compiled by `numba.njit`."""
    try:
        return sparse.call
    except InterfaceError as error:
        from bayesglmm.compiled.kernels import warn_uncompiled
        from bayesglmm.compiled.plain import without_addresses

        warn_uncompiled(error)
        return without_addresses(sparse.function, None, None)
