"""Link functions: g(μ) = η, its inverse and the range of μ, in numpy and as a PyTensor expression.

References
----------
McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., chapters 2 and 4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import FamilyError
from bayesglmm.specify.families.averaging import SETTLED, Averaging, Undefined

__all__ = ["Array", "Link", "Pointer", "Range", "pt"]

type Array = NDArray[np.float64]
type Pointer = Any
"""An array, or a C pointer to doubles in compiled code."""
type Range = Literal["real", "positive", "unit"]


def _no_log_odds(eta: Any) -> Any:
    raise FamilyError("only a link to probabilities has log odds")


@dataclass(frozen=True)
class Link:
    """A link function g(μ) = η, with everything the package uses of it.

    The first eight are required; the defaults of the others are right for every link.

    Parameters
    ----------
    name
        Its name.
    range
        The range of μ: `"real"`, `"positive"`, or `"unit"` for probabilities.
    link
        μ → g(μ), on arrays.
    inverse
        η → g⁻¹(η), on arrays; finite and in range for |η| ≤ 700, for a link that is not `increasing` for 0 < η ≤ 700.
    slope
        η → dμ/dη, on arrays.
    tensor
        η → g⁻¹(η) as a PyTensor expression.
    text
        g(μ) in mathematical notation, `{}` standing for μ.
    rows
        (n, η, a, b, a′, b′) → None; η and the four others are arrays (n,), the four are written. a = μ, b = log μ and
        their derivatives with respect to η; with range `"unit"` a = log μ, b = log(1 − μ). Scalar Python over `math`
        and `families.special` that numba compiles.
    tensor_log_odds
        η → log(μ / (1 − μ)) as a PyTensor expression, accurate in both tails; required with range `"unit"`.
    averaging
        How the mean is averaged over a normal η: `Closed`, `Latent`, `Settled` or `Undefined`.
    unit
        The unit of η in default priors: 1 where a unit of η has a meaning (a factor of e, a log odds). None for
        sd(y) |dη/dμ|; with range `"unit"` for the step that moves a probability of one half as far as a unit of log
        odds does.
    additive
        Whether η = μ, so that the mean over random effects is the mean at b = 0.
    multiplicative
        Whether g⁻¹(η + o) = g⁻¹(η) exp(o), so that exp(offset) is an exposure and μ → 0 only as η → −∞.
    log_odds
        Whether η is the log odds.
    increasing
        Whether μ increases with η on the whole line; otherwise η is above 0.
    symmetric
        Whether g⁻¹(−η) = 1 − g⁻¹(η).
    latent_variance, latent_text
        The variance of the latent variable whose distribution function is g⁻¹, and how it is written; where there is
        no variance, the reason in a clause.
    probit_slope
        c of the approximation g⁻¹(η) ≈ Φ(c η).
    reading
        What averaging over random effects does to the mean, in sentences for a report; `{factors}` and `{columns}`
        stand for those of the model. Empty for what holds of every link.

    References
    ----------
    McCullagh & Nelder (1989).
    """

    name: str
    range: Range
    link: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    tensor: Callable[[Any], Any]
    text: str
    rows: Callable[[int, Pointer, Pointer, Pointer, Pointer, Pointer], None]
    tensor_log_odds: Callable[[Any], Any] = _no_log_odds
    averaging: Averaging = SETTLED
    unit: float | None = None
    additive: bool = False
    multiplicative: bool = False
    log_odds: bool = False
    increasing: bool = True
    symmetric: bool = False
    latent_variance: float | None = None
    latent_text: str = ""
    probit_slope: float | None = None
    reading: str = ""

    @property
    def averages(self) -> bool:
        """Whether the mean has an average over normal random effects."""
        return not isinstance(self.averaging, Undefined)

    @property
    def scale(self) -> str:
        """The name of the scale of the linear predictor."""
        return "scale of the outcome (identity link)" if self.additive else f"{self.name} scale"

    def __repr__(self) -> str:
        """Return the name."""
        return f"Link({self.name!r})"


def pt() -> Any:
    """Return `pytensor.tensor`, loaded when a graph is built."""
    import pytensor.tensor

    return pytensor.tensor
