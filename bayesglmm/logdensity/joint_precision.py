"""`JointPattern` and `JointPrecision`: what the rows say of coefficients and effects together, factorised sparsely.

See `bayesglmm.logdensity.joint_kernels` for what they are used for. Where the entries of the factor stand follows from
which levels meet in rows alone; nested factors have none but those of the precision itself.

References
----------
Davis (2006), Direct Methods for Sparse Linear Systems, ch. 4 (which entries of a factor are not zero).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.data_rows import Rows

__all__ = ["JointPattern", "JointPrecision", "Part"]

type Array = NDArray[np.float64]
type Integers = NDArray[np.int64]

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Part:
    """Where levels of two blocks meet, or of one with coefficients, or coefficients with each other.

    Parameters
    ----------
    blocks
        The blocks, −1 for the coefficients.
    left, right
        (count,) the first variable of each level.
    cell
        (n,) which of them the rows are in.
    columns
        The columns (n, k) and (n, k') of which products are summed; a row may count for every coefficient.
    """

    blocks: tuple[int, int]
    left: Integers
    right: Integers
    cell: Integers
    columns: tuple[Array, Array]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The columns of a level of either block, and the number of pairs of levels."""
        return self.columns[0].shape[1], self.columns[1].shape[1], len(self.left)

    def entries(self) -> tuple[Integers, Integers]:
        """Return the variables of rows and columns of all entries, each (k · k' · count,)."""
        k, n, count = self.shape
        i = np.broadcast_to((np.arange(k)[:, None] + self.left)[:, None, :], (k, n, count))
        j = np.broadcast_to((np.arange(n)[:, None] + self.right)[None, :, :], (k, n, count))
        return i.ravel(), j.ravel()

    def information(self, weights: Array) -> Array:
        """Return the sums over rows of weight × column × column, (k · k' · count,)."""
        one, other = self.columns
        sums = [
            np.bincount(self.cell, weights * one[:, i] * other[:, j], len(self.left))
            for i in range(one.shape[1])
            for j in range(other.shape[1])
        ]
        return np.concatenate(sums)


@dataclass(frozen=True, eq=False)
class JointPattern:
    """Where the entries of the precision and of its factor stand.

    Variables are the coefficients, then the effects of the blocks, those of few levels first, level by level.

    Parameters
    ----------
    size
        The number d of variables.
    first
        The first variable of each block.
    parts
        The parts of the information.
    places
        Where each entry of the parts is added: i for the diagonal of variable i, d + e for entry e of the factor, −1
        right of the diagonal.
    row_start, row_columns
        (d + 1,) and (entries,): the rows of the factor left of its diagonal.
    target_start, targets
        (d,) and (pairs,): for each pair of entries of a row, the place that their product is taken off from.
    runs
        (entries,) whether the places of an entry's pairs with those before it follow one another.
    """

    size: int
    first: tuple[int, ...]
    parts: tuple[Part, ...]
    places: Integers
    row_start: Integers
    row_columns: Integers
    target_start: Integers
    targets: Integers
    runs: Integers

    @classmethod
    def of(cls, rows: Rows, sizes: Sequence[tuple[int, int]], x: Array, most: int) -> "JointPattern | None":
        """Find it.

        Parameters
        ----------
        rows
            The rows.
        sizes
            The numbers of levels and columns of each block.
        x
            (n, c) the columns of the coefficients.
        most
            The most pairs of entries; None is returned where there are more.
        """
        first, d = _first(sizes, x.shape[1])
        parts = _parts(rows, sizes, x, first)
        below = _factor_rows(parts, d, most)
        if below is None:
            return None
        row_start = np.concatenate([[0], np.cumsum([len(row) for row in below])])
        columns = np.concatenate([_NONE, *below])
        keys = np.repeat(np.arange(d), np.diff(row_start)) * d + columns
        pairs = [len(row) * (len(row) + 1) // 2 for row in below]
        triangles = {len(row): np.tril_indices(len(row)) for row in below}
        i = np.concatenate([_NONE, *(row[triangles[len(row)][0]] for row in below)])
        j = np.concatenate([_NONE, *(row[triangles[len(row)][1]] for row in below)])
        targets = _places(i, j, d, keys)
        target_start = np.concatenate([[0], np.cumsum(pairs)])
        runs = [_runs(targets[a:b]) for a, b in itertools.pairwise(target_start)]
        return cls(
            size=d,
            first=tuple(first),
            parts=tuple(parts),
            places=np.concatenate([_places(*part.entries(), d, keys) for part in parts]),
            row_start=row_start,
            row_columns=columns,
            target_start=target_start[:-1],
            targets=targets,
            runs=np.concatenate([_NONE, *runs]),
        )

    def part_table(self) -> Integers:
        """Return (parts, 6): blocks, columns of a level of either, pairs of levels, the first entry."""
        starts = np.cumsum([0, *(math.prod(part.shape) for part in self.parts)])
        return np.array([[*p.blocks, *p.shape, start] for p, start in zip(self.parts, starts[:-1], strict=True)])


@dataclass(frozen=True, eq=False)
class JointPrecision:
    """A log likelihood rᵀt − tᵀKt/2 of t = (β, b) that stands for the rows near a point.

    Parameters
    ----------
    pattern
        Where the entries stand.
    where
        (c,) which globals the coefficients are.
    information
        The entries of K, part by part.
    precision, pull
        (d,) the precision of the priors, 1 for effects, and r.
    """

    pattern: JointPattern
    where: Integers
    information: Array
    precision: Array
    pull: Array

    @classmethod
    def of(
        cls, pattern: JointPattern, where: Integers, weights: Array, prior: Array, pull: tuple[Array, Sequence[Array]]
    ) -> "JointPrecision":
        """Build it from the weights (n,) of the rows, the priors' precisions (c,), and r: (c,) and (m, k) a block."""
        r = np.empty(pattern.size)
        r[: len(where)] = pull[0]
        for start, own in zip(pattern.first, pull[1], strict=True):
            r[start : start + own.size] = own.ravel()
        information = np.concatenate([part.information(weights) for part in pattern.parts])
        return cls(pattern, where, information, np.concatenate([prior, np.ones(pattern.size - len(prior))]), r)


def _first(sizes: Sequence[tuple[int, int]], coefficients: int) -> tuple[list[int], int]:
    """Return the first variable of each block, those of few levels first, and how many variables there are."""
    first, at = [0] * len(sizes), coefficients
    for number in sorted(range(len(sizes)), key=lambda number: sizes[number][0]):
        first[number] = at
        at += sizes[number][0] * sizes[number][1]
    return first, at


def _parts(rows: Rows, sizes: Sequence[tuple[int, int]], x: Array, first: Sequence[int]) -> list[Part]:
    """List the parts: coefficients with each other and with each block, and blocks whose levels meet in rows."""
    one = np.zeros(rows.n, dtype=np.int64)
    columns = [x[:, [c]] for c in range(x.shape[1])]
    at = [np.array([c]) for c in range(x.shape[1])]
    parts = [Part((-1, -1), at[i], at[j], one, (columns[i], columns[j])) for i in range(len(at)) for j in range(i + 1)]
    order = sorted(range(len(sizes)), key=lambda number: first[number])
    for a, number in enumerate(order):
        (m, k), index, z = sizes[number], rows.index[number], rows.z[number]
        levels = first[number] + k * np.arange(m)
        parts += [Part((number, -1), levels, np.full(m, c), index, (z, columns[c])) for c in range(x.shape[1])]
        for other in order[: a + 1]:
            n, theirs = sizes[other]
            cells, cell = np.unique(index * n + rows.index[other], return_inverse=True)
            level, their_level = np.divmod(cells, n)
            left, right = first[number] + k * level, first[other] + theirs * their_level
            parts.append(Part((number, other), left, right, cell, (z, rows.z[other])))
    return parts


def _factor_rows(parts: Sequence[Part], d: int, most: int) -> list[Integers] | None:
    """Return the columns of each row of the factor left of its diagonal, ascending; None past so many pairs of them.

    A row that is eliminated leaves its columns to the last of them.
    """
    if sum(math.prod(part.shape) for part in parts) > most:
        return None
    below: list[set[int]] = [set() for _ in range(d)]
    for part in parts:
        i, j = part.entries()
        for row, column in zip(i[i > j].tolist(), j[i > j].tolist(), strict=True):
            below[row].add(column)
    pairs = 0
    for row in range(d - 1, -1, -1):
        pairs += len(below[row]) * (len(below[row]) + 1) // 2
        if pairs > most:
            return None
        if below[row]:
            last = max(below[row])
            below[last] |= below[row] - {last}
    return [np.array(sorted(row), dtype=np.int64) for row in below]


def _places(i: Integers, j: Integers, d: int, keys: Integers) -> Integers:
    """Return the places of entries (i, j) of the factor: i on the diagonal, from d on left of it, −1 right of it."""
    return np.where(i == j, i, np.where(i > j, d + np.searchsorted(keys, i * d + j), -1))


def _runs(targets: Integers) -> Integers:
    """Return for each entry of a row whether the places of its pairs with those before it follow one another."""
    size = (math.isqrt(8 * len(targets) + 1) - 1) // 2
    own = np.arange(size)
    start = own * (own + 1) // 2
    last = targets[np.maximum(start + own - 1, 0)] if size else _NONE
    return np.asarray((own > 0) & (last - targets[start] == own - 1), dtype=np.int64)
