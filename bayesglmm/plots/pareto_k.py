"""The picture of Pareto's k: which units the importance weights cannot leave out."""

import numpy as np

from bayesglmm.comparison.loo import Elpd
from bayesglmm.errors import OptionError
from bayesglmm.plots.style import COLOURS, GREY, Picture, label, new_figure

__all__ = ["draw"]

_LIMIT = 0.7
_MOST_NAMED = 12
"""The most units that are named."""


def draw(shown: Elpd) -> Picture:
    """Draw Pareto's k of each unit in the order of the data, those above 0.7 named.

    Raises
    ------
    OptionError
        For folds, which are not weighted.
    """
    values = shown.pareto_k.values
    if not np.isfinite(values).any():
        raise OptionError("folds are fitted, not weighted: there is no Pareto k to draw; look at .pointwise")
    units = shown.pareto_k[shown.pareto_k.dims[0]].values
    refitted = np.isin(units, shown.refitted)
    caption = (
        f"Pareto's k of each {label(shown.unit)} left out by importance sampling. Above {_LIMIT} the weights are not "
        "to be relied on; open circles were left out by fitting again instead."
    )
    with new_figure(6.4, 3.2, caption) as figure:
        axes = figure.add_subplot()
        places = np.arange(len(values))
        axes.axhline(_LIMIT, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), gid="limit")
        axes.plot(places[~refitted], values[~refitted], "o", color=COLOURS[0], markersize=3, gid="weighted")
        axes.plot(places[refitted], values[refitted], "o", mfc="none", mec=COLOURS[1], markersize=5, gid="refitted")
        large = np.flatnonzero(values > _LIMIT)
        for place in large[np.argsort(-values[large])][:_MOST_NAMED]:
            axes.annotate(str(units[place]), (place, values[place]), (4, 3), textcoords="offset points", fontsize=7)
        axes.set_xlabel(f"{label(shown.unit)}, in the order of the data")
        axes.set_ylabel("Pareto's k")
    return figure
