"""`mend(model, sampler, draws)`: draws that fail their checks are sampled again, once, with other settings.

Most fits take a fraction of a second, so the usual remedies are tried: a smaller step where draws diverged, more draws
where chains disagree or effective sample sizes are small, other coordinates. The attribute `mended` of the draws says
what was done and why. Fits that take long, and those of a PyMC graph, which is slow to compile, are left as they are.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import SamplingError
from bayesglmm.sample.diagnostics import Check, Kind, check
from bayesglmm.sample.sampling import sample
from bayesglmm.sample.settings import Sampler
from bayesglmm.specify.model import Model

__all__ = ["mend", "suspect"]

type Array = NDArray[np.float64]

_MOST_WORK = 2e9
"""The most leapfrog steps times (rows + coordinates) for which sampling again takes seconds."""

_MOST_VALUES = 5e7
"""The most values of draws for which more draws are taken."""

_ENOUGH = 1600
"""The least number of draws of which an effective sample size of 400 can be expected; R-hat and ESS count from it."""

_R_HAT, _MOST_ENTRIES = 1.009, 40
"""The screen: a split R-hat above the first, of at most so many entries of a variable. ArviZ's own diagnostics take
longer to load and run than many a fit."""

_USUAL_DEPTH = 10
"""A `max_treedepth` below this was chosen by the user, and is not raised."""

_MORE = 3
"""The factor by which the number of draws is increased."""

_REQUESTED = ("asked_draws", "asked_chains", "tune", "target_accept", "max_treedepth")
"""Attributes that record the user's settings, also where the second sampling had others."""

_STEP: tuple[Kind, ...] = ("divergences", "few_divergences", "energy")
_MIXING: tuple[Kind, ...] = ("r_hat", "ess_bulk", "ess_tail")


@dataclass(frozen=True)
class _Plan:
    """The settings of a second sampling, and a description of what changes."""

    sampler: Sampler
    joint: bool | None
    changes: tuple[str, ...]


def mend(model: Model, sampler: Sampler, draws: xr.DataTree, *, progress: bool = True) -> xr.DataTree:
    """Sample again if the draws fail their checks and that takes seconds; return the better draws.

    Parameters
    ----------
    model
        The model.
    sampler
        The settings that the draws were made with.
    draws
        The draws, as `bayesglmm.sample.sampling.sample` returns them.
    progress
        Whether to show a progress bar.

    Returns
    -------
    xarray.DataTree
        The draws, or others with the attribute `mended`: what was done, and why. Settings among the attributes are
        the user's.
    """
    quick = draws.attrs.get("backend") == "density"
    enough = draws["sample_stats"]["diverging"].size >= _ENOUGH
    if not sampler.mend or not quick or draws.attrs.get("interrupted") or not suspect(draws, mixing=enough):
        return draws
    before = check(draws)
    plan = _plan(model, sampler, draws, before)
    if plan is None:
        return draws
    reasons = "; ".join(
        f.message.partition(" (worst")[0] for f in before.findings if f.kind in (*_STEP, *_MIXING, "tree_depth")
    )
    how = f"sampled again with {', '.join(plan.changes)}, because {reasons}"
    try:
        again = sample(model, replace(plan.sampler, seed=draws.attrs["seed"]), progress=progress, joint=plan.joint)
    except SamplingError as error:
        draws.attrs["mended"] = f"{how}; that failed ({error}), and the first draws are kept"
        return draws
    if _badness(check(again), again) < _badness(before, draws):
        requested = {name: draws.attrs[name] for name in _REQUESTED if name in draws.attrs}
        others = {name: value for name, value in again.attrs.items() if name not in _REQUESTED}
        again.attrs = {**others, **requested, "mended": how}
        return again
    draws.attrs["mended"] = f"{how}; that was no better, and the first draws are kept"
    return draws


def suspect(draws: xr.DataTree, *, mixing: bool = True) -> bool:
    """Whether a check may find something: a quick screen, without ArviZ, of trajectories and, if asked, of mixing."""
    statistics = draws["sample_stats"].to_dataset()
    if bool(statistics["diverging"].any()) or bool(statistics["reached_max_treedepth"].any()):
        return True
    if not mixing:
        return False
    chains, size = statistics["diverging"].shape
    posterior = draws["posterior"].to_dataset()
    return any(_chains_disagree(_some(posterior[name].values.reshape(chains, size, -1))) for name in posterior)


def _some(values: Array) -> Array:
    """Return at most 40 of the k entries of (chains, draws, k), evenly spaced."""
    return values[..., :: -(-values.shape[-1] // _MOST_ENTRIES)]


def _chains_disagree(values: Array) -> bool:
    """Whether the rank split R-hat of any entry of (chains, draws, k) is above 1.009 (Vehtari et al. 2021, eq. 4)."""
    _, size, k = values.shape
    order, ranks = values.reshape(-1, k).argsort(axis=0), np.empty((values.size // k, k))
    np.put_along_axis(ranks, order, np.arange(len(ranks), dtype=float)[:, None], axis=0)
    ranks = ranks.reshape(values.shape)
    for scores in (ranks, np.abs(ranks - ranks.mean())):
        halves = np.concatenate([scores[:, : size // 2], scores[:, size - size // 2 :]])
        within = halves.var(axis=1, ddof=1).mean(axis=0)
        between = halves.mean(axis=1).var(axis=0, ddof=1)
        if np.any(np.sqrt(1 - 2 / size + between / within) > _R_HAT):
            return True
    return False


def _plan(model: Model, sampler: Sampler, draws: xr.DataTree, failed: Check) -> _Plan | None:
    """Return how to sample again; None if there is nothing to mend, or it would take long."""
    kinds = {finding.kind for finding in failed.findings}
    total = draws["sample_stats"]["diverging"].size
    if total < _ENOUGH:
        kinds -= set(_MIXING)
    if not kinds & {*_STEP, *_MIXING, "tree_depth"}:
        return None
    values = sum(variable.size for variable in draws["posterior"].data_vars.values())
    rows = int(draws.attrs.get("merged_rows", model.design.n))
    if float(draws["sample_stats"]["n_steps"].sum()) * (rows + values / total) > _MOST_WORK:
        return None
    joint, more_draws = _other_coordinates(model, draws), _MORE * values <= _MOST_VALUES
    changed, changes = _changed(sampler, kinds, joint=joint, more_draws=more_draws)
    if not changes:
        return None
    warm_up = 2 * int(draws.attrs["warm_up"])
    return _Plan(replace(changed, tune=warm_up), joint or None, (*changes, f"a warm-up of {warm_up:,} draws"))


def _changed(sampler: Sampler, kinds: set[Kind], *, joint: bool, more_draws: bool) -> tuple[Sampler, list[str]]:
    """Return the settings that may mend findings of these kinds, and a description of what changes."""
    changed, changes = sampler, []
    if kinds & set(_STEP):
        target = 0.99 if sampler.target_accept < 0.99 else 0.999
        changed = replace(changed, target_accept=target)
        changes.append(f"target_accept={target}")
    if joint:
        changes.append("coefficients and effects standardised together")
    elif kinds & set(_MIXING) and more_draws:
        changed = replace(changed, draws=_MORE * sampler.draws)
        changes.append(f"{changed.draws:,} draws a chain")
    if "tree_depth" in kinds and _USUAL_DEPTH <= sampler.max_treedepth < 20:
        changed = replace(changed, max_treedepth=min(sampler.max_treedepth + 2, 20))
        changes.append(f"max_treedepth={changed.max_treedepth}")
    return changed, changes


def _other_coordinates(model: Model, draws: xr.DataTree) -> bool:
    """Whether joint coordinates may do better: with several factors, or where no mode was found."""
    blocks, used = model.design.blocks, draws.attrs.get("parameterization")
    return bool(blocks) and used != "joint" and (used == "plain" or len({block.factor for block in blocks}) > 1)


def _badness(checked: Check, draws: xr.DataTree) -> tuple[int, float]:
    """Return the number of failures, then the share of diverged draws: less is better."""
    return len(checked.failures), float(draws["sample_stats"]["diverging"].mean())
