"""`Coordinates`: the vector θ in which the likelihood is maximised, and its parts.

θ holds the coefficients on the raw columns; of each block the entries of a factor L of the covariance G = LLᵀ, lower
triangular, row by row (the diagonal alone where effects are independent); the logarithms of the family parameters.

L and L with the sign of a column turned give the same G, so the likelihood is an even and smooth function of each
diagonal entry: a standard deviation of 0 is an ordinary stationary point, not an end of the range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesglmm.specify.model import Model

__all__ = ["Coordinates", "Parts"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parts:
    """What θ stands for, or derivatives by these.

    Parameters
    ----------
    beta
        (p,) coefficients on the raw columns.
    roots
        Per block L (k, k), lower triangular.
    parameters
        (r,) family parameters.
    """

    beta: Array
    roots: tuple[Array, ...]
    parameters: Array


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The parts of θ.

    Parameters
    ----------
    names
        (d,) the name of each entry.
    coefficients
        The number p of coefficients.
    entries
        Per block the rows and the columns of the entries of L.
    sizes
        Per block the number of columns.
    """

    names: tuple[str, ...]
    coefficients: int
    entries: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, model: Model, *, without_beta: bool = False, parameters: Sequence[str] | None = None) -> "Coordinates":
        """Return the coordinates of a model.

        Parameters
        ----------
        model
            The model.
        without_beta
            Whether the coefficients are integrated out.
        parameters
            The names of the positive parameters after the covariances; None for those of the family.
        """
        design = model.design
        coef = () if without_beta else design.coef
        entries, names = [], list(coef)
        for block in design.blocks:
            rows, columns = np.tril_indices(block.size) if block.correlated else np.diag_indices(block.size)
            entries.append((rows, columns))
            named = zip((block.columns[i] for i in rows), (block.columns[j] for j in columns), strict=True)
            names += [f"chol_{block.name}[{i},{j}]" for i, j in named]
        named_parameters = [parameter.name for parameter in model.family.parameters]
        names += [f"log_{name}" for name in (named_parameters if parameters is None else parameters)]
        return cls(tuple(names), len(coef), tuple(entries), tuple(block.size for block in design.blocks))

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """Where the entries of each block stand in θ."""
        ends = np.cumsum([self.coefficients, *(len(rows) for rows, _ in self.entries)]).tolist()
        return tuple(slice(start, end) for start, end in pairwise(ends))

    @property
    def first_parameter(self) -> int:
        """Where the family parameters begin in θ."""
        return self.coefficients + sum(len(rows) for rows, _ in self.entries)

    def split(self, theta: Array) -> Parts:
        """Return the parts of θ (d,)."""
        roots = []
        for place, (rows, columns), size in zip(self.places, self.entries, self.sizes, strict=True):
            root = np.zeros((size, size))
            root[rows, columns] = theta[place]
            roots.append(root)
        with np.errstate(over="ignore"):
            parameters = np.exp(theta[self.first_parameter :])
        return Parts(theta[: self.coefficients], tuple(roots), parameters)

    def join(self, parts: Parts) -> Array:
        """Return θ (d,) of its parts."""
        return np.concatenate([parts.beta, *self._of_roots(parts), np.log(parts.parameters)])

    def gradient(self, by_parts: Parts, at: Parts) -> Array:
        """Return derivatives by θ (d,) from those by its parts, at the parts."""
        return np.concatenate([by_parts.beta, *self._of_roots(by_parts), by_parts.parameters * at.parameters])

    def signs(self, theta: Array) -> Array:
        """Return the signs ±1 (d,) which make the diagonals of L not negative, G unchanged."""
        signs = np.ones(len(theta))
        for place, (_, columns), root in zip(self.places, self.entries, self.split(theta).roots, strict=True):
            signs[place] = np.where(np.diag(root) < 0, -1.0, 1.0)[columns]
        return signs

    def _of_roots(self, parts: Parts) -> list[Array]:
        return [root[rows, columns] for root, (rows, columns) in zip(parts.roots, self.entries, strict=True)]
