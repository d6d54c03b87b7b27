"""`Likelihood`: the log likelihood of a model at draws of its parameters, by the compiled kernels of its family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.compiled.kernels import family_call, link_call
from bayesglmm.compiled.workspace import CHUNK, WORK, Work
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.posterior.draws import CELLS, linear_predictor, random_part
from bayesglmm.specify.model import Model

__all__ = ["Likelihood"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The log likelihood of the rows of a model given its random effects, up to a constant that no parameter changes.

    Parameters
    ----------
    model
        The model.
    rows
        Its data rows, identical ones merged where that pays.
    """

    model: Model
    rows: Rows
    _link: Any = field(repr=False)
    _family: Any = field(repr=False)

    @classmethod
    def of(cls, model: Model, rows: Rows | None = None) -> "Likelihood":
        """Return the likelihood of a model, of the rows of `Rows.best` for None."""
        link, family = link_call(model.family.link.rows), family_call(model.family)
        return cls(model, Rows.best(model) if rows is None else rows, link, family)

    def eta(self, beta: Array, b: Sequence[Array]) -> Array:
        """Return the linear predictor of the rows, shape (s, n), from β (s, p) and one b (s, m, k) a block."""
        rows = self.rows
        x = np.column_stack([np.ones(rows.n), rows.x]) if self.model.design.has_intercept else rows.x
        eta = linear_predictor(beta, x, rows.offset)
        for effects, z, index in zip(b, rows.z, rows.index, strict=True):
            eta += random_part(effects, z, index)
        return eta

    def at(self, eta: Array, parameters: Array) -> Array:
        """Return the log likelihood, shape (s,), at linear predictors (s, n) and family parameters (s, r)."""
        return np.asarray(self.of_rows(eta, parameters).sum(axis=1))

    def of_rows(self, eta: Array, parameters: Array) -> Array:
        """Return the log likelihood of each row times its weight, shape (s, n), at the arguments of `at`."""
        values, n = np.ascontiguousarray(parameters, dtype=np.float64), self.rows.n
        y, trials = (np.ascontiguousarray(column, dtype=np.float64) for column in (self.rows.y, self.rows.trials))
        work, result = np.zeros((WORK + values.shape[1], CHUNK)), np.empty((len(eta), n))
        space = work.ctypes.data
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            y_address, trials_address = y[start:].ctypes.data, trials[start:].ctypes.data
            for i in range(len(eta)):
                work[Work.ETA, :count] = eta[i, start : start + count]
                self._link(count, space)
                self._family(count, y_address, trials_address, space, values.ctypes.data + i * values.strides[0])
                result[i, start : start + count] = work[Work.LL, :count]
        weighted = (self.rows.weight != 1.0).any()
        return result * self.rows.weight if weighted else result

    def conditional(self, beta: Array, b: Sequence[Array], parameters: Mapping[str, Array]) -> Array:
        """Return the log likelihood of each draw given its random effects, shape (s,).

        Parameters
        ----------
        beta
            (s, p) coefficients on the original scale.
        b
            One (s, m, k) a block.
        parameters
            Family parameters by name, each of s values.
        """
        values, total = self.parameters(parameters, len(beta)), np.empty(len(beta))
        step = max(1, CELLS // self.rows.n)
        for start in range(0, len(beta), step):
            part = slice(start, start + step)
            total[part] = self.at(self.eta(beta[part], [effects[part] for effects in b]), values[part])
        return total

    def parameters(self, parameters: Mapping[str, Array], s: int) -> Array:
        """Return the family parameters in the order of the family, shape (s, r), from s values of each by name."""
        named = [np.reshape(parameters[parameter.name], s) for parameter in self.model.family.parameters]
        return np.column_stack(named) if named else np.zeros((s, 0))
