"""`mend(model, sampler, draws)`: draws that fail their checks are sampled again, once, in another way.

A fit takes a fraction of a second, so what an analyst would try first is tried here: a smaller step where draws
diverged, more draws where chains disagree or effective sample sizes are small, other coordinates. What was done and
why stands in the attribute `mended` of the draws. Fits that take long, and those of a PyMC graph, whose compilation
does, are left as they are, and say what to do.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import SamplingError
from bayesglmm.sample.diagnostics import Check, Kind, check
from bayesglmm.sample.sampling import Sampler, sample
from bayesglmm.specify.model import Model

__all__ = ["mend"]

type Array = NDArray[np.float64]

_MOST_WORK = 2e9
"""Steps of the sampler times rows and coordinates up to which sampling again takes seconds."""

_MOST_VALUES = 5e7
"""Values of draws up to which more of them are kept."""

_ENOUGH = 1600
"""Draws from which an effective sample size of 400 can be expected: from fewer none was asked for."""

_CLOSE, _LOOKED_AT = 1.009, 40
"""A split R-hat under which the library's is not looked at, and the most entries of a variable it is computed for: to
load and run the library takes longer than many a fit."""

_USUAL_DEPTH = 10
"""The largest depth of trees that is not raised where less was asked for."""

_MORE = 3
"""By how much more draws are taken."""

_ASKED = ("asked_draws", "asked_chains", "tune", "target_accept", "max_treedepth")
"""Attributes of draws that say what was asked for, where it is changed here."""

_STEP: tuple[Kind, ...] = ("divergences", "few_divergences", "energy")
_MIXING: tuple[Kind, ...] = ("r_hat", "ess_bulk", "ess_tail")


@dataclass(frozen=True)
class _Plan:
    """How to sample again, and in what words."""

    sampler: Sampler
    together: bool | None
    words: tuple[str, ...]


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
        those asked for.
    """
    quick = draws.attrs.get("backend") == "density"
    if not sampler.mend or not quick or draws.attrs.get("interrupted") or not _suspect(draws):
        return draws
    before = check(draws)
    plan = _plan(model, sampler, draws, before)
    if plan is None:
        return draws
    reasons = "; ".join(
        f.message.partition(" (worst")[0] for f in before.findings if f.kind in (*_STEP, *_MIXING, "tree_depth")
    )
    how = f"sampled again with {', '.join(plan.words)}, because {reasons}"
    try:
        again = sample(
            model, replace(plan.sampler, seed=draws.attrs["seed"]), progress=progress, together=plan.together
        )
    except SamplingError as error:
        draws.attrs["mended"] = f"{how}; that failed ({error}), and the first draws are kept"
        return draws
    if _badness(check(again), again) < _badness(before, draws):
        asked = {name: draws.attrs[name] for name in _ASKED if name in draws.attrs}
        kept = {name: value for name, value in again.attrs.items() if name not in _ASKED}
        again.attrs = {**kept, **asked, "mended": how}
        return again
    draws.attrs["mended"] = f"{how}; that was no better, and the first draws are kept"
    return draws


def _suspect(draws: xr.DataTree) -> bool:
    """Whether a check could find something to mend: without loading the library that the check itself uses."""
    statistics = draws["sample_stats"].to_dataset()
    if bool(statistics["diverging"].any()) or bool(statistics["reached_max_treedepth"].any()):
        return True
    chains, size = statistics["diverging"].shape
    if chains * size < _ENOUGH:
        return False
    posterior = draws["posterior"].to_dataset()
    return any(_apart(_some(posterior[name].values.reshape(chains, size, -1))) for name in posterior.data_vars)


def _some(values: Array) -> Array:
    """Return entries of (chains, draws, k), 40 at most, evenly spaced: effects of groups are many and alike."""
    return values[..., :: -(-values.shape[-1] // _LOOKED_AT)]


def _apart(values: Array) -> bool:
    """Whether the split R-hat of the ranks of any of (chains, draws, k) is above 1.009 (Vehtari et al. 2021, eq. 4)."""
    _, size, k = values.shape
    order, ranks = values.reshape(-1, k).argsort(axis=0), np.empty((values.size // k, k))
    np.put_along_axis(ranks, order, np.arange(len(ranks), dtype=float)[:, None], axis=0)
    ranks = ranks.reshape(values.shape)
    for of in (ranks, np.abs(ranks - ranks.mean())):
        halves = np.concatenate([of[:, : size // 2], of[:, size - size // 2 :]])
        within = halves.var(axis=1, ddof=1).mean(axis=0)
        between = halves.mean(axis=1).var(axis=0, ddof=1)
        if np.any(np.sqrt(1 - 2 / size + between / within) > _CLOSE):
            return True
    return False


def _plan(model: Model, sampler: Sampler, draws: xr.DataTree, found: Check) -> _Plan | None:
    """Return how to sample again, None if there is nothing to mend, or it would take long."""
    kinds = {finding.kind for finding in found.findings}
    total = draws["sample_stats"]["diverging"].size
    if total < _ENOUGH:
        kinds -= set(_MIXING)
    if not kinds & {*_STEP, *_MIXING, "tree_depth"}:
        return None
    values = sum(variable.size for variable in draws["posterior"].data_vars.values())
    rows = int(draws.attrs.get("merged_rows", model.design.n))
    if float(draws["sample_stats"]["n_steps"].sum()) * (rows + values / total) > _MOST_WORK:
        return None
    changed, words = sampler, []
    if kinds & set(_STEP):
        target = 0.99 if sampler.target_accept < 0.99 else 0.999
        changed = replace(changed, target_accept=target)
        words.append(f"target_accept={target}")
    together = _other_coordinates(model, draws)
    if together:
        words.append("coefficients and effects standardised together")
    elif kinds & set(_MIXING) and _MORE * values <= _MOST_VALUES:
        changed = replace(changed, draws=_MORE * sampler.draws)
        words.append(f"{changed.draws:,} draws a chain")
    if "tree_depth" in kinds and _USUAL_DEPTH <= sampler.max_treedepth < 20:
        changed = replace(changed, max_treedepth=min(sampler.max_treedepth + 2, 20))
        words.append(f"max_treedepth={changed.max_treedepth}")
    if not words:
        return None
    warm_up = 2 * int(draws.attrs["warm_up"])
    return _Plan(replace(changed, tune=warm_up), together or None, (*words, f"a warm-up of {warm_up:,} draws"))


def _other_coordinates(model: Model, draws: xr.DataTree) -> bool:
    """Whether there are other coordinates worth a try: where factors are several, or no mode was found."""
    blocks, used = model.design.blocks, draws.attrs.get("parameterization")
    return bool(blocks) and used != "joint" and (used == "plain" or len({block.factor for block in blocks}) > 1)


def _badness(found: Check, draws: xr.DataTree) -> tuple[int, float]:
    """Return how many failures there are, then the share of diverged draws: less is better."""
    return len(found.failures), float(draws["sample_stats"]["diverging"].mean())
