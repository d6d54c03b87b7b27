"""The posterior given the outcomes of groups that were not fitted, without fitting again.

    p(θ, b_new | y, y_new) ∝ p(θ | y) · p(y_new | θ) · p(b_new | y_new, θ)

Draws of θ are resampled with weights p(y_new | θ), the likelihood of the new groups with b_new integrated out; then
b_new of each group is drawn given its outcomes, draw by draw. Both factors are exact; the Monte Carlo error of the
resampling is judged by Pareto's k̂.

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
"""The fewest largest weights to which a generalized Pareto distribution is fitted."""


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A model and a posterior that include new groups.

    Parameters
    ----------
    model
        The model, the new levels appended to those that were fitted.
    posterior
        As many draws as before, of the posterior given the new outcomes too; `b_<block>` has the new levels.
    levels
        The new levels by block.
    pareto_k
        k̂ of the importance weights.
    effective
        The effective number of draws, 1 / Σ w².
    """

    model: Model
    posterior: xr.Dataset
    levels: Mapping[str, tuple[Any, ...]]
    pareto_k: float
    effective: float

    @property
    def summary(self) -> str:
        """Which levels are new, and the diagnostics of the resampling."""
        draws = self.posterior.sizes["chain"] * self.posterior.sizes["draw"]
        levels = "; ".join(f"{block}: {listing(labels, 6)}" for block, labels in self.levels.items())
        return (
            f"new levels of {levels} (Pareto k {self.pareto_k:.2f}, {self.effective:,.0f} effective draws of {draws:,})"
        )


@dataclass(frozen=True, eq=False)
class _Pattern:
    """The m new groups whose levels are new in the same blocks; their random effects are integrated together.

    Parameters
    ----------
    blocks
        The positions of these blocks.
    rows
        (r,) the rows of the groups.
    index
        (r,) the group of each row.
    levels
        (m, blocks) the level of each group in each of these blocks.
    """

    blocks: tuple[int, ...]
    rows: Index
    index: Index
    levels: Index


def condition(model: Model, posterior: xr.Dataset, new_outcomes: object, rng: np.random.Generator) -> Conditioned:
    """Condition the draws of a posterior on the outcomes of new groups.

    Parameters
    ----------
    model
        The model.
    posterior
        Its draws.
    new_outcomes
        A table with the response, predictors, offsets and grouping factors of the new groups. Each row has a
        level that was not fitted; its levels of other factors, crossed or nested, may be fitted ones.
    rng
        The generator that resamples draws and draws random effects.

    Raises
    ------
    OptionError
        For a model without random effects.
    DataError
        For rows of groups that were fitted, whose outcomes are in the posterior already; for impossible outcomes; and
        for new levels that are crossed, whose random effects are dependent given the outcomes.
    """
    extended, design = _extended(model, new_outcomes)
    blocks = model.design.blocks
    draws = Draws(posterior, model.design)
    patterns = _patterns(model.design, design)
    groups = [_groups(model, draws, design, pattern) for pattern in patterns]
    integrals = [over_effects(each) for each in groups]
    log_weights = np.sum([each.log.sum(axis=1) for each in integrals], axis=0)
    chosen, pareto_k, effective = _resample(log_weights, rng)
    counts = [len(new.levels) - len(block.levels) for new, block in zip(extended.blocks, blocks, strict=True)]
    new_b = [np.empty((draws.size, count, block.size)) for count, block in zip(counts, blocks, strict=True)]
    for pattern, each, integral in zip(patterns, groups, integrals, strict=True):
        b = draw_effects(rng, each.take(chosen), integral.take(chosen))
        first = 0  # the columns of b are those of the blocks, one block after another
        for column, position in enumerate(pattern.blocks):
            block = blocks[position]
            new_b[position][:, pattern.levels[:, column] - len(block.levels)] = b[:, :, first : first + block.size]
            first += block.size
    levels = {
        block.name: block.levels[len(block.levels) - count :]
        for block, count in zip(extended.blocks, counts, strict=True)
        if count
    }
    conditioned = _posterior(posterior, draws, chosen, extended, new_b)
    return Conditioned(replace(model, design=extended), conditioned, levels, pareto_k, effective)


def _extended(model: Model, new_outcomes: object) -> tuple[Design, Design]:
    """Return the fitted design with the new levels appended, and the design of the new outcomes with these levels."""
    if not model.design.blocks:
        raise OptionError("new_outcomes= is of new groups, and the model has no random effects; leave it out")
    design = model.design.on(new_outcomes)
    design = design if model.family.outcome_type == "continuous" else design.counted()
    factors = [factor for block in model.design.blocks for factor in block.grouping.group.factors]
    needed = column_names(*model.formula.response.trees, *factors)
    absent = [name for name in needed if name not in design.columns]
    if absent:
        raise DataError(
            f"new_outcomes= has no column {listing(f"'{name}'" for name in absent)}, and needs the response and the "
            "grouping factors; add it, or use the frames 'population' and 'new_group', which need no outcomes"
        )
    outcome = design.outcome
    assert outcome is not None
    model.family.check(outcome.name, outcome.y, outcome.trials, outcome.levels, design.columns.rows)
    groupings = [block.grouping.extended(design.columns) for block in model.design.blocks]
    fitted_blocks = tuple(
        replace(block, grouping=grouping, levels=grouping.levels)
        for block, grouping in zip(model.design.blocks, groupings, strict=True)
    )
    new_blocks = tuple(
        replace(block, grouping=grouping, levels=grouping.levels, index=grouping.index(design.columns))
        for block, grouping in zip(design.blocks, groupings, strict=True)
    )
    return replace(model.design, blocks=fitted_blocks), replace(design, blocks=new_blocks)


def _patterns(fitted: Design, design: Design) -> list[_Pattern]:
    """Collect the rows into groups that are independent given θ, by the blocks in which they are new."""
    new_levels = np.column_stack(
        [
            np.where(block.index >= len(fitted_block.levels), block.index, -1)
            for block, fitted_block in zip(design.blocks, fitted.blocks, strict=True)
        ]
    )
    _check_new(design, new_levels)
    keys, group = np.unique(new_levels, axis=0, return_inverse=True)
    group = group.reshape(-1)
    _check_not_crossed(design, keys)
    is_new, which = np.unique(keys >= 0, axis=0, return_inverse=True)
    patterns = []
    for number, row in enumerate(is_new):
        members = np.flatnonzero(which.reshape(-1) == number)
        rows = np.flatnonzero(np.isin(group, members))
        blocks = tuple(np.flatnonzero(row).tolist())
        patterns.append(_Pattern(blocks, rows, np.searchsorted(members, group[rows]), keys[members][:, list(blocks)]))
    return patterns


def _check_new(design: Design, new_levels: Index) -> None:
    """Refuse rows that have no new level."""
    fitted_rows = np.flatnonzero((new_levels < 0).all(axis=1))
    if not len(fitted_rows):
        return
    names = listing(
        f"{block.factor} {listing(dict.fromkeys(block.levels[i] for i in block.index[fitted_rows]), 6)}"
        for block in design.blocks
    )
    raise DataError(
        f"new_outcomes= has groups that were fitted ({names}, {rows_text(design.columns.rows[fitted_rows].tolist())}), "
        "whose outcomes the posterior may have already; leave these rows out, or, if they are further outcomes, fit "
        "again with them added: fit.update(data=...)"
    )


def _check_not_crossed(design: Design, keys: Index) -> None:
    """Refuse new levels crossed with levels of another factor that are new too: their random effects are dependent."""
    for position, block in enumerate(design.blocks):
        levels, counts = np.unique(keys[keys[:, position] >= 0, position], return_counts=True)
        if (counts > 1).any():
            crossed = listing((block.levels[level] for level in levels[counts > 1]), 6)
            raise DataError(
                f"new_outcomes= has new levels of '{block.factor}' ({crossed}), each crossed with several levels of "
                "another factor of which some are new too. Their random effects are dependent and cannot be integrated "
                "separately. Pass outcomes that are new in one factor only, or fit again with these rows added: "
                "fit.update(data=...)"
            )


def _groups(model: Model, draws: Draws, design: Design, pattern: _Pattern) -> Groups:
    """Return the outcomes of the groups of a pattern; the random effects of fitted levels are part of their η."""
    outcome, fitted, rows = design.outcome, model.design.blocks, pattern.rows
    assert outcome is not None
    eta = linear_predictor(draws.beta, design.x[rows], design.offset[rows])
    for position, block in enumerate(design.blocks):
        if position not in pattern.blocks:
            eta += random_part(draws.b(fitted[position]), block.z[rows], block.index[rows])
    return Groups(
        model.family,
        outcome.y[rows],
        design.units[rows],
        outcome.weights_or_ones[rows],
        np.concatenate([design.blocks[position].z[rows] for position in pattern.blocks], axis=1),
        pattern.index,
        eta,
        block_diagonal([draws.covariance(fitted[position]) for position in pattern.blocks]),
        draws.parameters(model.family),
    )


def _resample(log_weights: Array, rng: np.random.Generator) -> tuple[Index, float, float]:
    """Resample draws systematically by their weights: positions (s,), k̂ of the weights, effective number of draws."""
    finite = np.flatnonzero(np.isfinite(log_weights))
    if not len(finite):
        raise DataError(
            "the outcomes in new_outcomes= are impossible under every draw of the posterior; check them for errors, or "
            "fit again with these rows added: fit.update(data=...)"
        )
    smooth, pareto_k = _smoothed(log_weights[finite])
    weights = np.zeros(len(log_weights))
    weights[finite] = np.exp(smooth - smooth.max())
    weights /= weights.sum()
    effective = float(1 / np.square(weights).sum())
    s = len(weights)
    if pareto_k > min(1 - 1 / np.log10(max(s, 11)), 0.7):
        warnings.warn(
            "the outcomes in new_outcomes= move the posterior so far that few of its draws represent it (Pareto k "
            f"{pareto_k:.2f}, {effective:,.0f} effective draws of {s:,}): do not report these predictions; fit again "
            "with these rows added: fit.update(data=...)",
            BayesGLMMWarning,
            stacklevel=6,
        )
    quantiles = (np.arange(s) + rng.random()) / s
    return np.minimum(np.searchsorted(np.cumsum(weights), quantiles), s - 1), pareto_k, effective


def _smoothed(log_weights: Array) -> tuple[Array, float]:
    """Return Pareto-smoothed log weights and k̂: 0 where the largest are equal, ∞ where they are too few to fit."""
    tail = int(np.ceil(min(len(log_weights) / 5, 3 * np.sqrt(len(log_weights)))))
    if np.ptp(np.sort(log_weights)[-tail:]) < 1e-9:
        return log_weights, 0.0
    if tail < _SMALLEST_TAIL:
        return log_weights, np.inf
    from arviz_stats.base import array_stats

    smooth, pareto_k = array_stats.psislw(-log_weights)  # its argument is a log likelihood, the weights are 1/exp of it
    return np.asarray(smooth), float(pareto_k)


def _posterior(posterior: xr.Dataset, draws: Draws, chosen: Index, extended: Design, new_b: list[Array]) -> xr.Dataset:
    """Return the chosen draws, the random effects of new levels appended."""
    sizes = (posterior.sizes["chain"], posterior.sizes["draw"])
    by_draw = {name: values for name, values in posterior.data_vars.items() if {"chain", "draw"} <= set(values.dims)}
    variables: dict[Any, Any] = {}
    for name, values in by_draw.items():
        ordered = values.transpose("chain", "draw", ...)
        flat = ordered.values.reshape(ordered.shape[0] * ordered.shape[1], *ordered.shape[2:])[chosen]
        variables[name] = (ordered.dims, flat.reshape(ordered.shape))
    coords = {name: values.values for name, values in posterior.coords.items() if name in values.dims}
    for block, fitted_block, b in zip(extended.blocks, draws.design.blocks, new_b, strict=True):
        if b.shape[1]:
            all_levels = np.concatenate([draws.b(fitted_block)[chosen], b], axis=1)
            dims = ("chain", "draw", block.name, f"{block.name}_coef")
            variables[f"b_{block.name}"] = (dims, all_levels.reshape(*sizes, *all_levels.shape[1:]))
            coords[block.name] = list(block.levels)
    return xr.Dataset(variables, coords)
