"""`read_transform`: a function of estimates, by name or the user's own, that is applied to every draw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.errors import OptionError, listing, suggest

__all__ = ["TRANSFORMS", "Transform", "TransformOption", "read_transform"]

type Array = NDArray[np.float64]
type TransformOption = str | Callable[[Any], Any] | None

TRANSFORMS: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "expit": special.expit,
    "logit": special.logit,
    "percent": lambda values: 100 * values,
}
"""The transforms by name, all increasing; `percent` is 100 times the value."""


@dataclass(frozen=True)
class Transform:
    """A function of estimates.

    Parameters
    ----------
    name
        What sentences call it.
    function
        Takes and returns an array of one shape.
    """

    name: str
    function: Callable[[Any], Any]

    def __call__(self, draws: Array) -> Array:
        """Return the transform of draws, of the same shape.

        Raises
        ------
        OptionError
            If it fails, returns another shape, or is not a number somewhere.
        """
        with np.errstate(all="ignore"):
            try:
                result = np.asarray(self.function(draws), dtype=np.float64)
            except (TypeError, ValueError, AttributeError) as error:
                raise OptionError(
                    f"transform={self.name} failed on an array of draws ({error}); give a function of numpy arrays"
                ) from error
        if result.shape != draws.shape:
            raise OptionError(
                f"transform={self.name} returns shape {result.shape} of draws of shape {draws.shape}; give a function "
                "of each number by itself"
            )
        if bad := float((np.isnan(result) & ~np.isnan(draws)).mean()):
            raise OptionError(
                f"transform={self.name} is not a number in {bad:.2%} of the draws; it is not defined for all of them"
            )
        return result

    def at(self, point: float) -> float:
        """Return the transform of one number, NaN where it is not defined."""
        with np.errstate(all="ignore"):
            return float(np.asarray(self.function(np.array([point])), dtype=np.float64)[0])

    def direction(self, draws: Array, points: Sequence[float] = ()) -> int:
        """Return 1 if it increases over draws and points, −1 if it decreases, 0 if it does neither."""
        before = np.unique(np.append(draws.reshape(-1), points))
        with np.errstate(all="ignore"):
            after = np.asarray(self.function(before), dtype=np.float64)
        rises, falls = (after[1:] >= after[:-1]).all(), (after[1:] <= after[:-1]).all()
        return 1 if rises else -1 if falls else 0


def read_transform(transform: Any) -> Transform | None:
    """Return a transform by its name in `TRANSFORMS`, or from a function of arrays; None for none.

    Raises
    ------
    OptionError
        If it is neither.
    """
    if transform is None:
        return None
    if isinstance(transform, str):
        if transform not in TRANSFORMS:
            raise OptionError(f"transform={transform!r} is not a transform; {suggest(transform, TRANSFORMS)}")
        return Transform(transform, TRANSFORMS[transform])
    if callable(transform):
        name = getattr(transform, "__name__", type(transform).__name__)
        return Transform("a function of the user's" if name == "<lambda>" else name, transform)
    raise OptionError(f"transform={transform!r} is neither a function nor one of {listing(TRANSFORMS)}")
