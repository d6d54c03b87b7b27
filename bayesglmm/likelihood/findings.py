"""`findings(…)`: what limits a maximum, as data."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import listing
from bayesglmm.likelihood.coordinates import Coordinates
from bayesglmm.specify.design import BlockDesign

__all__ = ["NOT_CONVERGED", "SETTLED", "Finding", "boundaries", "clipped", "of_information", "unsettled"]

type Array = NDArray[np.float64]
type Kind = Literal["sd_zero", "singular", "flat", "not_definite", "not_converged", "curvature", "nodes"]

SETTLED = 1e-6
"""The change of the log likelihood with the next number of points below which a number of points is enough."""

_AT_ZERO = 0.01
"""A diagonal entry of L within so many standard errors of 0 is at 0."""


@dataclass(frozen=True)
class Finding:
    """Something about a maximum that a reader must know.

    Parameters
    ----------
    kind
        `"sd_zero"`, a standard deviation of random effects at 0; `"singular"`, a correlation at ±1 or effects that
        are linear combinations of others; `"flat"`, a direction in which the likelihood rises without end, by little;
        `"not_definite"`, an observed information that is not positive definite; `"not_converged"`, a search that ended
        too early; `"curvature"`, modes whose observed curvature is indefinite, so that rows are left out of it;
        `"nodes"`, quadrature that more points would change.
    names
        What it concerns: standard deviations or entries of `theta`.
    text
        A clause that says so.
    """

    kind: Kind
    names: tuple[str, ...]
    text: str


NOT_CONVERGED = Finding("not_converged", (), "the search ended before a maximum was reached")


def clipped(integrals: int) -> tuple[Finding, ...]:
    """Return that so many integrals are about a mode with an indefinite curvature."""
    if not integrals:
        return ()
    text = f"of {integrals} integrals the observed curvature at the mode is indefinite, and rows are left out of it"
    return (Finding("curvature", (), text),)


def unsettled(nodes: int, change: float, limit: float) -> tuple[Finding, ...]:
    """Return that quadrature has not settled, where a change of the number of points moves the log likelihood."""
    if abs(change) < limit:
        return ()
    text = f"{nodes} points a dimension are too few: the log likelihood moves by {abs(change):.1g} with their number"
    return (Finding("nodes", (), text),)


def boundaries(
    coordinates: Coordinates, blocks: tuple[BlockDesign, ...], theta: Array, hessian: Array
) -> tuple[Finding, ...]:
    """Return what is at the boundary of the covariances: sds of 0, and singular covariances without one."""
    found = []
    widths = np.sqrt(np.maximum(np.diag(hessian), 0.0))  # 1 / standard errors, other entries held
    for block, place, (rows, columns), root in zip(
        blocks, coordinates.places, coordinates.entries, coordinates.split(theta).roots, strict=True
    ):
        ratio = np.zeros_like(root)
        ratio[rows, columns] = np.abs(theta[place]) * widths[place]
        zero = (ratio < _AT_ZERO).all(axis=1)
        within = (np.diag(ratio) < _AT_ZERO) & ~zero
        if zero.any():
            names = tuple(f"sd_{block.name}[{name}]" for name, at in zip(block.columns, zero, strict=True) if at)
            found.append(
                Finding("sd_zero", names, f"{listing(names)} {'is' if len(names) == 1 else 'are'} estimated as 0")
            )
        elif within.any():
            names = (f"corr_{block.name}",)
            text = f"the covariance of the effects of {block.factor} is singular: " + (
                "their correlation is ±1" if block.size == 2 else "some are linear combinations of others"
            )
            found.append(Finding("singular", names, text))
    return tuple(found)


def of_information(coordinates: Coordinates, hessian: Array, flat: Array, at_boundary: bool) -> tuple[Finding, ...]:
    """Return what the observed information says: directions in which the likelihood is flat, or no maximum.

    Parameters
    ----------
    coordinates
        The names of θ.
    hessian
        (d, d) the observed information.
    flat
        (d, f) directions of θ along which the likelihood is flat.
    at_boundary
        Whether a covariance is singular, where factors of it may turn without changing it.
    """
    found: list[Finding] = []
    names = np.array(coordinates.names)
    if flat.shape[1]:
        share = np.abs(flat) / np.abs(flat).max(axis=0)
        concerned = tuple(names[(share > 0.01).any(axis=1)].tolist())
        if not (at_boundary and all(name.startswith("chol_") for name in concerned)):
            text = (
                f"the likelihood rises without end, by little, along {listing(concerned)}: there is no finite estimate"
            )
            found.append(Finding("flat", concerned, text))
    elif not _definite(hessian):
        found.append(Finding("not_definite", (), "the observed information is not positive definite"))
    return tuple(found)


def _definite(hessian: Array) -> bool:
    scale = np.sqrt(np.abs(np.diag(hessian)))
    if not len(scale):
        return True
    if not (scale > 0).all() or not np.isfinite(scale).all():
        return False
    return bool(np.linalg.eigvalsh(hessian / np.outer(scale, scale))[0] > 0)
