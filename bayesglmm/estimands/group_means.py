"""The mean response of each group over its own rows: raw, its own by the model, and the population's there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bayesglmm.estimands.frames import Frame, eta_and_variance, frames_by_block, mean_response, resolve
from bayesglmm.posterior.draws import Draws, chunks
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.design import BlockDesign

__all__ = ["GroupMeans", "group_means"]

type Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupMeans:
    """Means of groups over their own rows, by trials where outcomes are counts among trials; response scale.

    Parameters
    ----------
    raw
        (m,) means of the outcome, or proportions of successes.
    group
        (s, m) draws of the mean given the random effects, in the frame `"group"`.
    population
        (s, m) draws of the mean over b ~ N(0, G) on the same rows, in the frame `"population"`.
    """

    raw: Array
    group: Array
    population: Array


def group_means(fit: Fitted, block: BlockDesign) -> GroupMeans:
    """Average the means of the rows of each level of a block.

    Raises
    ------
    OptionError
        If the mean has no average over the random effects under the link.
    """
    design = fit.model.design
    outcome = design.outcome
    assert outcome is not None
    m, trials = len(block.levels), np.ones(design.n) if outcome.trials is None else outcome.trials
    weights = trials / np.bincount(block.index, trials, m)[block.index]
    average = sparse.csr_array((weights, (np.arange(design.n), block.index)), shape=(design.n, m))
    raw = average.T @ (outcome.y / trials)
    return GroupMeans(raw, _averaged(fit, average, "group"), _averaged(fit, average, "population"))


def _averaged(fit: Fitted, average: sparse.csr_array, frame: Frame) -> Array:
    """Return draws of the means of groups, (s, m), from the matrix (n, m) that averages rows; equal rows count once."""
    design = fit.model.design
    draws = Draws(fit.posterior, design)
    beta, random = draws.beta, resolve(draws, design, frames_by_block(design, frame), np.random.default_rng(0))
    known = [np.column_stack([z, index]) for _, z, index in random.at_b]
    everything = np.column_stack([design.x, design.offset, *known, *(z for _, z in random.over_b)])
    _, first, which = np.unique(everything, axis=0, return_index=True, return_inverse=True)
    once = (np.ones(design.n), (which.reshape(-1), np.arange(design.n)))
    weights = sparse.csr_array(once, shape=(len(first), design.n)) @ average
    total = np.zeros((draws.size, average.shape[1]))
    for part in chunks(draws.size, len(first)):
        mean = mean_response(fit.model.family.link, *eta_and_variance(beta, design, random, first[part]))
        total += (weights[part].T @ mean.T).T
    return total
