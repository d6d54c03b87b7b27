"""`marginal_likelihood(fit)`: log p(y), the likelihood averaged over the priors, by bridge sampling.

Random effects of one factor, up to three a group, are integrated out exactly in every draw; those of other factors
are coordinates of the bridge, beside coefficients, sds, correlations and family parameters. All constants are in it,
so that models of different families and blocks compare.

References
----------
Meng & Wong (1996), Statistica Sinica 6, 831-860.
Gronau et al. (2017), Journal of Mathematical Psychology 81, 80-97: a tutorial on bridge sampling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from bayesglmm.common.results import Layout, Result
from bayesglmm.comparison.prior_dependence import FACTORS, log_change, with_priors
from bayesglmm.errors import OptionError, listing
from bayesglmm.marginalize.group_likelihood import POINTS
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.sample import diagnostics
from bayesglmm.sensitivity.bridge import Measured, bridge
from bayesglmm.sensitivity.integrated_posterior import Target
from bayesglmm.sensitivity.thinning import Budget, step_for_count
from bayesglmm.specify.describe import prior_rows
from bayesglmm.specify.design import Design

__all__ = ["MarginalLikelihood", "marginal_likelihood"]

_BUDGET = Budget(2e8, 300, 4000)
"""Evaluations of a row: some seconds."""

_LONGEST = 1.5e9
"""The most evaluations that the fewest draws may take, unless the user gives a number of draws: a minute or so."""

_DRAWS_A_COORDINATE = 8
"""The draws that a proposal needs at least for each of its coordinates: half of them give its covariance."""

_LARGEST_ERROR = 0.5
"""The Monte Carlo error on the log scale above which no number is given: a factor of 1.6."""

_CENTRED = 0.3
"""Effects whose posterior variance is below this share of their prior variance are coordinates as they are."""


@dataclass(frozen=True, eq=False, repr=False)
class MarginalLikelihood(Result):
    """The marginal likelihood p(y) of a model, and how it depends on the width of each prior.

    Parameters
    ----------
    log
        log p(y), constants included: of a probability for counts and binary outcomes, else of a density in units of the
        response.
    error
        Its Monte Carlo standard error.
    table
        Index `parameter`; columns `prior`, and `half` and `double`, by how much log p(y) changes if the prior of
        that parameter alone is half or twice as wide; NaN where the draws cannot tell (Pareto k above 0.7).
    method
        How it was computed, and whether the sampling failed its checks.
    """

    log: float
    error: float
    table: pd.DataFrame
    method: str

    def _layout(self) -> Layout:
        above = (f"log marginal likelihood {self.log:.2f}, Monte Carlo standard error {self.error:.2g}", self.method)
        below = (
            "half, double: change of the log marginal likelihood if the prior of that parameter alone is half or twice "
            "as wide. It depends on every prior, at any amount of data; compare it between models alone.",
        )
        return Layout(above, self.table, below, {"float_format": "{:+.2f}".format, "na_rep": ""}, 110)


def marginal_likelihood(fit: Fitted, *, max_draws: int | None = None, seed: int = 0) -> MarginalLikelihood:
    """Estimate the marginal likelihood of a model by bridge sampling.

    Parameters
    ----------
    fit
        The fit.
    max_draws
        The largest number of draws to use, evenly spaced, whatever time they take; None for as many as take some
        seconds, 300 to 4,000.
    seed
        The seed of the points of the proposal.

    Returns
    -------
    MarginalLikelihood

    Raises
    ------
    OptionError
        If a prior is improper, the fit is of the prior alone, the integral takes too long or too few draws are there
        for it, or its Monte Carlo error is above 0.5.

    References
    ----------
    Meng & Wong (1996); Gronau et al. (2017).
    """
    _check(fit, max_draws)
    design = fit.model.design
    sizes = fit.posterior.sizes
    total = int(sizes["chain"] * sizes["draw"])
    sampled, step = _choose(design, total, len(with_priors(fit)), max_draws)
    draws = Draws(Thinned(fit.model, fit.draws, step).posterior, design)
    target = Target(fit.model, None, {number: _is_centred(draws, number) for number in sampled})
    drawn = target.coordinates(draws)
    measured = bridge(target, drawn, int(sizes["chain"]), np.random.default_rng(seed))
    _refuse_inaccurate(measured, draws.size)
    method = _method(target, draws.size, drawn.shape[1])
    if not diagnostics.check(fit.draws).ok:
        method += (
            "; the sampling failed its checks, so the draws are not of the posterior, and the error does not cover that"
        )
    return MarginalLikelihood(measured.log, measured.error, _table(fit), method)


def _check(fit: Fitted, max_draws: int | None) -> None:
    if fit.draws.attrs.get("prior_only"):
        raise OptionError("these are draws from the prior alone: fit the data to have a marginal likelihood")
    if max_draws is not None and max_draws < _BUDGET.fewest:
        raise OptionError(f"max_draws={max_draws!r} is too few for bridge sampling; give {_BUDGET.fewest} or more")
    if not fit.model.priors.proper:
        flat = [name for name, prior, _ in prior_rows(fit.model.design, fit.model.priors) if prior == "flat()"]
        raise OptionError(
            f"{listing(flat)} has the improper prior flat(), under which there is no marginal likelihood: its constant "
            "is arbitrary; give a proper prior, such as priors={'slopes': 'normal(0, 2.5)'}, and fit again"
        )


def _choose(design: Design, total: int, globals_: int, max_draws: int | None) -> tuple[list[int], int]:
    """Return the blocks whose effects are coordinates of the bridge, as few as there is time for, and the thinning.

    Raises
    ------
    OptionError
        If every choice takes too long, or has too many coordinates for the draws.
    """
    pairs = sum(block.size * (block.size - 1) // 2 for block in design.blocks if block.correlated)
    slow, fewest_coordinates = False, len(design.coef) + sum(len(block.levels) * block.size for block in design.blocks)
    for integrated in _integrable(design):
        rest = [number for number in range(len(design.blocks)) if number not in integrated]
        columns = sum(design.blocks[number].size for number in integrated)
        cost = 2 * design.n * POINTS.get(columns, 1)
        if max_draws is None and _BUDGET.fewest * cost > _LONGEST:
            slow = True
            continue
        step = step_for_count(_BUDGET, total, cost, max_draws)
        coordinates = globals_ + pairs + sum(len(design.blocks[n].levels) * design.blocks[n].size for n in rest)
        if coordinates * _DRAWS_A_COORDINATE <= total // step:
            return rest, step
        fewest_coordinates = min(fewest_coordinates, coordinates)
    wait = "give max_draws= to wait for the integral over the effects, which takes minutes, or " if slow else ""
    raise OptionError(
        f"there are too few draws for a marginal likelihood: a bridge over {fewest_coordinates} parameters and effects "
        f"takes {_DRAWS_A_COORDINATE * fewest_coordinates:,} draws at least, of {total:,}; {wait}fit again with more "
        "draws=, or compare the models by fit.loo()"
    )


def _integrable(design: Design) -> list[list[int]]:
    """Return the sets of blocks on one factor that can be integrated out, those with the most effects first."""
    numbers = sorted(range(len(design.blocks)), key=lambda number: design.blocks[number].factor)
    by_factor = [list(group) for _, group in groupby(numbers, key=lambda number: design.blocks[number].factor)]
    alone = [[number] for number in numbers]
    sets = [numbers for numbers in (*by_factor, *alone) if sum(design.blocks[n].size for n in numbers) in POINTS]

    def effects(numbers: Sequence[int]) -> int:
        return sum(len(design.blocks[number].levels) * design.blocks[number].size for number in numbers)

    return [*sorted(sets, key=effects, reverse=True), []]


def _is_centred(draws: Draws, number: int) -> bool:
    """Whether a block's effects are known so well that they depend less on their sd than b divided by it."""
    block = draws.design.blocks[number]
    variance = draws.b(block).var(axis=0).mean(axis=0)
    return bool((variance < _CENTRED * np.square(draws.sd(block)).mean(axis=0)).all())


def _refuse_inaccurate(measured: Measured, draws: int) -> None:
    if not measured.error <= _LARGEST_ERROR:
        raise OptionError(
            f"the marginal likelihood has a Monte Carlo error of {measured.error:.1f} on the log scale with {draws:,} "
            "draws, too large to compare models; fit again with more draws=, look at fit.check(), or compare the "
            "models by fit.loo()"
        )


def _table(fit: Fitted) -> pd.DataFrame:
    parameters = with_priors(fit)
    rows = {
        name: {"prior": str(parameter.prior)}
        | {label: log_change(parameters, [name], factor) for label, factor in FACTORS.items()}
        for name, parameter in parameters.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")


def _method(target: Target, draws: int, coordinates: int) -> str:
    blocks = target.model.design.blocks
    exact = listing(dict.fromkeys(blocks[number].factor for number in target.integrated))
    coordinate = listing(dict.fromkeys(blocks[number].factor for number in target.sampled))
    parts = [f"by bridge sampling over {coordinates} coordinates with {draws:,} draws"]
    parts += [f"the effects of {exact} integrated out exactly"] if exact else []
    parts += [f"those of {coordinate} among the coordinates"] if coordinate else []
    return "; ".join(parts)
