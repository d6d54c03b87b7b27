"""Draws for the rows of a table, in a frame: `linpred` (η), `epred` (the mean E(Y)), `outcomes` (new Y).

The names are those of brms and rstanarm without the prefix `posterior_`. Each returns one value a posterior draw and
row, computed without PyMC from η and the variance v of what is integrated over (`bayesglmm.estimands.frames`).

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Hedeker, du Toit, Demirtas & Gibbons (2018), Biometrics 74, 354-361.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.text import named
from bayesglmm.errors import DataError, OptionError, listing
from bayesglmm.estimands.frames import (
    Frame,
    NamedFrame,
    RandomPart,
    eta_and_variance,
    mean_response,
    read_frame,
    resolve,
)
from bayesglmm.estimands.new_groups import Conditioned, condition
from bayesglmm.estimands.weights import trials_columns, trials_of
from bayesglmm.estimands.wording import Scale, Unit, frames_clause, offset_clause, quantity
from bayesglmm.posterior.draws import Draws, chunks
from bayesglmm.posterior.inference import said
from bayesglmm.specify.design import Design, rows_text
from bayesglmm.specify.formula import render
from bayesglmm.specify.model import Model

__all__ = ["epred", "linpred", "outcomes"]

type Array = NDArray[np.float64]


def linpred(
    model: Model,
    posterior: xr.Dataset,
    new_data: object = None,
    *,
    frame: Frame | Mapping[str, Frame] = "population",
    new_outcomes: object = None,
    seed: int | np.random.Generator | None = None,
) -> xr.DataArray:
    """Return draws of the linear predictor η of each row, on the link scale, offset included.

    In the frame `"population"` it is the average of η over b, which is its value at b = 0. Parameters, what is
    returned and errors are those of `epred`.
    """
    rows = _read(model, posterior, new_data, frame, new_outcomes, np.random.default_rng(seed))
    return rows.labelled("linpred", rows.each(lambda eta, v, part: eta), "link")


def epred(
    model: Model,
    posterior: xr.Dataset,
    new_data: object = None,
    *,
    frame: Frame | Mapping[str, Frame] = "population",
    new_outcomes: object = None,
    seed: int | np.random.Generator | None = None,
) -> xr.DataArray:
    """Return draws of the mean E(Y) of each row; for the binomial family the probability of a success.

    Parameters
    ----------
    model
        The model.
    posterior
        Its draws: `beta`, `b_<block>`, `sd_<block>`, `corr_<block>` and the family parameters, each
        with dims `chain` and `draw`.
    new_data
        A table with the predictors and offsets of the formula; None for the data of the model. The
        response is not needed, nor a grouping factor outside the frames `"group"` and `"new_group"`.
    frame
        One of `"typical"`, `"population"`, `"group"`, `"new_group"`, or a mapping of grouping factors to them: see
        `bayesglmm.estimands.frames`. In the frame `"new_group"` each group label of the data, fitted or not, is a new
        group that its rows share; where the grouping column is absent, all rows are one group.
    new_outcomes
        Outcomes of groups that were not fitted: a table with the response, predictors, offsets and grouping
        factors of their rows. Draws are then from the posterior given these outcomes too, and the frame `"group"`
        has these groups: see `bayesglmm.estimands.new_groups.condition`.
    seed
        The seed of new groups, of `outcomes`, and of the resampling that `new_outcomes` needs.

    Returns
    -------
    xr.DataArray
        Dims `chain`, `draw`, `row`, on the response scale; `row` holds positions in the data as passed. The
        attributes are `frame`, `scale`, `estimand`, `family`, `link`, and `new_outcomes` where there are some.

    Raises
    ------
    OptionError
        For an unknown frame, a block without a frame, a posterior of another model, or a mean that
        does not exist.
    DataError
        If the data lack a predictor or an offset, or have a group that was not fitted in the frame `"group"`.

    References
    ----------
    Zeger, Liang & Albert (1988); Hedeker et al. (2018).
    """
    rows = _read(model, posterior, new_data, frame, new_outcomes, np.random.default_rng(seed))
    link = model.family.link
    return rows.labelled("epred", rows.each(lambda eta, v, part: mean_response(link, eta, v)))


def outcomes(
    model: Model,
    posterior: xr.Dataset,
    new_data: object = None,
    *,
    frame: Frame | Mapping[str, Frame] = "population",
    new_outcomes: object = None,
    seed: int | np.random.Generator | None = None,
) -> xr.DataArray:
    """Return draws of a new outcome Y of each row; for the binomial family the number of successes.

    In the frame `"population"` each row is another member of the population, with a b of its own. Parameters, what is
    returned and errors are those of `epred`; the binomial family needs the trials of new data too.
    """
    rng = np.random.default_rng(seed)
    is_binomial = model.family.outcome_type == "trials"
    rows = _read(model, posterior, new_data, frame, new_outcomes, rng, with_trials=is_binomial)
    family, parameters = model.family, rows.draws.parameters(model.family)
    trials = _trials(rows.design) if is_binomial else rows.design.units

    def draw(eta: Array, v: Array | None, part: slice) -> Array:
        if v is not None:
            eta = eta + np.sqrt(v) * rng.standard_normal(eta.shape)
        mean = mean_response(family.link, eta, None)
        return np.asarray(family.draw(rng, mean, parameters, trials[part]), dtype=np.float64)

    response = named(render(model.formula.response.outcome))
    return rows.labelled("outcomes", rows.each(draw), what=f"outcome {response}", unit="outcome")


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a design in a frame: `conditioned` has the posterior given new outcomes, where there are some."""

    model: Model
    posterior: xr.Dataset
    design: Design
    frame: NamedFrame
    draws: Draws
    beta: Array
    random: RandomPart
    conditioned: Conditioned | None

    def each(self, value: Callable[[Array, Array | None, slice], Array]) -> Array:
        """Return a function of η and v (s, r) and the slice of the r rows, computed by chunks of rows; shape (s, n)."""
        values = np.empty((self.draws.size, self.design.n))
        for part in chunks(self.draws.size, self.design.n):
            values[:, part] = value(*eta_and_variance(self.beta, self.design, self.random, part), part)
        return values

    def labelled(
        self, name: str, values: Array, scale: Scale = "response", *, what: str | None = None, unit: Unit = "row"
    ) -> xr.DataArray:
        """Return values (s, n) with dims, coordinates and what they are; text alone, so that any format holds it."""
        model = self.model
        clause = frames_clause(model, [self.frame], unit, scale)
        attrs = {
            "frame": self.frame.name,
            "scale": scale,
            "estimand": said(f"{what or quantity(model, scale)}{offset_clause(model)}; {clause}", self.posterior),
            "family": model.family.name,
            "link": model.family.link.name,
        }
        if self.conditioned is not None:
            attrs["new_outcomes"] = self.conditioned.summary
        sizes = {dim: self.posterior.sizes[dim] for dim in ("chain", "draw")}
        coords = {dim: self.posterior[dim].values for dim in sizes} | {"row": self.design.columns.rows}
        return xr.DataArray(values.reshape(*sizes.values(), -1), coords, ("chain", "draw", "row"), name, attrs)


def _read(
    model: Model,
    posterior: xr.Dataset,
    new_data: object,
    frame: str | Mapping[str, str],
    new_outcomes: object,
    rng: np.random.Generator,
    *,
    with_trials: bool = False,
) -> _Rows:
    """Read the rows, of new data only what is needed, and put them into a frame."""
    named_frame = read_frame(model.design, frame)
    frames, conditioned = named_frame.by_block, None
    if new_outcomes is not None:
        if new_data is None:
            raise OptionError("new_outcomes= is of new groups; pass the rows to predict for these groups as new_data")
        conditioned = condition(model, posterior, new_outcomes, rng)
        _check_used(model.design, frames, conditioned)
        model, posterior = conditioned.model, conditioned.posterior
    design = model.design
    if new_data is not None:
        factors = [block.factor for block in design.blocks if frames[block.name] in ("group", "new_group")]
        design = design.on(new_data, outcome=with_trials, factors=factors)
    draws = Draws(posterior, model.design)
    beta = draws.beta
    random = resolve(draws, design, frames, rng)
    return _Rows(model, posterior, design, named_frame, draws, beta, random, conditioned)


def _check_used(design: Design, frames: Mapping[str, Frame], conditioned: Conditioned) -> None:
    """Refuse outcomes of new groups that no block in the frame `"group"` uses."""
    unused = [
        block.factor for block in design.blocks if block.name in conditioned.levels and frames[block.name] != "group"
    ]
    if unused:
        raise OptionError(
            f"new_outcomes= has new levels of '{unused[0]}', which the frame of '{unused[0]}' does not use; "
            f"use frame={{'{unused[0]}': 'group'}} for these levels, or leave new_outcomes= out"
        )


def _trials(design: Design) -> Array:
    """Return the number of trials of each row, shape (n,)."""
    response, columns = design.formula.response, design.columns
    absent = [name for name in trials_columns(response) if name not in columns]
    if absent:
        raise DataError(
            f"outcomes of '{response}' are numbers of successes among trials, and the data have no column "
            f"{listing(f"'{name}'" for name in absent)}; add it, or use epred, the probability of a success"
        )
    trials = trials_of(response, columns)
    bad = np.flatnonzero((trials < 0) | (trials != np.floor(trials)))
    if len(bad):
        raise DataError(f"trials are whole numbers, not {trials[bad[0]]:g}, in {rows_text(columns.rows[bad].tolist())}")
    return trials
