"""`diagnostics(fit)`: whether the chains agree, how they move, and the verdict.

References
----------
Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16, 667-718 (rank plots).
Betancourt (2016), arXiv:1604.00695 (energy).
"""

from textwrap import fill
from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesglmm.common.names import parameters_text
from bayesglmm.plots.style import BAD, COLOURS, GREY, INK, Picture, as_labels, drawn, new_figure
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sample.diagnostics import LIMITS, Check

__all__ = ["Diagnosed", "diagnostics"]

_MOST = 8
"""The largest number of parameters shown: those with the largest R-hat."""
_BINS = 20
_PLACES = 34
"""The longest name of a parameter, in characters."""
_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
_ENERGY: dict[str, dict[str, Any]] = {
    "energy, less its mean": {"color": INK, "linestyle": "-"},
    "its change by draw": {"color": INK, "linestyle": (0, (4, 1.5))},
}


class Diagnosed(Fitted, Protocol):
    """A fit with its table of parameters and its check; `bayesglmm.Fit` is one."""

    def summary(self) -> pd.DataFrame:
        """Return the parameters' table, with `r_hat`, `ess_bulk` and `ess_tail`."""

    def check(self) -> Check:
        """Return what the sampler's diagnostics say."""


def diagnostics(fit: Diagnosed) -> Picture:
    """Draw traces and rank histograms of the parameters, the energy, and the verdict of `fit.check()`.

    Parameters
    ----------
    fit
        The fit, whose `summary()` and `check()` are shown.

    Returns
    -------
    Picture
        A row a parameter: its trace by chain with divergences marked below, and how the ranks of its
        draws spread by chain (level if the chains agree). Of more than 8 parameters those with the
        largest R-hat. The last row is the energy: two histograms of one width if all is well.
    """
    table, check = fit.summary(), fit.check()
    worst = table["r_hat"].fillna(np.inf).sort_values(ascending=False, kind="stable").index[:_MOST]
    shown = [str(name) for name in table.index if name in worst]
    verdict = fill(drawn(check.verdict), 84)
    height = 0.5 + 0.16 * verdict.count("\n") + 1.05 * (len(shown) + 1.3)
    with new_figure(7.2, height, _caption(fit, len(shown), len(table))) as figure:
        grid = figure.subplots(
            len(shown) + 1, 2, width_ratios=(2.2, 1), height_ratios=[1.0] * len(shown) + [1.3], squeeze=False
        )
        statistics = fit.draws["sample_stats"].to_dataset()
        diverging = statistics["diverging"].values
        titles = as_labels(parameters_text(shown), _PLACES)
        for row, name in enumerate(shown):
            draws = _draws(fit, name)
            _trace(grid[row, 0], draws, diverging)
            _ranks(grid[row, 1], draws)
            line = table.loc[name]
            figures = f"R-hat {line['r_hat']:.3f}, ESS {line['ess_bulk']:,.0f} bulk, {line['ess_tail']:,.0f} tail"
            grid[row, 0].set_title(f"{titles[row]}    {figures}", fontsize=8)
        _finish(grid, len(shown))
        _energy(grid[-1, 0], statistics["energy"].values)
        _key(grid[-1, 1], diverging)
        if len(shown) < len(table):
            grid[-1, 1].set_title(f"{len(shown)} of {len(table)} parameters:\nthose of the largest R-hat", fontsize=7)
        figure.suptitle(verdict, x=0.01, ha="left", fontsize=9, weight="bold", color=INK if check.ok else BAD)
    return figure


def _draws(fit: Fitted, name: str) -> NDArray[np.float64]:
    """Return the draws of a parameter of the summary, (chain, draw)."""
    variable, _, element = name.partition("[")
    values = fit.posterior[variable].transpose("chain", "draw", ...)
    if element:
        labels = [str(label) for label in values[values.dims[2]].values]
        values = values[..., labels.index(element.removesuffix("]"))]
    return np.asarray(values.values, dtype=float)


def _trace(axes: Axes, draws: NDArray[np.float64], diverging: NDArray[np.bool_]) -> None:
    for chain, values in enumerate(draws):
        axes.plot(values, color=COLOURS[chain % len(COLOURS)], linewidth=0.35, alpha=0.8, gid="trace")
    where = np.flatnonzero(diverging.any(axis=0))
    if len(where):
        axes.plot(
            where, np.full(len(where), 0.02), "|", color=BAD, transform=axes.get_xaxis_transform(), gid="divergences"
        )
    axes.set_xlim(0, draws.shape[1])
    axes.locator_params(axis="y", nbins=4)


def _ranks(axes: Axes, draws: NDArray[np.float64]) -> None:
    """Draw, by chain, how many of its draws fall into each class of the ranks among all draws."""
    chains, kept = draws.shape
    ranks = np.argsort(np.argsort(draws, axis=None, kind="stable"), kind="stable").reshape(chains, kept)
    edges = np.linspace(0, draws.size, min(_BINS, kept) + 1)
    expected = kept / (len(edges) - 1)
    axes.axhline(1.0, color=GREY, linewidth=0.8)
    for chain in range(chains):
        counts = np.histogram(ranks[chain], edges)[0] / expected
        axes.stairs(
            counts,
            edges / draws.size,
            baseline=None,
            color=COLOURS[chain % len(COLOURS)],
            linestyle=_LINES[chain % len(_LINES)],
            linewidth=1.0,
            gid="ranks",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(2.0, axes.get_ylim()[1]))


def _finish(grid: NDArray[np.object_], rows: int) -> None:
    """Label the axes of the last row of parameters only."""
    for axes in grid[: rows - 1].ravel():
        axes.tick_params(labelbottom=False)
    grid[rows - 1, 0].set_xlabel("draw after warm-up")
    grid[rows - 1, 1].set_xlabel("rank among all draws (share)")
    grid[0, 1].set_title("rank histogram (1 = as expected)", fontsize=8)


def _energy(axes: Axes, energy: NDArray[np.float64]) -> None:
    """Draw the marginal energy and its change from draw to draw, both about zero."""
    marginal = (energy - energy.mean(axis=1, keepdims=True)).ravel()
    change = np.diff(energy, axis=1).ravel()
    low, high = np.quantile(np.concatenate([marginal, change]), (0.001, 0.999))
    edges = np.linspace(float(low), float(high), 41).tolist()
    for values, style in zip((marginal, change), _ENERGY.values(), strict=True):
        axes.hist(values, edges, density=True, histtype="step", linewidth=1.2, **style)
    bfmi = np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1)
    axes.set_title(f"energy    E-BFMI {bfmi.min():.2f} (lowest chain; at least {LIMITS['energy']} wanted)", fontsize=8)
    axes.set_xlabel("energy (−log density, up to a constant)")
    axes.set_yticks([])
    axes.set_ylabel("density")


def _key(axes: Axes, diverging: NDArray[np.bool_]) -> None:
    axes.set_axis_off()
    for chain in range(min(diverging.shape[0], 12)):
        line, colour = _LINES[chain % len(_LINES)], COLOURS[chain % len(COLOURS)]
        axes.plot([], [], color=colour, linestyle=line, label=f"chain {chain}")
    for text, style in _ENERGY.items():
        axes.plot([], [], label=text, **style)
    if diverging.any():
        axes.plot([], [], "|", color=BAD, label=f"divergence ({int(diverging.sum()):,} in all)")
    axes.legend(loc="center left", ncols=2 if diverging.shape[0] > 5 else 1, fontsize=7)


def _caption(fit: Fitted, shown: int, total: int) -> str:
    which = "each parameter" if shown == total else f"the {shown} of {total} parameters with the largest R-hat"
    return (
        f"Sampling diagnostics: for {which}, the trace of every chain after warm-up (left) and, by chain, the number "
        "of draws in each class of the ranks among all draws, relative to the number expected (right; level at 1 if "
        "the chains agree). Below, the distribution of the energy and of its change from one draw to the next; the "
        "second much narrower than the first means slow exploration."
    )
