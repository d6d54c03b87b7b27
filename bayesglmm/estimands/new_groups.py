"""The posterior given the outcomes of groups that were not fitted, without fitting again.

    p(θ, b_new | y, y_new) ∝ p(θ | y) · p(y_new | θ) · p(b_new | y_new, θ)

Draws of θ are resampled by p(y_new | θ), the likelihood of the new groups with their effects integrated out;
then the effects of each new group are drawn given its outcomes, draw by draw. Both factors are exact; what is
left is the Monte Carlo error of the draws, which Pareto's k̂ judges.

References
----------
Vehtari, Simpson, Gelman, Yao & Gabry (2024), Journal of Machine Learning Research 25(72): Pareto-smoothed
importance sampling and what k̂ says of it.
Rizopoulos (2011), Biometrics 67, 819-829: predictions for a subject updated by its own outcomes.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import BayesGLMMWarning, DataError, OptionError, listing
from bayesglmm.marginalize.groups import Groups, draw_effects, over_effects
from bayesglmm.posterior.draws import Draws, block_diagonal, linear_predictor, random_part
from bayesglmm.specify.design import Design, rows_text
from bayesglmm.specify.formula import column_names
from bayesglmm.specify.model import Model

__all__ = ["Conditioned", "condition"]

type Array = NDArray[np.float64]
type Index = NDArray[np.int64]

_SMALLEST_TAIL = 5
"""The fewest largest weights that a tail can be fitted to."""


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A model and a posterior that know the new groups.

    Parameters
    ----------
    model
        The model, the new levels appended to those that were fitted.
    posterior
        As many draws as before, of the posterior given the new outcomes too; `b_<block>` has the new levels.
    levels
        The new levels by block.
    pareto_k
        k̂ of the weights of the draws.
    effective
        How many draws the weights are worth.
    """

    model: Model
    posterior: xr.Dataset
    levels: Mapping[str, tuple[Any, ...]]
    pareto_k: float
    effective: float


@dataclass(frozen=True, eq=False)
class _Set:
    """New groups whose levels are new in the same blocks.

    Parameters
    ----------
    blocks
        The positions of these blocks.
    rows
        (r,) the rows of the groups.
    index
        (r,) the group of each row.
    levels
        (m, blocks) the levels of each group.
    """

    blocks: tuple[int, ...]
    rows: Index
    index: Index
    levels: Index


def condition(model: Model, posterior: xr.Dataset, observed: object, rng: np.random.Generator) -> Conditioned:
    """Condition the draws of a posterior on the outcomes of new groups.

    Parameters
    ----------
    model
        The model.
    posterior
        Its draws.
    observed
        A table with the response, predictors, offsets and grouping factors of the new groups. Each row is of
        a level that was not fitted; crossed with it or around it may be levels that were.
    rng
        The generator that resamples and draws effects.

    Raises
    ------
    OptionError
        For a model without groups.
    DataError
        For rows of groups that were fitted, whose outcomes the posterior has; for outcomes that cannot be; and
        for new levels of several factors that do not coincide, whose effects do not integrate group by group.
    """
    extended, design = _extended(model, observed)
    old = Draws(posterior, model.design)
    sets = _sets(model.design, design)
    groups = [_groups(model, old, design, one) for one in sets]
    found = [over_effects(each) for each in groups]
    chosen, pareto_k, effective = _resample(np.sum([each.log.sum(axis=1) for each in found], axis=0), rng)
    counts = [len(new.levels) - len(was.levels) for new, was in zip(extended.blocks, model.design.blocks, strict=True)]
    fresh = [np.empty((old.size, count, block.size)) for count, block in zip(counts, model.design.blocks, strict=True)]
    for one, each, integrals in zip(sets, groups, found, strict=True):
        b, at = draw_effects(rng, each.take(chosen), integrals.take(chosen)), 0
        for column, position in enumerate(one.blocks):
            block = model.design.blocks[position]
            fresh[position][:, one.levels[:, column] - len(block.levels)] = b[:, :, at : at + block.size]
            at += block.size
    levels = {
        block.name: block.levels[len(block.levels) - count :]
        for block, count in zip(extended.blocks, counts, strict=True)
        if count
    }
    conditioned = _posterior(posterior, old, chosen, extended, fresh)
    return Conditioned(replace(model, design=extended), conditioned, levels, pareto_k, effective)


def _extended(model: Model, observed: object) -> tuple[Design, Design]:
    """Return the fitted design with the new levels appended, and the observed rows under it."""
    if not model.design.blocks:
        raise OptionError("given= holds outcomes of new groups, and the model has no groups; leave it out")
    design = model.design.on(observed)
    design = design if model.family.outcome_type == "continuous" else design.counted()
    factors = [factor for block in model.design.blocks for factor in block.grouping.group.factors]
    needed = column_names(*model.formula.response.trees, *factors)
    absent = [name for name in needed if name not in design.columns]
    if absent:
        raise DataError(
            f"given= needs the outcomes of groups and whose they are, and has no column "
            f"{listing(f"'{name}'" for name in absent)}; add it, or use the frames 'population' and 'new_group', "
            "which need no outcomes"
        )
    outcome = design.outcome
    assert outcome is not None
    model.family.check(outcome.name, outcome.y, outcome.trials, outcome.levels, design.columns.rows)
    groupings = [block.grouping.extended(design.columns) for block in model.design.blocks]
    fitted = tuple(
        replace(block, grouping=grouping, levels=grouping.levels)
        for block, grouping in zip(model.design.blocks, groupings, strict=True)
    )
    there = tuple(
        replace(block, grouping=grouping, levels=grouping.levels, index=grouping.index(design.columns))
        for block, grouping in zip(design.blocks, groupings, strict=True)
    )
    return replace(model.design, blocks=fitted), replace(design, blocks=there)


def _sets(fitted: Design, design: Design) -> list[_Set]:
    """Part the rows into groups that integrate one by one, collected by the blocks that are new to them."""
    new = np.column_stack(
        [
            np.where(block.index >= len(was.levels), block.index, -1)
            for block, was in zip(design.blocks, fitted.blocks, strict=True)
        ]
    )
    _check_new(design, new)
    keys, group = np.unique(new, axis=0, return_inverse=True)
    group = group.reshape(-1)
    _check_apart(design, keys)
    patterns, which = np.unique(keys >= 0, axis=0, return_inverse=True)
    sets = []
    for number, pattern in enumerate(patterns):
        members = np.flatnonzero(which.reshape(-1) == number)
        rows = np.flatnonzero(np.isin(group, members))
        blocks = tuple(np.flatnonzero(pattern).tolist())
        sets.append(_Set(blocks, rows, np.searchsorted(members, group[rows]), keys[members][:, list(blocks)]))
    return sets


def _check_new(design: Design, new: Index) -> None:
    known = np.flatnonzero((new < 0).all(axis=1))
    if not len(known):
        return
    names = listing(
        f"{block.factor} {listing(dict.fromkeys(block.levels[i] for i in block.index[known]), 6)}"
        for block in design.blocks
    )
    raise DataError(
        f"given= has outcomes of groups that were fitted ({names}, {rows_text(design.columns.rows[known].tolist())}), "
        "and the posterior may have them already; leave these rows out, or, if they are new outcomes, fit again with "
        "them added: fit.update(data=...)"
    )


def _check_apart(design: Design, keys: Index) -> None:
    """Refuse new levels that meet several new levels of another factor: their effects are tied together."""
    for position, block in enumerate(design.blocks):
        levels, counts = np.unique(keys[keys[:, position] >= 0, position], return_counts=True)
        if (counts > 1).any():
            tied = listing((block.levels[level] for level in levels[counts > 1]), 6)
            raise DataError(
                f"given= has new levels of '{block.factor}' ({tied}) with several levels new in another factor, or new "
                "in some rows only, so that their effects do not integrate group by group; give the rows of "
                "levels new in one factor alone, or fit again with these rows added: fit.update(data=...)"
            )


def _groups(model: Model, draws: Draws, design: Design, one: _Set) -> Groups:
    """Return the outcomes of a set of groups, the effects of known levels at their draws."""
    outcome, fitted = design.outcome, model.design.blocks
    assert outcome is not None
    eta = linear_predictor(draws.beta, design.x[one.rows], design.offset[one.rows])
    for position, block in enumerate(design.blocks):
        if position not in one.blocks:
            eta += random_part(draws.b(fitted[position]), block.z[one.rows], block.index[one.rows])
    return Groups(
        model.family,
        outcome.y[one.rows],
        np.ones(len(one.rows)) if outcome.trials is None else outcome.trials[one.rows],
        np.concatenate([design.blocks[position].z[one.rows] for position in one.blocks], axis=1),
        one.index,
        eta,
        block_diagonal([draws.covariance(fitted[position]) for position in one.blocks]),
        draws.parameters(model.family),
    )


def _resample(log_weights: Array, rng: np.random.Generator) -> tuple[Index, float, float]:
    """Return which draws stand for the posterior given more, k̂ of their weights, and how many they are worth."""
    finite = np.flatnonzero(np.isfinite(log_weights))
    if not len(finite):
        raise DataError(
            "the outcomes in given= are impossible under every draw of the posterior; look for slips in them, or fit "
            "again with these rows added: fit.update(data=...)"
        )
    smooth, pareto_k = _smoothed(log_weights[finite])
    weights = np.zeros(len(log_weights))
    weights[finite] = np.exp(smooth - smooth.max())
    weights /= weights.sum()
    effective = float(1 / np.square(weights).sum())
    s = len(weights)
    if pareto_k > min(1 - 1 / np.log10(max(s, 11)), 0.7):
        warnings.warn(
            "the outcomes in given= move the posterior so far that few of its draws represent it (Pareto k "
            f"{pareto_k:.2f}, {effective:,.0f} effective draws of {s:,}): do not report these predictions; fit again "
            "with these rows added: fit.update(data=...)",
            BayesGLMMWarning,
            stacklevel=4,
        )
    places = (np.arange(s) + rng.random()) / s
    return np.minimum(np.searchsorted(np.cumsum(weights), places), s - 1), pareto_k, effective


def _smoothed(log_weights: Array) -> tuple[Array, float]:
    """Return log weights with their largest smoothed, and k̂: 0 where the largest are equal, ∞ for too few to tell."""
    tail = int(np.ceil(min(len(log_weights) / 5, 3 * np.sqrt(len(log_weights)))))
    if np.ptp(np.sort(log_weights)[-tail:]) < 1e-9:
        return log_weights, 0.0
    if tail < _SMALLEST_TAIL:
        return log_weights, np.inf
    from arviz_stats.base import array_stats

    smooth, pareto_k = array_stats.psislw(-log_weights)  # it takes the log likelihood left out, weights 1/exp of it
    return np.asarray(smooth), float(pareto_k)


def _posterior(posterior: xr.Dataset, old: Draws, chosen: Index, extended: Design, fresh: list[Array]) -> xr.Dataset:
    """Return the chosen draws in the place of all, the effects of new levels appended."""
    sizes = (posterior.sizes["chain"], posterior.sizes["draw"])
    drawn = {name: values for name, values in posterior.data_vars.items() if {"chain", "draw"} <= set(values.dims)}
    variables: dict[Any, Any] = {}
    for name, values in drawn.items():
        ordered = values.transpose("chain", "draw", ...)
        flat = ordered.values.reshape(ordered.shape[0] * ordered.shape[1], *ordered.shape[2:])[chosen]
        variables[name] = (ordered.dims, flat.reshape(ordered.shape))
    coords = {name: values.values for name, values in posterior.coords.items() if name in values.dims}
    for block, was, b in zip(extended.blocks, old.design.blocks, fresh, strict=True):
        if b.shape[1]:
            all_levels = np.concatenate([old.b(was)[chosen], b], axis=1)
            dims = ("chain", "draw", block.name, f"{block.name}_coef")
            variables[f"b_{block.name}"] = (dims, all_levels.reshape(*sizes, *all_levels.shape[1:]))
            coords[block.name] = list(block.levels)
    return xr.Dataset(variables, coords)
