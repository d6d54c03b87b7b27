"""`Integrated`: a log likelihood with effects integrated out; `Effects`: the effects at the parameters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.likelihood.coordinates import Parts

__all__ = ["Effects", "Integrated", "undefined"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Integrated:
    """A log likelihood, without the families' constants.

    Parameters
    ----------
    value
        The log likelihood, −inf where it is not defined.
    by_parts
        Its derivatives.
    mode
        Where a search for the modes of the effects may begin next.
    clipped
        The number of integrals whose observed curvature at the mode is not positive definite, so that rows of negative
        weight are left out of it.
    """

    value: float
    by_parts: Parts
    mode: Array
    clipped: int


@dataclass(frozen=True, eq=False)
class Effects:
    """The random effects given the outcomes, and coefficients that are integrated out.

    Parameters
    ----------
    modes, sds
        Per block (m, k) the conditional modes of b and the sds of the normal approximation about them.
    beta, covariance
        (p,) and (p, p), of the normal approximation of the coefficients; empty where they are not integrated out.
    """

    modes: tuple[Array, ...]
    sds: tuple[Array, ...]
    beta: Array
    covariance: Array


def undefined(parts: Parts, start: Array) -> Integrated:
    """Return the log likelihood where it is not defined."""
    roots = tuple(np.zeros_like(root) for root in parts.roots)
    zeros = Parts(np.zeros_like(parts.beta), roots, np.zeros_like(parts.parameters))
    return Integrated(-np.inf, zeros, start, 0)
