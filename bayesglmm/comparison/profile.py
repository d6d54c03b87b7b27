"""`profile(fit, parameter)`: the largest likelihood at each value of a parameter, and the interval it gives.

The interval holds the values that a likelihood-ratio test does not reject; unlike Wald's it need not be symmetric, and
it may end at the end of the parameter's range.

References
----------
Venzon & Moolgavkar (1988), Applied Statistics 37, 87-94.
Bates & Watts (1988), Nonlinear Regression Analysis and Its Applications, section 6.1: the signed root.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import OptionError
from bayesglmm.estimands.hypothesis_names import ParameterNames, parameters
from bayesglmm.estimands.hypothesis_text import read_statements, uses
from bayesglmm.likelihood.asymptotic import Asymptotic
from bayesglmm.likelihood.maximise import Maximum
from bayesglmm.posterior.moments import interval
from bayesglmm.specify.model import Model

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["Profile", "profile"]

type Array = NDArray[np.float64]

_POINTS = 9
"""Values of the parameter on each side of the estimate at which the curve is followed."""

_FARTHEST = 40
"""Steps of the search for an end of the interval before it is taken to be open."""


class _Fitted(Protocol):
    @property
    def model(self) -> Model: ...
    @property
    def maximum(self) -> Maximum: ...
    @property
    def asymptotic(self) -> Asymptotic: ...
    @property
    def how(self) -> str: ...


@dataclass(frozen=True, eq=False, repr=False)
class Profile(Result):
    """The likelihood along a parameter.

    Parameters
    ----------
    table
        A row a value: columns `value`; `loglik`, the largest with the parameter there; `z`, the signed root of twice
        what it lacks of the maximum.
    parameter
        Its name.
    estimate, lower, upper
        The estimate and the ends of the interval; infinite, or the end of the range, where the likelihood does not
        fall far enough.
    wald
        The ends of Wald's interval.
    how
        How the likelihood was maximised.
    ci_prob
        The coverage of the interval in large samples.
    """

    table: pd.DataFrame
    parameter: str
    estimate: float
    lower: float
    upper: float
    wald: tuple[float, float]
    how: str
    ci_prob: float

    def plot(self) -> "Picture":
        """Draw the curve with its interval: see `bayesglmm.plots.profile`."""
        from bayesglmm.plots.profile import draw

        return draw(self)

    def _layout(self) -> Layout:
        percent = f"{100 * self.ci_prob:g} %"
        above = (
            f"Profile likelihood of {self.parameter}; {self.how}.",
            f"estimate {self.estimate:.4g}, {percent} profile interval [{self.lower:.4g}, {self.upper:.4g}], Wald's "
            f"[{self.wald[0]:.4g}, {self.wald[1]:.4g}]",
        )
        return Layout(above, self.table, (), {"float_format": "{:.4g}".format, "index": False}, 110)


def profile(fit: _Fitted, parameter: str, *, ci_prob: float = 0.95) -> Profile:
    """Follow the likelihood along a parameter, all others maximised at each of its values.

    Parameters
    ----------
    fit
        The maximum-likelihood fit.
    parameter
        The name of a coefficient, sd, correlation or family parameter, as tables print it or shorter: `"trt:time"`.
    ci_prob
        The coverage of the interval in large samples.

    Raises
    ------
    OptionError
        For a name of no parameter, or a fit whose Hessian is not positive definite.
    """
    interval(ci_prob)
    if fit.maximum.restricted or fit.maximum.log_likelihood is None:
        raise OptionError(
            "only a likelihood is profiled, neither a restricted one nor that of PQL; update(method=…, "
            "restricted=False) has one"
        )
    if not fit.asymptotic.definite:
        raise OptionError("the Hessian of the fit is not positive definite: nothing can be profiled; see its check()")
    name = _name(fit.model, parameter)
    along = _Along(fit, list(parameters(fit.model)).index(name))
    critical = float(stats.norm.ppf((1 + ci_prob) / 2))
    sides = [along.end(side, critical) for side in (-1, 1)]
    lower, upper = (end for end, _ in sides)
    rows = sorted([(along.estimate, along.top, 0.0), *(row for _, found in sides for row in found)])
    table = pd.DataFrame(rows, columns=["value", "loglik", "z"])
    wald = fit.asymptotic.table(ci_prob).loc[[name], ["lower", "upper"]].to_numpy(float)[0].tolist()
    return Profile(table, name, along.estimate, lower, upper, (wald[0], wald[1]), fit.how, ci_prob)


def _name(model: Model, text: str) -> str:
    (statement,) = read_statements(text, ParameterNames(model)).values()
    names = list(uses(statement.quantity))
    if len(names) != 1 or statement.relation:
        raise OptionError(f"{text!r} is not one parameter; give one of {', '.join(parameters(model))}")
    return names[0]


class _Along:
    """The largest log likelihood at values of one quantity of θ."""

    def __init__(self, fit: _Fitted, place: int) -> None:
        asymptotic, maximum = fit.asymptotic, fit.maximum
        assert maximum.log_likelihood is not None
        self.objective, self.theta, self.top = maximum.log_likelihood, maximum.theta, maximum.loglik
        self.root = np.linalg.cholesky(asymptotic.covariance)
        self.quantity: Callable[[Array], Array] = lambda thetas: asymptotic.quantities(thetas)[:, place]
        self.estimate = float(self.quantity(self.theta[None])[0])
        _, errors = asymptotic.delta(asymptotic.quantities)
        self.error = float(errors[place])
        self.kind = list(parameters(fit.model).values())[place].kind

    def at(self, value: float, start: Array) -> tuple[float, Array]:
        """Return the largest log likelihood with the quantity at a value, and t of θ = θ̂ + root t there."""

        def negative(t: Array) -> tuple[float, Array]:
            height, gradient = self.objective.value_and_gradient(self.theta + self.root @ t)
            if not np.isfinite(height):
                return 1e10, np.zeros(len(t))
            return self.top - height, -(self.root.T @ gradient)

        def excess(t: Array) -> float:
            return float((self.quantity((self.theta + self.root @ t)[None])[0] - value) / self.error)

        def slope(t: Array) -> Array:
            step = 1e-5
            at = self.theta + self.root @ t
            moved = np.concatenate([at + step * self.root.T, at - step * self.root.T])
            values = self.quantity(moved)
            return np.asarray((values[: len(t)] - values[len(t) :]) / (2 * step * self.error))

        result = optimize.minimize(
            negative,
            start,
            jac=True,
            method="SLSQP",
            constraints=[{"type": "eq", "fun": excess, "jac": slope}],
            options={"ftol": 1e-10, "maxiter": 200},
        )
        return self.top - float(result.fun), np.asarray(result.x)

    def end(self, side: int, critical: float) -> tuple[float, list[tuple[float, float, float]]]:
        """Return where z reaches the critical value on a side, and points of the curve on the way there."""
        rows: list[tuple[float, float, float]] = []
        value, t, step = self.estimate, np.zeros(len(self.theta)), self.error * critical / _POINTS
        limit = self._limit(side)
        for _ in range(_FARTHEST):
            before, before_t = value, t
            value = value + side * step
            if limit is not None and side * (value - limit) > 0:
                value = limit
            height, t = self.at(value, t)
            z = float(np.sqrt(max(2 * (self.top - height), 0.0)))
            rows.append((value, height, side * z))
            if z >= critical:
                break
            if value == limit:
                return value, rows
            gained = z - (abs(rows[-2][2]) if len(rows) > 1 else 0.0)
            step *= float(np.clip(critical / _POINTS / gained if gained > 0 else 2.0, 0.5, 2.0))
        else:
            return side * np.inf, rows

        def lacking(at: float) -> float:
            height, _ = self.at(at, before_t)
            return float(np.sqrt(max(2 * (self.top - height), 0.0)) - critical)

        return float(optimize.brentq(lacking, before, value, rtol=1e-6)), rows

    def _limit(self, side: int) -> float | None:
        """Return the end of the quantity's range on a side, a little inside."""
        if self.kind in ("sd", "family"):
            return 1e-6 * self.estimate if side < 0 else None
        return side * (1 - 1e-9) if self.kind == "correlation" else None
