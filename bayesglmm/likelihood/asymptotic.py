"""`Asymptotic`: the normal distribution that maximum-likelihood estimates have in large samples, and draws from it.

The normal is of u: θ (`Coordinates`) with the diagonal entries of covariance factors replaced by their logarithms. An
entry that is 0, a standard deviation at the end of its range, stays as it is: its draws are normal about 0, and those
of the sd their absolute values.

Random effects are drawn given each draw of θ and the outcomes: exactly where one factor has at most three, else from
each effect's normal approximation given θ, correlations between effects left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import block_diag

from bayesglmm.likelihood.coordinates import Coordinates
from bayesglmm.likelihood.maximise import Maximum
from bayesglmm.marginalize.groups import MOST_EFFECTS, Groups, draw_effects, over_effects
from bayesglmm.posterior.draws import block_diagonal, linear_predictor
from bayesglmm.posterior.moments import interval
from bayesglmm.posterior.when_read import when_read
from bayesglmm.sample.labelling import about, constants, observed
from bayesglmm.specify.variables import posterior_coords, posterior_dims

__all__ = ["Asymptotic"]

type Array = NDArray[np.float64]

_AT_ZERO = 1e-3
"""A diagonal entry of a covariance factor below so many of its standard errors is at the end of its range."""

_STEP = 1e-4
"""The step of differences, in standard errors."""


@dataclass(frozen=True, eq=False)
class Asymptotic:
    """The asymptotic normal distribution of the estimates of a maximum.

    Parameters
    ----------
    maximum
        The maximum of the likelihood.
    """

    maximum: Maximum

    @cached_property
    def coordinates(self) -> Coordinates:
        """The parts of θ."""
        return Coordinates.of(self.maximum.model)

    @cached_property
    def theta(self) -> Array:
        """The estimates θ̂ (d,), the coefficients among them where the likelihood is restricted too."""
        maximum = self.maximum
        return np.concatenate([maximum.beta, maximum.theta]) if maximum.restricted else maximum.theta

    @cached_property
    def hessian(self) -> Array:
        """The information (d, d) on θ; where the likelihood is restricted that on the coefficients given the rest."""
        maximum = self.maximum
        if not maximum.restricted:
            return maximum.hessian
        return np.asarray(block_diag(np.linalg.inv(maximum.beta_covariance), maximum.hessian))

    @cached_property
    def definite(self) -> bool:
        """Whether the information has an inverse: its eigenvalues, in units of its diagonal, are positive."""
        hessian = self.hessian
        scale = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
        return bool(np.isfinite(hessian).all() and np.linalg.eigvalsh(hessian / np.outer(scale, scale)).min() > 1e-10)

    @cached_property
    def covariance(self) -> Array:
        """The covariance (d, d) of θ, the inverse of the Hessian; NaN where it is not positive definite."""
        hessian = self.hessian
        return np.linalg.inv(hessian) if self.definite else np.full(hessian.shape, np.nan)

    @cached_property
    def logged(self) -> NDArray[np.bool_]:
        """Which entries of θ (d,) are diagonal entries of covariance factors away from 0."""
        coordinates, theta = self.coordinates, self.theta
        diagonal = np.zeros(len(theta), dtype=bool)
        for place, (rows, columns) in zip(coordinates.places, coordinates.entries, strict=True):
            diagonal[place] = rows == columns
        errors = np.sqrt(np.maximum(np.diag(self.covariance), 0.0)) if self.definite else np.zeros(len(theta))
        return diagonal & (theta > _AT_ZERO * errors)

    @property
    def at_zero(self) -> tuple[str, ...]:
        """The standard deviations at the end of their range, by their names in tables."""
        names = []
        for block, place, (rows, columns) in zip(
            self.maximum.model.design.blocks, self.coordinates.places, self.coordinates.entries, strict=True
        ):
            stays = ~self.logged[place]
            names += [f"sd_{block.name}[{block.columns[i]}]" for i in rows[stays & (rows == columns)]]
        return tuple(names)

    # The table

    def table(self, ci_prob: float = 0.95) -> pd.DataFrame:
        """Return estimates, standard errors and Wald intervals of the parameters of `Fit.summary`, in its order.

        Parameters
        ----------
        ci_prob
            The coverage that the intervals have in large samples.

        Returns
        -------
        pandas.DataFrame
            Index `parameter`; columns `estimate std_error statistic p_value lower upper`. Intervals are symmetric in
            coefficients, in log σ and log of family parameters, and in the inverse hyperbolic tangent of correlations.
            Statistic and p-value are of coefficients alone: 0 is the end of an sd's range.
        """
        interval(ci_prob)
        names, scales = self._rows()
        values, errors = self.delta(self.quantities)
        ends = np.isin(names, self.at_zero)
        with np.errstate(all="ignore"):
            middle, slope = np.array([_TO[scale](value) for scale, value in zip(scales, values, strict=True)]).T
            half = float(stats.norm.ppf((1 + ci_prob) / 2)) * errors * slope
            sides = [
                np.array([_FROM[scale](x) for scale, x in zip(scales, middle + h, strict=True)]) for h in (-half, half)
            ]
            statistic = np.where(np.array(scales) == "identity", values / errors, np.nan)
        columns = [np.where(ends, np.nan, column) for column in (errors, *sides)]
        return pd.DataFrame(
            {
                "estimate": values,
                "std_error": columns[0],
                "statistic": statistic,
                "p_value": 2 * stats.norm.sf(np.abs(statistic)),
                "lower": columns[1],
                "upper": columns[2],
            },
            index=pd.Index(names, name="parameter"),
        )

    def quantities(self, thetas: Array) -> Array:
        """Return the parameters of the table (s, k) at values of θ (s, d)."""
        values = self._parts(thetas)
        names = [name for name in posterior_dims(self.maximum.model) if name in values]
        return np.concatenate([values[name].reshape(len(thetas), -1) for name in names], axis=1)

    def delta(self, function: Callable[[Array], Array]) -> tuple[Array, Array]:
        """Return functions (s, d) → (s, k) of θ at the estimates, (k,), and standard errors by the delta method."""
        values, jacobian = self.jacobian(function)
        return values, np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", jacobian, self.covariance, jacobian), 0.0))

    def jacobian(self, function: Callable[[Array], Array]) -> tuple[Array, Array]:
        """Return functions (s, d) → (s, k) of θ at the estimates, (k,), and their derivatives by θ, (k, d)."""
        theta = self.theta
        scale = np.sqrt(np.maximum(np.diag(self.covariance), 0.0)) if self.definite else np.abs(theta)
        steps = _STEP * np.where(scale > 0, scale, 1.0)
        at = function(np.vstack([theta, theta + np.diag(steps), theta - np.diag(steps)]))
        d = len(theta)
        return at[0], ((at[1 : d + 1] - at[d + 1 :]) / (2 * steps[:, None])).T

    def _rows(self) -> tuple[list[str], list[str]]:
        """Return the names of the rows of the table, and the scales on which their intervals are symmetric."""
        model, names, scales = self.maximum.model, [], []
        coords = posterior_coords(model)
        for variable, dims in posterior_dims(model).items():
            if variable.startswith("b_"):
                continue
            labels = [f"[{label}]" for label in coords[dims[0]]] if dims else [""]
            names += [f"{variable}{label}" for label in labels]
            kind = "identity" if variable == "beta" else "atanh" if variable.startswith("corr_") else "log"
            scales += [kind] * len(labels)
        return names, scales

    # Draws

    def draws(self, size: int, seed: int) -> xr.DataTree:
        """Return draws of the parameters and of the random effects, in the groups of ArviZ's schema.

        Parameters
        ----------
        size
            How many, in one chain.
        seed
            Of the generator.

        Returns
        -------
        xarray.DataTree
            `posterior` with the variables of a posterior (`bayesglmm.specify.variables`), though it is none;
            `observed_data`, `constant_data`.
        """
        model, rng = self.maximum.model, np.random.default_rng(seed)
        thetas = self._thetas(size, rng)
        values, coords = self._parts(thetas), posterior_coords(model)
        effects: dict[str, Array] = {}

        def drawn(name: str) -> Array:
            if not effects:
                effects.update(self._effects(thetas, values, rng))
            return effects[name]

        of_draws = {"chain": [0], "draw": np.arange(size)}
        posterior = xr.Dataset(coords={**of_draws, **coords}, attrs=about(model))
        for name, dims in posterior_dims(model).items():
            if name in values:
                posterior[name] = (("chain", "draw", *dims), values[name][None])
            else:
                labels = {**of_draws, **{dim: coords[dim] for dim in dims}}
                text = "random effects, drawn given the outcomes"
                posterior[name] = when_read({name: partial(drawn, name)}, labels, np.float64, text)[name]
        return xr.DataTree.from_dict(
            {"posterior": posterior, "observed_data": observed(model), "constant_data": constants(model)}
        )

    def at_estimates(self) -> xr.DataTree:
        """Return the estimates as one draw, the random effects at their conditional modes."""
        model = self.maximum.model
        values = self._parts(self.theta[None])
        values |= {f"b_{name}": modes[None] for name, modes in self.maximum.b_modes.items()}
        coords = {"chain": [0], "draw": [0], **posterior_coords(model)}
        variables = {n: (("chain", "draw", *dims), values[n][None]) for n, dims in posterior_dims(model).items()}
        posterior = xr.Dataset(variables, coords=coords, attrs=about(model))
        return xr.DataTree.from_dict({"posterior": posterior})

    def _thetas(self, size: int, rng: np.random.Generator) -> Array:
        """Return draws of θ, (size, d)."""
        theta, logged = self.theta, self.logged
        by_u = np.where(logged, theta, 1.0)
        if not self.definite:
            return np.tile(theta, (size, 1))
        hessian = self.hessian * np.outer(by_u, by_u)
        root = np.linalg.cholesky(np.linalg.inv(hessian))
        u = rng.standard_normal((size, len(theta))) @ root.T
        return np.where(logged, theta * np.exp(np.where(logged, u, 0.0)), theta + u)

    def _parts(self, thetas: Array) -> dict[str, Array]:
        """Return the variables of a posterior but the random effects, (size, …)."""
        model, coordinates = self.maximum.model, self.coordinates
        values = {"beta": thetas[:, : coordinates.coefficients]}
        for block, place, (i, j) in zip(model.design.blocks, coordinates.places, coordinates.entries, strict=True):
            root = np.zeros((len(thetas), block.size, block.size))
            root[:, i, j] = thetas[:, place]
            sd = np.sqrt(np.square(root).sum(axis=2))
            values[f"sd_{block.name}"] = sd
            if block.correlated:
                unit = root / np.where(sd > 0, sd, 1.0)[:, :, None]
                values[f"corr_{block.name}"] = (unit @ unit.swapaxes(1, 2))[:, *np.tril_indices(block.size, -1)]
        for k, parameter in enumerate(model.family.parameters):
            value = np.exp(thetas[:, coordinates.first_parameter + k])
            values[parameter.name] = _OF_DISPERSION[parameter.name](value) if self.maximum.method == "pql" else value
        return values

    def _effects(self, thetas: Array, values: dict[str, Array], rng: np.random.Generator) -> dict[str, Array]:
        """Return draws of the random effects by variable, (size, m, k)."""
        blocks = self.maximum.model.design.blocks
        if not blocks:
            return {}
        one_factor = all(np.array_equal(block.index, blocks[0].index) for block in blocks)
        if one_factor and sum(block.size for block in blocks) <= MOST_EFFECTS:
            return self._exact_effects(thetas, values, rng)
        return self._normal_effects(thetas, rng)

    def _exact_effects(self, thetas: Array, values: dict[str, Array], rng: np.random.Generator) -> dict[str, Array]:
        model, coordinates = self.maximum.model, self.coordinates
        design, outcome = model.design, model.design.outcome
        assert outcome is not None
        covariances = []
        for block, place, (i, j) in zip(design.blocks, coordinates.places, coordinates.entries, strict=True):
            root = np.zeros((len(thetas), block.size, block.size))
            root[:, i, j] = thetas[:, place]
            covariances.append(root @ root.swapaxes(1, 2))
        groups = Groups(
            model.family,
            outcome.y,
            design.units,
            outcome.weights_or_ones,
            np.concatenate([block.z for block in design.blocks], axis=1),
            design.blocks[0].index,
            linear_predictor(values["beta"], design.x, design.offset),
            block_diagonal(covariances),
            {parameter.name: values[parameter.name][:, None] for parameter in model.family.parameters},
        )
        b = draw_effects(rng, groups, over_effects(groups))
        ends = np.cumsum([0, *(block.size for block in design.blocks)])
        return {f"b_{block.name}": b[:, :, a:e] for block, a, e in zip(design.blocks, ends[:-1], ends[1:], strict=True)}

    def _normal_effects(self, thetas: Array, rng: np.random.Generator) -> dict[str, Array]:
        """Draw each effect from its normal approximation given θ, correlations between effects left out."""
        maximum, blocks = self.maximum, self.maximum.model.design.blocks
        objective, first = maximum.log_likelihood, self.coordinates.coefficients if maximum.restricted else 0
        drawn: dict[str, list[Array]] = {block.name: [] for block in blocks}
        for theta in thetas:
            if objective is None:  # PQL, which has no likelihood to find modes of
                modes, sds = list(maximum.b_modes.values()), list(maximum.b_sds.values())
            else:
                found = objective.effects(theta[first:])
                modes, sds = list(found.modes), list(found.sds)
            for block, mode, sd in zip(blocks, modes, sds, strict=True):
                drawn[block.name].append(mode + sd * rng.standard_normal(mode.shape))
        return {f"b_{name}": np.stack(values) for name, values in drawn.items()}


_OF_DISPERSION: dict[str, Callable[[Array], Array]] = {"sigma": np.sqrt, "shape": np.reciprocal}
"""Family parameters by name from the dispersion φ, which PQL estimates in their place."""

_TO: dict[str, Callable[[float], tuple[float, float]]] = {
    "identity": lambda x: (x, 1.0),
    "log": lambda x: (np.log(x), 1 / x),
    "atanh": lambda x: (np.arctanh(x), 1 / (1 - x * x)),
}
"""By scale of an interval: the value on it, and the derivative."""

_FROM: dict[str, Callable[[float], float]] = {"identity": lambda x: x, "log": np.exp, "atanh": np.tanh}
"""Back from that scale."""
