"""`JointPrecision`: joint pseudo-data of coefficients and effects; `JointPattern`: the sparsity of it and its factor.

`bayesglmm.logdensity.joint_kernels` factorises it at every step. Which entries of the factor are not zero follows from
which levels share rows; for nested factors there is no fill-in.

References
----------
Davis (2006), Direct Methods for Sparse Linear Systems, ch. 4 (which entries of a factor are not zero).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.data_rows import Rows

__all__ = ["Blocks", "JointPattern", "JointPrecision", "Part", "first_variables", "parts_of"]

type Array = NDArray[np.float64]
type Integers = NDArray[np.int64]

_NONE = np.zeros(0, dtype=np.int64)


class Blocks(Protocol):
    """The rows' levels and columns of each block.

    Attributes
    ----------
    n
        The number of rows.
    index, z
        Per block (n,) the level of each row, and (n, k) the columns.
    """

    @property
    def n(self) -> int: ...  # noqa: D102
    @property
    def index(self) -> tuple[Integers, ...]: ...  # noqa: D102
    @property
    def z(self) -> tuple[Array, ...]: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Part:
    """The entries of the information between two blocks, a block and coefficients, or two coefficients.

    Parameters
    ----------
    blocks
        The blocks, −1 for the coefficients.
    left, right
        (count,) the first variable of each level, for every pair of levels that share rows.
    cell
        (n,) the pair of each row.
    columns
        The columns (n, k) and (n, k') whose products are summed.
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
        """Return the row and the column of each entry, both (k · k' · count,)."""
        k, n, count = self.shape
        i = np.broadcast_to((np.arange(k)[:, None] + self.left)[:, None, :], (k, n, count))
        j = np.broadcast_to((np.arange(n)[:, None] + self.right)[None, :, :], (k, n, count))
        return i.ravel(), j.ravel()

    def information(self, weights: Array) -> Array:
        """Return the sums over rows of weight × column × column, (k · k' · count,)."""
        left, right = self.columns
        sums = [
            np.bincount(self.cell, weights * left[:, i] * right[:, j], len(self.left))
            for i in range(left.shape[1])
            for j in range(right.shape[1])
        ]
        return np.concatenate(sums)


@dataclass(frozen=True, eq=False)
class JointPattern:
    """Which entries of the precision and of its factor C are not zero, and where they are stored.

    C is lower triangular, CᵀC the precision. Variables are the coefficients, then the effects of the blocks, those of
    few levels first, level by level.

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
        (d + 1,) and (entries,): the strict lower triangle of the factor, row by row (CSR).
    target_start, targets
        (d,) and (pairs,): for each pair of entries of a row, the place from which their product is subtracted.
    runs
        (entries,) whether the places of an entry's pairs with those before it are consecutive.
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
        """Find the pattern by symbolic factorisation.

        Parameters
        ----------
        rows
            The data rows.
        sizes
            The numbers of levels and columns of each block.
        x
            (n, c) the columns of the coefficients.
        most
            The most pairs of entries in rows of the factor; None is returned where there are more.
        """
        first, d = first_variables(sizes, x.shape[1])
        parts = parts_of(rows, sizes, x, first)
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
        """Return (parts, 6): the two blocks, the columns of a level of each, pairs of levels, the first entry."""
        starts = np.cumsum([0, *(math.prod(part.shape) for part in self.parts)])
        return np.array([[*p.blocks, *p.shape, start] for p, start in zip(self.parts, starts[:-1], strict=True)])


@dataclass(frozen=True, eq=False)
class JointPrecision:
    """A log likelihood rᵀt − tᵀKt/2 of t = (β, b) in the place of the rows'.

    Parameters
    ----------
    pattern
        Which entries are not zero.
    where
        (c,) the numbers of the coefficients among the globals.
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
        of_coefficients, of_effects = pull
        r[: len(where)] = of_coefficients
        for start, of_block in zip(pattern.first, of_effects, strict=True):
            r[start : start + of_block.size] = of_block.ravel()
        information = np.concatenate([part.information(weights) for part in pattern.parts])
        return cls(pattern, where, information, np.concatenate([prior, np.ones(pattern.size - len(prior))]), r)


def first_variables(sizes: Sequence[tuple[int, int]], coefficients: int) -> tuple[list[int], int]:
    """Return the first variable of each block, those of few levels first, and the number of variables."""
    first, total = [0] * len(sizes), coefficients
    for number in sorted(range(len(sizes)), key=lambda number: sizes[number][0]):
        first[number] = total
        total += sizes[number][0] * sizes[number][1]
    return first, total


def parts_of(rows: Blocks, sizes: Sequence[tuple[int, int]], x: Array, first: Sequence[int]) -> list[Part]:
    """List the parts: coefficients with each other and with each block, and blocks whose levels share rows."""
    single_cell = np.zeros(rows.n, dtype=np.int64)
    columns = [x[:, [c]] for c in range(x.shape[1])]
    variable = [np.array([c]) for c in range(x.shape[1])]
    parts = [
        Part((-1, -1), variable[i], variable[j], single_cell, (columns[i], columns[j]))
        for i in range(len(columns))
        for j in range(i + 1)
    ]
    order = sorted(range(len(sizes)), key=lambda number: first[number])
    for position, number in enumerate(order):
        (m, k), index, z = sizes[number], rows.index[number], rows.z[number]
        levels = first[number] + k * np.arange(m)
        parts += [Part((number, -1), levels, np.full(m, c), index, (z, columns[c])) for c in range(x.shape[1])]
        for other in order[: position + 1]:
            other_m, other_k = sizes[other]
            cells, cell = np.unique(index * other_m + rows.index[other], return_inverse=True)
            level, other_level = np.divmod(cells, other_m)
            left, right = first[number] + k * level, first[other] + other_k * other_level
            parts.append(Part((number, other), left, right, cell, (z, rows.z[other])))
    return parts


def _factor_rows(parts: Sequence[Part], d: int, most: int) -> list[Integers] | None:
    """Return the columns of each row of the factor left of its diagonal, ascending; None beyond `most` pairs of them.

    Symbolic factorisation from the last row: the columns of a row are added to the row of the largest of them, its
    parent in the elimination tree.
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
            parent = max(below[row])
            below[parent] |= below[row] - {parent}
    return [np.array(sorted(row), dtype=np.int64) for row in below]


def _places(i: Integers, j: Integers, d: int, keys: Integers) -> Integers:
    """Return the places of entries (i, j) of the factor: i on the diagonal, d + … left of it, −1 right of it."""
    return np.where(i == j, i, np.where(i > j, d + np.searchsorted(keys, i * d + j), -1))


def _runs(targets: Integers) -> Integers:
    """Return for each entry of a row whether the places of its pairs with those before it are consecutive."""
    size = (math.isqrt(8 * len(targets) + 1) - 1) // 2
    entry = np.arange(size)
    start = entry * (entry + 1) // 2
    last = targets[np.maximum(start + entry - 1, 0)] if size else _NONE
    return np.asarray((entry > 0) & (last - targets[start] == entry - 1), dtype=np.int64)
