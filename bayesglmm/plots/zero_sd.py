"""The picture of an sd near zero: its prior and posterior density, other estimates as lines."""

from collections.abc import Mapping

from bayesglmm.common.text import plain
from bayesglmm.plots.style import COLOURS, GREY, INK, Picture, label, new_figure
from bayesglmm.sensitivity.zero_sd import ZeroSd

__all__ = ["draw"]

_DASHES = ((0, (5, 3)), (0, (1.5, 2)), (0, (7, 2, 1.5, 2)))


def draw(shown: ZeroSd, parameter: str, references: Mapping[str, float]) -> Picture:
    """Draw the prior and posterior density of an sd.

    Parameters
    ----------
    shown
        The densities.
    parameter
        Which sd, such as `"sd_id[Intercept]"`.
    references
        Other estimates of it by name, drawn as vertical lines; the axis extends to them.
    """
    name, density, scale = label(parameter), shown.densities[parameter], shown.scale
    caption = (
        f"Prior and posterior density of {name} on the {scale}. Their ratio at 0, posterior / prior, is the Bayes "
        "factor of the model without these effects."
    )
    with new_figure(5.4, 3.0, caption) as figure:
        axes = figure.add_subplot()
        axes.fill_between(density["sd"], density["posterior"], color=COLOURS[3], alpha=0.35, linewidth=0)
        axes.plot(density["sd"], density["posterior"], color=COLOURS[0], gid="posterior", label="posterior")
        axes.plot(density["sd"], density["prior"], color=GREY, linestyle="--", gid="prior", label="prior")
        for number, (text, value) in enumerate(references.items()):
            dashes = _DASHES[number % len(_DASHES)]
            axes.axvline(value, color=INK, linewidth=1.0, linestyle=dashes, gid=f"reference {plain(text)}")
            axes.annotate(
                f"  {label(text)} {value:.3g}  ",
                (value, 0.98 - 0.1 * number),
                xycoords=("data", "axes fraction"),
                fontsize=8,
                va="top",
                ha="right" if value > 0.85 * axes.get_xlim()[1] else "left",
            )
        axes.set_xlim(0, None)
        axes.set_ylim(0, 1.05 * float(max(density["posterior"].max(), density["prior"].iloc[1:].max())))
        axes.set_xlabel(f"{name}: between-group standard deviation, {scale}")
        axes.set_ylabel("density")
        axes.legend(loc="upper right" if not references else "best")
    return figure
