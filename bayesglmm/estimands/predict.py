"""Predictions from draws: for whom (the frame) and of what (the kind), draw by draw, without PyMC.

    posterior ──▶ Draws (s draws in a row) ──resolve: a frame a block──▶ Effects
    linear predictor η (s, n) and variance v (s, n) of what is averaged over ──▶ mean or outcome (s, n)

Each block of random effects is at b = 0, at the b of the row's group, at the b of a group not yet seen, or
averaged over; the last only adds its zᵀGz to v, so nested and crossed blocks are averaged together.

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Hedeker, du Toit, Demirtas & Gibbons (2018), Biometrics 74, 354-361.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.text import named
from bayesglmm.errors import DataError, OptionError, choose, listing
from bayesglmm.estimands.frames import Frame, eta_and_variance, frames_by_block, mean_response, resolve
from bayesglmm.estimands.new_groups import Conditioned, condition
from bayesglmm.posterior.draws import Draws, chunks
from bayesglmm.specify.design import Design, rows_text
from bayesglmm.specify.design.evaluate import numbers
from bayesglmm.specify.families import Family
from bayesglmm.specify.formula import column_names, render
from bayesglmm.specify.model import Model

__all__ = ["KINDS", "Kind", "predict"]

type Array = NDArray[np.float64]
type Kind = Literal["linear", "mean", "outcome"]

KINDS: tuple[Kind, ...] = ("linear", "mean", "outcome")
"""What is predicted: the linear predictor, the mean of the outcome, an outcome."""


def predict(
    model: Model,
    posterior: xr.Dataset,
    new_data: object = None,
    *,
    frame: Frame | Mapping[str, Frame] = "population",
    kind: Kind = "mean",
    given: object = None,
    seed: int | np.random.Generator | None = None,
) -> xr.DataArray:
    """Predict for the rows of a table, one value a draw.

    Parameters
    ----------
    model
        The model.
    posterior
        Its draws: `beta`, `b_<block>`, `sd_<block>`, `corr_<block>` and the family parameters, each
        with dims `chain` and `draw`.
    new_data
        A table with the predictors and offsets of the formula; None for the data of the model. The
        response is not needed, nor a grouping factor outside the frame `"group"`.
    frame
        Whose number it is, for all blocks or a mapping by grouping factor or block:

        - `"typical"`: b = 0, the centre of the random effects.
        - `"population"`: averaged over b ~ N(0, G), exactly, in each draw.
        - `"group"`: at the b of the row's observed group.
        - `"new_group"`: one b ~ N(0, G) a draw for each group label of the data, known or not, shared by
          the rows of that group. Where the grouping column is absent, all rows are one group.
    kind
        `"linear"`: η on the link scale, offset included; in the frame `"population"` its average over b, which
        is its value at b = 0. `"mean"`: E(Y), for the binomial family the probability of a success.
        `"outcome"`: a draw of Y, for the binomial family the number of successes; in the frame `"population"`
        each row is another member of the population, with a b of its own.
    given
        Outcomes of groups that were not fitted: a table with the response, predictors, offsets and grouping
        factors of their rows. Every prediction is then from the posterior given these outcomes too, and the
        frame `"group"` knows these groups: see `bayesglmm.estimands.new_groups.condition`.
    seed
        What the draws of `"new_group"`, `"outcome"` and `given` start from.

    Returns
    -------
    xr.DataArray
        Dims `chain`, `draw`, `row`; `row` holds positions in the data as given. The attributes say the
        frame, kind, scale, estimand, family and link.

    Raises
    ------
    OptionError
        For an unknown frame or kind, a block without a frame, a posterior of another model, or a mean that
        does not exist.
    DataError
        If the data lack a predictor, an offset or the trials, or have a group that the frame `"group"` does
        not know.

    References
    ----------
    Zeger, Liang & Albert (1988); Hedeker et al. (2018).
    """
    frames = frames_by_block(model.design, frame)
    of = choose("kind", kind, KINDS)
    rng = np.random.default_rng(seed)
    note = {}
    if given is not None:
        if new_data is None:
            raise OptionError("given= holds outcomes of new groups, whose predictions need their rows in new_data")
        conditioned = condition(model, posterior, given, rng)
        _check_serves(model.design, frames, conditioned)
        model, posterior, note = conditioned.model, conditioned.posterior, {"given": _note(conditioned)}
    design = model.design if new_data is None else _design(model, new_data, frames, of)
    draws = Draws(posterior, model.design)
    trials = _trials(design) if of == "outcome" and model.family.outcome_type == "trials" else np.ones(design.n)
    beta, effects = draws.beta, resolve(draws, design, frames, rng)
    parameters = draws.parameters(model.family) if of == "outcome" else {}
    values = np.empty((draws.size, design.n))
    for rows in chunks(draws.size, design.n):
        eta, v = eta_and_variance(beta, design, effects, rows)
        if of == "linear":
            values[:, rows] = eta
        elif of == "mean":
            values[:, rows] = mean_response(model.family.link, eta, v)
        else:
            values[:, rows] = _outcome(model.family, parameters, eta, v, trials[rows], rng)
    return _labelled(values, posterior, design, _attrs(model, frame, frames, of) | note)


def _check_serves(design: Design, frames: Mapping[str, Frame], conditioned: Conditioned) -> None:
    """Refuse outcomes of groups that no frame asks for."""
    idle = [
        block.factor for block in design.blocks if block.name in conditioned.levels and frames[block.name] != "group"
    ]
    if idle:
        raise OptionError(
            f"given= has outcomes of new levels of '{idle[0]}', which the frame of '{idle[0]}' does not use; "
            f"use frame={{'{idle[0]}': 'group'}} for these levels, or leave given= out"
        )


def _note(conditioned: Conditioned) -> str:
    """Say what the posterior was conditioned on, and what that left of its draws."""
    size = conditioned.posterior.sizes["chain"] * conditioned.posterior.sizes["draw"]
    levels = "; ".join(f"{name}: {listing(levels, 6)}" for name, levels in conditioned.levels.items())
    return (
        f"outcomes of new levels of {levels} (Pareto k {conditioned.pareto_k:.2f}, "
        f"{conditioned.effective:,.0f} effective draws of {size:,})"
    )


def _design(model: Model, new_data: object, frames: Mapping[str, Frame], kind: Kind) -> Design:
    """Read of new data what the prediction needs, so that the rest may be missing."""
    named = [block.factor for block in model.design.blocks if frames[block.name] in ("group", "new_group")]
    trials = kind == "outcome" and model.family.outcome_type == "trials"
    return model.design.on(new_data, outcome=trials, factors=named)


def _trials(design: Design) -> Array:
    """Return the number of trials of each row, shape (n,), which an outcome needs and a mean does not."""
    response, columns = design.formula.response, design.columns
    assert response.second is not None
    needed = (response.second,) if response.form == "p" else (response.outcome, response.second)
    absent = [name for name in column_names(*needed) if name not in columns]
    if absent:
        raise DataError(
            f"outcomes of '{response}' are numbers of successes among trials, and the data have no column "
            f"{listing(f"'{name}'" for name in absent)}; add it, or ask for kind='mean', the probability"
        )
    trials = np.sum([numbers(node, columns, columns.n) for node in needed], axis=0)
    bad = np.flatnonzero((trials < 0) | (trials != np.floor(trials)))
    if len(bad):
        raise DataError(f"trials are whole numbers, not {trials[bad[0]]:g}, in {rows_text(columns.rows[bad].tolist())}")
    return np.asarray(trials, dtype=np.float64)


def _outcome(
    family: Family,
    parameters: Mapping[str, Array],
    eta: Array,
    v: Array | None,
    trials: Array,
    rng: np.random.Generator,
) -> Array:
    """Draw outcomes, shape (s, n); each row has its own effects from N(0, G) where they are averaged over."""
    if v is not None:
        eta = eta + np.sqrt(v) * rng.standard_normal(eta.shape)
    mean = mean_response(family.link, eta, None)
    return np.asarray(family.draw(rng, mean, parameters, trials), dtype=np.float64)


def _labelled(values: Array, posterior: xr.Dataset, design: Design, attrs: dict[str, str]) -> xr.DataArray:
    sizes = {dim: posterior.sizes[dim] for dim in ("chain", "draw")}
    coords = {dim: posterior[dim].values for dim in sizes} | {"row": design.columns.rows}
    shaped = values.reshape(*sizes.values(), design.n)
    return xr.DataArray(shaped, coords, ("chain", "draw", "row"), attrs["kind"], attrs)


def _attrs(model: Model, asked: object, frames: Mapping[str, Frame], kind: Kind) -> dict[str, str]:
    """Return what an array of predictions says about itself; text alone, so that any file format holds it."""
    by_factor = _factors(model.design, frames)
    each = "; ".join(f"{listing(factors)}: {frame}" for frame, factors in by_factor.items())
    return {
        "frame": asked if isinstance(asked, str) else each,
        "kind": kind,
        "scale": "linear predictor" if kind == "linear" else "response",
        "estimand": _estimand(model, by_factor, kind),
        "family": model.family.name,
        "link": model.family.link.name,
    }


def _factors(design: Design, frames: Mapping[str, Frame]) -> dict[Frame, list[str]]:
    """List the grouping factors in each frame; blocks of a factor in several frames go by their own names."""
    found: dict[Frame, list[str]] = {}
    for block in design.blocks:
        same = {frames[other.name] for other in design.blocks if other.factor == block.factor}
        factors = found.setdefault(frames[block.name], [])
        name = block.factor if len(same) == 1 else block.name
        if name not in factors:
            factors.append(name)
    return found


def _estimand(model: Model, by_factor: Mapping[Frame, list[str]], kind: Kind) -> str:
    """Say in a sentence whose number it is and of what."""
    factors = {frame: listing(names) for frame, names in by_factor.items()}
    parts = [_quantity(model, kind)]
    if "population" in factors:
        over = {"linear": "averaged over {}, which is its value at b = 0", "mean": "averaged over {}"}
        each = "with random effects of {} drawn for each row"
        parts[0] += " of a member of the population"
        parts.append(over.get(kind, each).format(factors["population"]))
    if "group" in factors:
        parts.append(f"in the observed level of {factors['group']}")
    if "new_group" in factors:
        parts.append(f"in one level of {factors['new_group']} not yet seen, its effects drawn from N(0, G)")
    if "typical" in factors:
        parts.append(f"with the random effects of {factors['typical']} at 0 (conditional)")
    if not factors:
        parts.append("without random effects in the model")
    if model.formula.offsets:
        parts.append(f"at the row's offset ({listing(render(offset) for offset in model.formula.offsets)})")
    return ", ".join(parts)


def _quantity(model: Model, kind: Kind) -> str:
    response = model.formula.response
    outcome = named(render(response.outcome))
    if kind == "linear":
        return f"linear predictor ({model.family.link.name} scale) for {response}"
    if kind == "outcome":
        return f"outcome {outcome}"
    if model.family.outcome_type == "trials":
        return f"probability of a success in {response}"
    if model.family.outcome_type == "binary":
        return f"probability of {outcome} = {model.event or 1}"
    return f"expected {outcome}"
