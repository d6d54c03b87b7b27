"""`random_effects(fit, block)`: the group effects of a block, sorted."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayesglmm.design import BlockDesign
from bayesglmm.errors import OptionError, listing, suggest
from bayesglmm.fitted import Fitted
from bayesglmm.plots.style import Picture, columns_text, forest, frameless, new_figure, quantiles, scale

__all__ = ["random_effects"]

_LABELLED = 100
"""Up to so many groups each row has its label; more are numbered by rank."""


def random_effects(fit: Fitted, block: str | None = None) -> Picture:
    """Draw the group effects of a block: medians with 50 % and 95 % equal-tailed intervals, sorted by median.

    Parameters
    ----------
    fit
        The fit.
    block
        The block's name, as in `b_<block>`; it may be left out where the model has one.

    Returns
    -------
    Picture
        One panel a column of the block, each sorted by itself, on the scale of the linear predictor. Up
        to 100 groups are labelled; more are shown by rank.

    Raises
    ------
    OptionError
        If the model has no random effects, or the block is not one of its own.
    """
    chosen = _choose(fit, block)
    m, k = len(chosen.levels), chosen.size
    labelled = m <= _LABELLED
    effects = fit.posterior[f"b_{chosen.name}"].transpose("chain", "draw", ...).values.reshape(-1, m, k)
    height = 1.0 + (max(1.0, min(0.24 * m, 3.0 + 0.08 * m)) if labelled else 6.5)
    names = columns_text(chosen.columns)
    with new_figure(max(4.6, 1.2 + 3.3 * k), height, _caption(fit, chosen)) as figure:
        panels = figure.subplots(1, k, squeeze=False)[0]
        for j, axes in enumerate(panels):
            _panel(axes, effects[..., j], chosen, labelled)
            axes.set_xlabel(f"group effects b_{chosen.name}[{names[j]}]\n{scale(fit.model)}")
        panels[0].set_ylabel(f"level of {chosen.factor}" if labelled else f"rank among {m:,} levels of {chosen.factor}")
    return figure


def _choose(fit: Fitted, block: str | None) -> BlockDesign:
    blocks = {entry.name: entry for entry in fit.model.design.blocks}
    if not blocks:
        raise OptionError("the model has no random effects to draw: its formula has no block (… | group)")
    if block is None and len(blocks) > 1:
        raise OptionError(
            f"the model has {len(blocks)} blocks ({listing(blocks)}): say which, block={next(iter(blocks))!r}"
        )
    if block is not None and block not in blocks:
        raise OptionError(f"block={block!r} is not a block of the model; {suggest(str(block), blocks)}")
    return blocks[block if block is not None else next(iter(blocks))]


def _panel(axes: Axes, effects: NDArray[np.float64], block: BlockDesign, labelled: bool) -> None:
    """Draw one column's effects (s, m), the largest at the top."""
    values = quantiles(effects)
    order = np.argsort(values[2], kind="stable")
    heights = np.arange(1, len(order) + 1, dtype=float)
    few = len(order) <= 20
    weight = 1.0 if few else 0.7 if labelled else 0.35
    forest(axes, values[:, order], heights, weight)
    if labelled:
        axes.set_yticks(heights, [str(block.levels[j]) for j in order], fontsize=8 if few else 6)
        frameless(axes)


def _caption(fit: Fitted, block: BlockDesign) -> str:
    return (
        f"Group effects b_{block.name} of the {len(block.levels):,} levels of {block.factor} on the "
        f"{scale(fit.model)}, as deviations from the typical subject (b = 0): posterior median, 50 % interval (thick) "
        "and 95 % equal-tailed interval (thin), each panel sorted by its medians."
    )
