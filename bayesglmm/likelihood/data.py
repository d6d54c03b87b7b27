"""`Data`: what the likelihood of a model reads, rows of equal predictors merged where that pays."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.specify.families import Family
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors.scales import scales

__all__ = ["Data"]

type Array = NDArray[np.float64]
type Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Data:
    """The rows of a model whose weight is not 0.

    Parameters
    ----------
    family
        The family with its link.
    x
        (n, p) the columns of the coefficients, raw, the intercept among them.
    offset, y, trials, weight
        (n,) as in `Rows`.
    z
        Per block (n, k) the columns.
    index
        Per block (n,) the level of each row.
    levels
        Per block the number of levels.
    unit
        The unit of the linear predictor (`scales`): steps of differences are in proportion to it.
    centre
        The linear predictor of an intercept alone.
    spread
        The sd of the response.
    """

    family: Family
    x: Array
    offset: Array
    y: Array
    trials: Array
    weight: Array
    z: tuple[Array, ...]
    index: tuple[Integers, ...]
    levels: tuple[int, ...]
    unit: float
    centre: float
    spread: float

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.y)

    @classmethod
    def of(cls, model: Model, *, merged: bool = True) -> "Data":
        """Return the data of a model; `merged` as in `Rows.best`, which changes the log likelihood by a constant."""
        design, rows = model.design, Rows.best(model) if merged else Rows.of(model)
        units = scales(design, model.family)
        return cls(
            family=model.family,
            x=np.column_stack([np.ones(rows.n), rows.x]) if design.has_intercept else np.ascontiguousarray(rows.x),
            offset=rows.offset,
            y=rows.y,
            trials=rows.trials,
            weight=rows.weight,
            z=rows.z,
            index=rows.index,
            levels=tuple(len(block.levels) for block in design.blocks),
            unit=units.response,
            centre=units.centre,
            spread=units.residual,
        )

    def start_coefficients(self) -> Array:
        """Return coefficients (p,) at which η is near that of an intercept alone."""
        if not self.x.shape[1]:
            return np.zeros(0)
        return np.asarray(np.linalg.lstsq(self.x, np.full(self.n, self.centre), rcond=None)[0])

    def take(self, which: Integers) -> "Data":
        """Return some of the rows, in the order of the indices."""
        of_rows = {name: getattr(self, name)[which] for name in ("x", "offset", "y", "trials", "weight")}
        z, index = tuple(z[which] for z in self.z), tuple(index[which] for index in self.index)
        return replace(self, **of_rows, z=z, index=index)
