"""How a mean is averaged over a normal linear predictor: the four values that `Link.averaging` may have.

Given x, the linear predictor of a member of the population is η + √v z with z ~ N(0, 1), and its mean is
E g⁻¹(η + √v z): in closed form (`Closed`); by quadrature that uses what is known of the latent variable whose
distribution function g⁻¹ is (`Latent`); by a trapezoid rule refined until it converges (`Settled`, the default, which
uses g⁻¹ alone); or undefined (`Undefined`).

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Trefethen & Weideman (2014), SIAM Review 56, 385-458: why the trapezoid rule converges geometrically.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bayesglmm.specify.families.links.link import Link

__all__ = [
    "REACH",
    "SETTLED",
    "Array",
    "Averaging",
    "Closed",
    "Latent",
    "Rule",
    "Settled",
    "Undefined",
]

type Array = NDArray[np.float64]
type Rule = tuple[tuple[float, float], ...]
"""Nodes and weights; the weights sum to 1."""

REACH = 7.5
"""|z| at which integrals over a standard normal z are truncated: P(|z| > 7.5) = 6e-14."""


@dataclass(frozen=True)
class Closed:
    """A mean over a normal linear predictor in closed form; functions of arrays that broadcast.

    Parameters
    ----------
    mean
        (η, v) → E g⁻¹(η + N(0, v)); response scale.
    link
        (η, v) → g of that mean, accurate where the mean would round; link scale.
    slope
        (η, v, η′, v′) → the derivative of the mean along (η′, v′).
    covariance
        (η, v₁, v₂) → the covariance of the means of two members who share random effects of variance v₁ and each have
        others, independent, of variance v₂; squared response scale.
    """

    mean: Callable[[Array, Array], Array]
    link: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array, Array, Array], Array]
    covariance: Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Latent:
    """A link to probabilities, g⁻¹(η) = P(L < η), with the rules that integrate it over a normal η to 1e-10.

    E g⁻¹(η + √v z) is a trapezoid rule over z while √v is small, and E Φ((η − L)/√v) by a Gauss rule for L above.

    Parameters
    ----------
    cdf
        g⁻¹ as an expression that is fast to evaluate on arrays.
    trapezoids
        (end, step) of each bin of √v, in rising order: where the bin ends, and the step of η + √v z between nodes,
        set by how far from the real line g⁻¹ is analytic and bounded.
    step
        The step, in η, of the trapezoid rule for covariances.
    log_density
        log f_L up to a constant, None where L has no moments.
    support
        The interval on which f_L exceeds 1e-30.
    gauss
        (begin, size) of each bin of √v above the trapezoids: where it begins, and the nodes of its Gauss rule for L.
    on_rule
        (η, √v, rule) → the trapezoid sum by a recurrence faster than `cdf` at each node; None without one.
    beyond
        (η, √v) → the mean above the last trapezoid, where L has no moments.
    near_one
        (η, √v) → g of the mean where the mean is near 1, for an L that is not symmetric.
    mirror
        The link h with g⁻¹(η) = 1 − h⁻¹(−η), if g of the mean is to be taken from h of its: g(E) = −h(1 − E).
    """

    cdf: Callable[[Array], Array]
    trapezoids: tuple[tuple[float, float], ...]
    step: float
    log_density: Callable[[Array], Array] | None = None
    support: tuple[float, float] = (0.0, 0.0)
    gauss: tuple[tuple[float, int], ...] = ()
    on_rule: Callable[[Array, Array, Rule], Array] | None = None
    beyond: Callable[[Array, Array], Array] | None = None
    near_one: Callable[[Array, Array], Array] | None = None
    mirror: "Link | None" = None

    @property
    def edges(self) -> list[float]:
        """The values of √v at which one bin ends and the next begins."""
        return [end for end, _ in self.trapezoids] + [begin for begin, _ in self.gauss[1:]]


@dataclass(frozen=True)
class Settled:
    """A mean by a trapezoid rule that is refined until it converges, for any smooth g⁻¹."""


@dataclass(frozen=True)
class Undefined:
    """A link under which the mean over a normal linear predictor does not exist.

    Parameters
    ----------
    reason
        Why, in a clause.
    """

    reason: str


SETTLED = Settled()
"""The default of `Link.averaging`."""

type Averaging = Closed | Latent | Settled | Undefined
