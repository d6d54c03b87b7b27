"""The Cholesky factor of a sparse matrix, solutions with it, and the entries of the inverse where the factor has some.

The variables are eliminated in order, H = LLᵀ. The first s have sparse columns of L, column by column with their rows
ascending (CSC); the last t fill in among themselves and are one dense matrix, which the caller factorises by LAPACK:
here only what the sparse columns contribute to it is subtracted.

Arguments: `header` is the table `Header`; its arrays are changed in place.

References
----------
Davis (2006), Direct Methods for Sparse Linear Systems, ch. 4 (left-looking factorisation).
Takahashi, Fagan & Chin (1973); Erisman & Tinney (1975), Communications of the ACM 18, 177-179 (the inverse's entries).
"""

import math

import numpy as np

from bayesglmm.compiled.abi import INTEGRATE, floats, words
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.pieces import piece
from bayesglmm.compiled.table import Table, integers, number, size
from bayesglmm.compiled.table import floats as doubles

__all__ = ["Header", "sparse"]


class Header(Table):
    """The header of one call: a factor of s sparse columns with e entries below the diagonal, and t dense ones."""

    FACTORISE = number("1 to factorise H")
    SOLVE = number("1 to solve with the sparse columns of L, 2 with those of Lᵀ")
    INVERT = number("1 for the entries of H⁻¹")
    SPARSE = size("s", "variables with a sparse column")
    DENSE = size("t", "variables after them")
    ENTRIES = size("e", "entries below the diagonal of the sparse columns")
    STARTS = integers("the first entry of each sparse column, and e", "s+1")
    ROWS = integers("the row of each entry", "e")
    DIAGONAL = doubles("the diagonal of the sparse columns, of H, then of L", "s")
    VALUES = doubles("the entries, of H, then of L", "e")
    CORE = doubles(
        "the dense part of H, its lower triangle, then its Schur complement; for INVERT that of H⁻¹", "t", "t"
    )
    VECTOR = doubles("read by SOLVE, replaced by the solution", "s+t")
    INVERSE_DIAGONAL = doubles("written by INVERT: the diagonal of H⁻¹", "s", when="INVERT")
    INVERSE_VALUES = doubles("written by INVERT: H⁻¹ at the entries", "e", when="INVERT")


_HEADER_SIZE = len(Header)


@piece
def _factorise(s, starts, rows, diagonal, values, core):
    """Write L in the place of H, and the Schur complement in that of the dense part; return 0, or 1 if not definite.

    `first_of` and `next_of` list the columns whose next entry is in a row, `at` is where that entry of a column is.
    """
    place, at = np.full(s + core.shape[0], -1, dtype=np.int64), np.full(s, -1, dtype=np.int64)
    first_of, next_of = np.full(s, -1, dtype=np.int64), np.full(s, -1, dtype=np.int64)
    for j in range(s):
        for p in range(starts[j], starts[j + 1]):
            place[rows[p]] = p
        k = first_of[j]
        while k >= 0:
            following, p = next_of[k], at[k]
            factor = values[p]
            diagonal[j] -= factor * factor
            for q in range(p + 1, starts[k + 1]):
                values[place[rows[q]]] -= factor * values[q]
            _to_next_row(k, p + 1, s, starts, rows, at, first_of, next_of)
            k = following
        if not diagonal[j] > 0.0:
            return 1
        diagonal[j] = math.sqrt(diagonal[j])
        for p in range(starts[j], starts[j + 1]):
            values[p] /= diagonal[j]
        _to_next_row(j, starts[j], s, starts, rows, at, first_of, next_of)
    for j in range(s):
        for p in range(at[j], starts[j + 1]):
            for q in range(at[j], p + 1):
                core[rows[p] - s, rows[q] - s] -= values[p] * values[q]
    return 0


@piece
def _to_next_row(k, p, s, starts, rows, at, first_of, next_of):
    """Note that entry p of column k is its next, under the row of that entry."""
    at[k] = p
    if p < starts[k + 1] and rows[p] < s:
        next_of[k] = first_of[rows[p]]
        first_of[rows[p]] = k


@piece
def _forward(s, starts, rows, diagonal, values, x):
    """Solve with the sparse columns of L in place."""
    for j in range(s):
        x[j] /= diagonal[j]
        for p in range(starts[j], starts[j + 1]):
            x[rows[p]] -= values[p] * x[j]


@piece
def _backward(s, starts, rows, diagonal, values, x):
    """Solve with the sparse columns of Lᵀ in place."""
    for j in range(s - 1, -1, -1):
        total = x[j]
        for p in range(starts[j], starts[j + 1]):
            total -= values[p] * x[rows[p]]
        x[j] = total / diagonal[j]


@piece
def _invert(s, starts, rows, diagonal, values, inverse_diagonal, inverse, core):
    """Write H⁻¹ = Z where L has entries, from the last column to the first.

    Over the entries k of column j, Z_ij = −Σ_k Z_ik L_kj / L_jj, and Z_jj = 1/L_jj² − Σ_k Z_kj L_kj / L_jj.
    """
    place = np.full(s + core.shape[0], -1, dtype=np.int64)
    for j in range(s - 1, -1, -1):
        start, end = starts[j], starts[j + 1]
        for p in range(start, end):
            place[rows[p]] = p
            inverse[p] = 0.0
        for p in range(start, end):
            k, factor = rows[p], values[p] / diagonal[j]
            if k >= s:
                inverse[p] -= factor * core[k - s, k - s]
                for q in range(p + 1, end):
                    entry = core[rows[q] - s, k - s]
                    inverse[q] -= factor * entry
                    inverse[p] -= values[q] / diagonal[j] * entry
            else:
                inverse[p] -= factor * inverse_diagonal[k]
                for q in range(starts[k], starts[k + 1]):
                    other = place[rows[q]]
                    if start <= other < end:
                        inverse[other] -= factor * inverse[q]
                        inverse[p] -= values[other] / diagonal[j] * inverse[q]
        total = 1.0 / (diagonal[j] * diagonal[j])
        for p in range(start, end):
            total -= values[p] / diagonal[j] * inverse[p]
        inverse_diagonal[j] = total


@compiled(INTEGRATE)
def sparse(address):
    """Do what the header asks for; return 1 where a matrix to factorise is not positive definite, else 0."""
    header = words(address, _HEADER_SIZE)
    s, t, e = header[Header.SPARSE], header[Header.DENSE], header[Header.ENTRIES]
    starts, rows = words(header[Header.STARTS], s + 1), words(header[Header.ROWS], e)
    diagonal, values = floats(header[Header.DIAGONAL], s), floats(header[Header.VALUES], e)
    if header[Header.FACTORISE]:
        core = floats(header[Header.CORE], t * t).reshape((t, t))
        return _factorise(s, starts, rows, diagonal, values, core)
    if header[Header.SOLVE] == 1:
        _forward(s, starts, rows, diagonal, values, floats(header[Header.VECTOR], s + t))
    if header[Header.SOLVE] == 2:
        _backward(s, starts, rows, diagonal, values, floats(header[Header.VECTOR], s + t))
    if header[Header.INVERT]:
        inverse_diagonal, inverse = floats(header[Header.INVERSE_DIAGONAL], s), floats(header[Header.INVERSE_VALUES], e)
        core = floats(header[Header.CORE], t * t).reshape((t, t))
        _invert(s, starts, rows, diagonal, values, inverse_diagonal, inverse, core)
    return 0
