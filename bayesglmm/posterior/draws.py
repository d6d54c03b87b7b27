"""Draws of a posterior as arrays, and draw by draw η, zᵀb, G = diag(σ) Ω diag(σ) and zᵀGz."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, listing
from bayesglmm.specify.design import BlockDesign, Design
from bayesglmm.specify.families import Family
from bayesglmm.specify.variables import pair_names

__all__ = [
    "CELLS",
    "Draws",
    "block_diagonal",
    "chunks",
    "covariance",
    "linear_predictor",
    "random_part",
    "variance_over_b",
]

type Array = NDArray[np.float64]

CELLS = 2**19
"""Draws × rows of temporary arrays, at most."""


@dataclass(frozen=True, eq=False)
class Draws:
    """The draws of a posterior as arrays, whose first axis runs over chains and draws, s in all.

    Parameters
    ----------
    posterior
        The draws.
    design
        The design the model was fitted on, against which dims and labels are checked.
    """

    posterior: xr.Dataset
    design: Design

    @property
    def size(self) -> int:
        """The number of draws over all chains, s."""
        return int(self.posterior.sizes["chain"] * self.posterior.sizes["draw"])

    @property
    def beta(self) -> Array:
        """The coefficients, shape (s, p)."""
        return self._take("beta", coef=self.design.coef)

    def b(self, block: BlockDesign) -> Array:
        """Return the random effects of the observed groups, shape (s, m, k)."""
        return self._take(f"b_{block.name}", **{block.name: block.levels, f"{block.name}_coef": block.columns})

    def covariance(self, block: BlockDesign) -> Array:
        """Return G, shape (s, k, k)."""
        sd = self.sd(block)
        if not block.correlated:
            return covariance(sd)
        return covariance(sd, self.correlations(block))

    def correlations(self, block: BlockDesign) -> Array:
        """Return the lower triangle of Ω of a correlated block row by row, shape (s, pairs)."""
        return self._take(f"corr_{block.name}", **{f"{block.name}_pair": pair_names(block)})

    def sd(self, block: BlockDesign) -> Array:
        """Return the standard deviations of a block, shape (s, k)."""
        return self._take(f"sd_{block.name}", **{f"{block.name}_coef": block.columns})

    def parameters(self, family: Family) -> dict[str, Array]:
        """Return the family parameters by name, each of shape (s, 1)."""
        return {parameter.name: self._take(parameter.name)[:, None] for parameter in family.parameters}

    def _take(self, name: str, **labels: tuple[object, ...]) -> Array:
        """Return a variable, shape (s, …), if its dims and coordinates are those of the model."""
        if name not in self.posterior:
            raise OptionError(f"the posterior has no '{name}'; it has {listing(map(str, self.posterior.data_vars))}")
        variable = self.posterior[name]
        if set(variable.dims) != {"chain", "draw", *labels}:
            raise OptionError(f"'{name}' of the posterior has dims {variable.dims}, not chain, draw, {listing(labels)}")
        for dim, expected in labels.items():
            actual = variable.coords[dim].values.tolist() if dim in variable.coords else expected
            if variable.sizes[dim] != len(expected) or list(map(str, actual)) != list(map(str, expected)):
                raise OptionError(f"'{name}' of the posterior has another '{dim}' than the model: it is of another fit")
        values = variable.transpose("chain", "draw", *labels).values
        return np.asarray(values, dtype=np.float64).reshape(self.size, *values.shape[2:])


def linear_predictor(beta: Array, x: Array, offset: Array) -> Array:
    """Return xβ + offset, shape (s, n), from β (s, p), x (n, p) and the offset (n,); link scale."""
    return beta @ x.T + offset


def random_part(b: Array, z: Array, index: NDArray[np.int64]) -> Array:
    """Return zᵀb of each row's group, shape (s, n), from b (s, m, k), z (n, k) and the index (n,); link scale."""
    total = np.zeros((b.shape[0], len(z)))
    for column in range(z.shape[1]):
        total += b[:, index, column] * z[:, column]
    return total


def covariance(sd: Array, corr: Array | None = None) -> Array:
    """Return G = diag(σ) Ω diag(σ), shape (s, k, k).

    Parameters
    ----------
    sd
        (s, k) standard deviations σ.
    corr
        (s, k(k − 1)/2) the lower triangle of Ω, row by row; None for the identity.
    """
    k = sd.shape[1]
    omega = np.broadcast_to(np.eye(k), (len(sd), k, k)).copy()
    if corr is not None:
        lower = np.tril_indices(k, -1)
        omega[:, *lower] = omega[:, lower[1], lower[0]] = corr
    return sd[:, :, None] * omega * sd[:, None, :]


def block_diagonal(parts: Sequence[Array]) -> Array:
    """Return the block-diagonal matrix of covariances (s, k, k), shape (s, Σk, Σk)."""
    ends = np.cumsum([0, *(part.shape[1] for part in parts)])
    matrix = np.zeros((len(parts[0]), ends[-1], ends[-1]))
    for start, end, part in zip(ends[:-1], ends[1:], parts, strict=True):
        matrix[:, start:end, start:end] = part
    return matrix


def variance_over_b(g: Array, z: Array) -> Array:
    """Return zᵀGz, shape (s, n), from G (s, k, k) and z (n, k); link scale, squared."""
    squares = (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)
    return np.maximum(g.reshape(len(g), -1) @ squares.T, 0.0)


def chunks(draws: int, n: int) -> Iterator[slice]:
    """Cut n rows into slices of at most `CELLS` values over all draws."""
    step = max(1, CELLS // max(draws, 1))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
