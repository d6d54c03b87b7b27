"""Checks of the distribution of outcomes: density, rootogram, binned residuals, PIT.

References
----------
Kleiber & Zeileis (2016), The American Statistician 70, 296-303: rootograms.
Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, section 5.6: binned residuals.
Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32, 32: bands of the empirical distribution of PITs.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.checking.curves import Curve, PosteriorCheck, checked, where
from bayesglmm.checking.envelope import Envelope, envelope
from bayesglmm.checking.moments import outcome_mean
from bayesglmm.checking.predictive import Predictive
from bayesglmm.checking.quantile import pit, pit_by_draw, replicated_scores
from bayesglmm.errors import OptionError

__all__ = ["binned", "density", "pit_ecdf", "rootogram"]

type Array = NDArray[np.float64]

_GRID, _LINES = 200, 50
"""Points of a density, and replicated curves that are drawn."""

_MOST_BARS = 40
"""The most bars of a rootogram; counts are taken together beyond it."""


def density(predictive: Predictive, rng: np.random.Generator, ci_prob: float) -> PosteriorCheck:
    """Compare the density of the outcomes, of counts the share of each, with that of replicated outcomes."""
    if predictive.discrete:
        return _counted(predictive, rng, ci_prob, "density")
    import arviz as az

    replicated, y = predictive.replicated(rng), predictive.y
    tails = np.quantile(replicated, (0.001, 0.999))  # of heavy tails the ends would take the whole grid
    low, high = min(tails[0], y.min()), max(tails[1], y.max())
    grid = np.linspace(low - 0.05 * (high - low), high + 0.05 * (high - low), _GRID)

    def curves(values: Array) -> Array:
        limits = np.minimum(values.min(axis=1), grid[0]), np.maximum(values.max(axis=1), grid[-1])
        estimates = [
            az.kde(one, custom_lims=ends, bound_correction=False)[:2]
            for one, *ends in zip(values, *limits, strict=True)
        ]
        return np.stack([np.interp(grid, at, height, left=0.0, right=0.0) for at, height in estimates])

    own, drawn = curves(y[None])[0], curves(replicated)
    inside = envelope(own, drawn, ci_prob)
    inside = replace(inside, lower=np.maximum(inside.lower, 0.0))
    reading = f"The density of the outcomes {where(grid, inside, ci_prob)}."
    curve = Curve("line", _outcome(predictive), "density", drawn[:: max(1, len(drawn) // _LINES)])
    what = f"density of the {predictive.n:,} outcomes and of replicated ones"
    return checked("density", predictive, grid, inside, what, reading, curve, ci_prob)


def rootogram(predictive: Predictive, rng: np.random.Generator, ci_prob: float) -> PosteriorCheck:
    """Compare the number of rows with each count, on the square-root scale, with that in replicated outcomes."""
    if not predictive.discrete:
        raise OptionError('a rootogram is of counts; use kind="density" for continuous outcomes')
    return _counted(predictive, rng, ci_prob, "rootogram")


def _counted(predictive: Predictive, rng: np.random.Generator, ci_prob: float, kind: str) -> PosteriorCheck:
    """Count outcomes in bins of equal width, those at the upper end together where few are expected."""
    replicated, y = predictive.replicated(rng), predictive.y
    most = float(max(y.max(), np.quantile(replicated, 0.999)))
    width = max(1, int(np.ceil((most + 1) / _MOST_BARS)))
    edges = np.arange(0, most + width + 1, width)

    def counts(values: Array) -> Array:
        cells = np.minimum(values // width, len(edges) - 2).astype(int)
        return np.stack([np.bincount(row, minlength=len(edges) - 1) for row in cells]).astype(float)

    own, drawn = counts(y[None])[0], counts(replicated)
    rare = drawn.mean(axis=0)[::-1].cumsum()[::-1] < 1
    last = int(np.argmax(rare)) if rare.any() and rare.argmax() > 1 else len(own)
    if last < len(own):
        own, drawn = (_pooled(counted, last) for counted in (own, drawn))
    starts = edges[: len(own)]
    labels = tuple(f"{a:g}" if width == 1 else f"{a:g}–{a + width - 1:g}" for a in starts)
    labels = (*labels[:-1], f"{starts[-1]:g} or more") if last < len(edges) - 1 or len(edges) > 3 else labels
    inside = envelope(np.sqrt(own), np.sqrt(drawn), ci_prob)
    total = predictive.n if kind == "density" else 1
    squared = Envelope(
        own / total,
        drawn.mean(axis=0) / total,
        np.maximum(inside.lower, 0) ** 2 / total,
        inside.upper**2 / total,
        inside.p_value,
    )
    reading = f"The number of rows with each outcome {where(starts, inside, ci_prob, labels)}."
    name = "share of rows" if kind == "density" else "number of rows (square-root scale)"
    scale = "linear" if kind == "density" else "sqrt"
    curve = Curve("bars", _outcome(predictive), name, labels=labels, scale=scale)
    counted = "share" if kind == "density" else "number"
    what = f"{counted} of the {predictive.n:,} rows with each outcome, observed and replicated"
    return checked(kind, predictive, starts.astype(float), squared, what, reading, curve, ci_prob)


def _pooled(counts: Array, last: int) -> Array:
    """Return counts (…, g) with those from the last bin on taken together, (…, last)."""
    return np.concatenate([counts[..., : last - 1], counts[..., last - 1 :].sum(-1, keepdims=True)], -1)


def binned(predictive: Predictive, rng: np.random.Generator, ci_prob: float) -> PosteriorCheck:
    """Compare the mean residual y − μ in bins of μ with that of replicated outcomes.

    Given random effects, μ and its bins are those of each draw: fitted values at posterior means lean on the outcomes,
    and residuals would rise with them under the model. Where effects are redrawn, μ is the mean over them.
    """
    size = predictive.trials if predictive.model.family.outcome_type == "trials" else np.ones(predictive.n)
    if predictive.redraws:
        mean = np.concatenate([outcome_mean(predictive, part) for part in predictive.parts()], axis=1) / size
    else:
        mean = np.concatenate([predictive.mean(part) for part in predictive.parts()], axis=1)
    order = np.argsort(mean, axis=1, kind="stable")
    starts = _starts(predictive, np.take_along_axis(mean, order, 1).mean(axis=0))

    def averages(values: Array) -> Array:
        total = np.add.reduceat(np.take_along_axis(values * size, order, 1), starts, axis=1)
        return np.asarray(total / np.add.reduceat(size[order], starts, axis=1))

    centre = averages(mean).mean(axis=0)
    own = averages(predictive.y / size - mean).mean(axis=0)
    drawn = averages(predictive.replicated(rng) / size - mean)
    inside = envelope(own, drawn, ci_prob)
    reading = f"The mean residual by fitted value {where(centre, inside, ci_prob)}."
    curve = Curve("points", _fitted(predictive), "mean of y − μ in the bin", zero=True)
    what = f"mean residuals y − μ in {len(starts)} bins of rows by μ, at each draw, averaged over the draws"
    return checked("binned", predictive, centre, inside, what, reading, curve, ci_prob)


def _starts(predictive: Predictive, mean: Array) -> NDArray[np.int64]:
    """Return the first row of each bin of sorted means (n,): of equal numbers, of probabilities of equal variance.

    Rows whose probability is near 0 or 1 hold so little information that many of them make a bin.
    """
    n, most = predictive.n, min(40, max(5, int(np.sqrt(predictive.n))))
    if predictive.model.family.link.range != "unit" or predictive.model.family.outcome_type == "continuous":
        return np.arange(most) * n // most
    variance = np.cumsum(mean * (1 - mean) * predictive.trials.mean())
    bins = int(np.clip(variance[-1] / 4, 2, most))
    return np.unique(np.searchsorted(variance, np.arange(bins) * variance[-1] / bins))


def pit_ecdf(predictive: Predictive, rng: np.random.Generator, ci_prob: float) -> PosteriorCheck:
    """Compare the distribution of the probability integral transforms with the uniform one."""
    u = None if predictive.redraws else pit_by_draw(predictive, rng)
    grid = np.linspace(0, 1, min(predictive.n, _GRID) + 1)
    if u is not None:
        own, inside = u, _uniform_band(_ecdf(u, grid).mean(axis=0), grid, predictive.n, ci_prob, rng)
        how = "at each draw, averaged over the draws; the envelope is of independent uniform values"
    else:
        own = pit(predictive, rng)[None]
        scores = special.ndtr(replicated_scores(predictive.replicated(rng), predictive.discrete, rng))
        inside = envelope(_ecdf(own, grid)[0], _ecdf(scores, grid), ci_prob)
        how = "of the predictive distribution; the envelope is of replicated data, dependent within groups"
    verdict = where(grid, inside, ci_prob)
    reading = f"The distribution of the probability integral transforms {verdict}.{_shape(own, inside)}"
    curve = Curve("line", "probability integral transform u", "share of rows ≤ u, minus u", zero=True)
    what = f"distribution of the randomised probability integral transforms of {predictive.n:,} rows, {how}"
    return checked("pit", predictive, grid, inside, what, reading, curve, ci_prob)


def _ecdf(u: Array, grid: Array) -> Array:
    """Return the share of values (s, n) up to each point of a grid, minus the point, (s, g)."""
    cells = np.minimum((u * (len(grid) - 1)).astype(int), len(grid) - 2)
    counts = np.stack([np.bincount(row, minlength=len(grid) - 1) for row in cells])
    return np.asarray(np.concatenate([np.zeros((len(u), 1)), counts.cumsum(axis=1)], axis=1) / u.shape[1] - grid)


def _uniform_band(own: Array, grid: Array, n: int, ci_prob: float, rng: np.random.Generator) -> Envelope:
    """Return the simultaneous band of the empirical distribution of n uniform values (Säilynoja et al. 2022).

    The p-value is of the largest departure in pointwise standard deviations among 1,000 simulated samples.
    """
    from arviz_stats.ecdf_utils import get_pointwise_confidence_band, simulate_confidence_bands

    inner = grid[1:-1]
    level = simulate_confidence_bands(n, 1, inner, ci_prob, 1000, rng)
    lower, upper = (np.asarray(v) - inner for v in get_pointwise_confidence_band(level, n, inner))
    sd = np.sqrt(inner * (1 - inner) / n)
    simulated = np.abs(_ecdf(rng.random((1000, n)), grid)[:, 1:-1] / sd).max(axis=1)
    p_value = (1 + int((simulated >= np.abs(own[1:-1] / sd).max()).sum())) / 1001
    lower, upper = (np.concatenate([[0.0], v, [0.0]]) for v in (lower, upper))
    return Envelope(own, np.zeros_like(grid), lower - 1e-12, upper + 1e-12, p_value)


def _shape(u: Array, inside: Envelope) -> str:
    """Say what a departure from uniformity means."""
    if not inside.outside.any():
        return ""
    ends, middle = np.mean((u < 0.1) | (u > 0.9)) / 0.2, np.mean((u > 0.3) & (u < 0.7)) / 0.4
    if ends > 1.1:
        return " Too many lie near 0 and 1: outcomes vary more than the model says."
    if middle > 1.1:
        return " Too many lie in the middle: outcomes vary less than the model says."
    return " They are shifted or skewed: the mean, or the shape of the distribution, is off."


def _outcome(predictive: Predictive) -> str:
    outcome = predictive.model.design.outcome
    assert outcome is not None
    return f"outcome {outcome.name}"


def _fitted(predictive: Predictive) -> str:
    what = "probability" if predictive.model.family.outcome_type in ("binary", "trials") else "mean"
    return f"fitted {what}, frame {predictive.frame.name}"
