"""`draw(curves)`: the curves of groups, thin, the typical group's and the population's, thick."""

from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from bayesglmm.plots.style import COLOURS, GREY, Picture, drawn, median_text, new_figure

if TYPE_CHECKING:
    from bayesglmm.estimands.subject_curves import SubjectCurves

__all__ = ["draw"]

_LOOKS = {"typical": ("--", COLOURS[1]), "population": ("-", COLOURS[0])}
_NAMES = {"typical": "typical group (b = 0)", "population": "population (averaged over b)"}


def draw(curves: "SubjectCurves") -> Picture:
    """Draw all curves in one panel, medians of the draws; the averages with their intervals."""
    groups, averages, focal, factor = curves.groups.table, curves.averages.table, curves.focal, curves.factor
    count = groups[factor].nunique()
    interval = f"{100 * curves.averages.ci_prob:g} % intervals"
    caption = (
        f"Curves of {count} levels of {factor} (thin, {median_text(curves.groups.draws)}), of the typical group "
        f"(b = 0, dashed) and of the population (averaged over b, solid), with {interval}. {curves.averages.estimand}"
    )
    with new_figure(6.0, 3.8, caption) as figure:
        axes = figure.add_subplot()
        for _, one in groups.groupby(factor, sort=False):
            axes.plot(one[focal], one["median"], color=GREY, linewidth=0.6, alpha=0.5)
        handles = [Line2D([], [], color=GREY, linewidth=0.8, label=f"{count} levels of {drawn(factor)}")]
        for frame, (line, colour) in _LOOKS.items():
            one = averages[averages["frame"] == frame]
            axes.fill_between(one[focal], one["lower"], one["upper"], color=colour, alpha=0.2, linewidth=0)
            handles += axes.plot(one[focal], one["median"], line, color=colour, linewidth=2.0, label=_NAMES[frame])
        axes.set_xlabel(drawn(focal))
        axes.set_ylabel(drawn(curves.averages.shown.value))
        figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=7)
    return figure
