"""The three pictures of random effects, and which columns each of them shows."""

from collections.abc import Sequence

from bayesglmm.errors import OptionError, choose, listing
from bayesglmm.estimands.random_effects import RandomEffects
from bayesglmm.plots import effect_pairs, effect_quantiles, forest
from bayesglmm.plots.style import Picture

__all__ = ["STYLES", "draw"]

STYLES = ("forest", "pairs", "quantiles")
"""Levels sorted, two columns against each other, effects against normal quantiles."""


def draw(effects: RandomEffects, style: str = "forest", columns: str | Sequence[str] | None = None) -> Picture:
    """Draw random effects.

    Parameters
    ----------
    effects
        The effects or coefficients of groups.
    style
        One of `STYLES`.
    columns
        One column or several; None for all, of pairs for the first two.

    Raises
    ------
    OptionError
        For an unknown style or column; for pairs or quantiles of anything but effects on the link scale; for a pair
        that is not of two columns.
    """
    choose("style", style, STYLES)
    written = None if columns is None else [columns] if isinstance(columns, str) else list(columns)
    names = effects.columns if written is None else tuple(effects.column(name, "columns") for name in written)
    if not names:
        raise OptionError(f"columns is empty; give one or more of {listing(effects.columns)}")
    if style == "forest":
        return forest.draw(effects, names)
    attrs = effects.draws.attrs
    if (attrs["quantity"], attrs["scale"]) != ("effects", "link"):
        raise OptionError(
            f"style={style!r} compares effects with N(0, G), which is of b on the link scale; use "
            "random_effects(…, quantity='effects', scale='link')"
        )
    if style == "quantiles":
        return effect_quantiles.draw(effects, names)
    return effect_pairs.draw(effects, *_pair(effects, None if written is None else names))


def _pair(effects: RandomEffects, names: tuple[str, ...] | None) -> tuple[str, str]:
    """Return two columns: those named, one named and the first other, or the first two."""
    every = effects.columns
    if len(every) < 2:
        raise OptionError(f"'{effects.factor}' has one column ({listing(every)}): a pair takes two, as in (1 + x | g)")
    if names is None:
        return every[0], every[1]
    if len(names) == 1:
        return names[0], next(name for name in every if name != names[0])
    if len(names) != 2 or names[0] == names[1]:
        raise OptionError(f"columns={listing(names)} is no pair; give two different ones of {listing(every)}")
    return names[0], names[1]
