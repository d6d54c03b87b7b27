"""What draws say about a hypothesis: its posterior probability and odds, the share in a region of equivalence.

References
----------
Hanley & Lippman-Hand (1983), Journal of the American Medical Association 249, 1743-1745: the rule of three.
Kruschke (2018), Advances in Methods and Practices in Psychological Science 1, 270-280: practical equivalence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, suggest
from bayesglmm.estimands.hypothesis_text import FLIPPED, Relation
from bayesglmm.estimands.transforms import Transform

__all__ = [
    "AT_LEAST",
    "AT_MOST",
    "BOUNDS",
    "Judged",
    "Rope",
    "RopeOption",
    "judgements",
    "read_ropes",
    "shown_judgements",
    "transformed",
]

type Array = NDArray[np.float64]
type Rope = tuple[float, float]
type RopeOption = float | tuple[float, float] | Mapping[str, float | tuple[float, float]] | None

AT_LEAST, AT_MOST = "at least", "at most"

BOUNDS = (
    "Where all draws agree on a hypothesis, > and < are bounds of its probability and odds, of 95 % confidence (rule "
    "of three on the effective number of draws)."
)
"""What is said where odds are bounds."""

_RULE_OF_THREE = 3.0
"""95 % upper bound, −log 0.05 ≈ 3, on the expected number of independent draws of a kind of which there is none."""


@dataclass(frozen=True)
class Judged:
    """How a quantity is judged.

    Parameters
    ----------
    relation
        Of the hypothesis; `""` where there is none.
    null
        The value it is compared with; None where there is none.
    rope
        The ends of the region of practical equivalence; None where there is none.
    """

    relation: Relation = ""
    null: float | None = None
    rope: Rope | None = None


def read_ropes(rope: Any, names: Sequence[str], nulls: Sequence[float | None]) -> tuple[Rope | None, ...]:
    """Return the region of practical equivalence of each hypothesis.

    Parameters
    ----------
    rope
        Its ends, or half its width around the value that a hypothesis compares with (0 for a quantity alone); a mapping
        gives one a hypothesis, by its name; None for none.
    names, nulls
        The hypotheses, and the values they compare with.

    Raises
    ------
    OptionError
        For an unknown name, ends out of order, or a width not above 0.
    """
    if isinstance(rope, Mapping):
        for name in rope:
            if name not in names:
                raise OptionError(f"rope has {name!r}, which is no hypothesis here; {suggest(str(name), names)}")
        return tuple(_rope(rope.get(name), null) for name, null in zip(names, nulls, strict=True))
    return tuple(_rope(rope, null) for null in nulls)


def _rope(rope: Any, null: float | None) -> Rope | None:
    if rope is None:
        return None
    if isinstance(rope, int | float | np.number) and not isinstance(rope, bool):
        if not 0 < float(rope) < np.inf:
            raise OptionError(
                f"rope={rope!r} is half the width of the region and above 0; or give its ends (low, high)"
            )
        return (null or 0.0) - float(rope), (null or 0.0) + float(rope)
    ends = list(rope) if isinstance(rope, list | tuple | np.ndarray) else []
    if (
        len(ends) != 2
        or not all(isinstance(end, int | float | np.number) for end in ends)
        or not float(ends[0]) < float(ends[1])
    ):
        raise OptionError(f"rope={rope!r} is neither two ends (low, high), the lower first, nor half a width")
    return float(ends[0]), float(ends[1])


def transformed(judged: Judged, function: Transform, draws: Array) -> Judged:
    """Return how the transform of draws is judged: its null and region transformed, its relation turned where it falls.

    Where the transform neither increases nor decreases, a hypothesis about the draws is none about their transform.
    """
    points = [point for point in (judged.null, *(judged.rope or ())) if point is not None]
    direction = function.direction(draws, points)
    if not direction:
        return Judged()
    null = None if judged.null is None else function.at(judged.null)
    ends = sorted(function.at(end) for end in judged.rope or ())
    rope = (ends[0], ends[1]) if ends else None
    return Judged(judged.relation if direction > 0 else FLIPPED[judged.relation], null, rope)


def judgements(draws: Array, judged: Sequence[Judged]) -> pd.DataFrame:
    """Judge quantities by their draws.

    Parameters
    ----------
    draws
        (chains, draws, k).
    judged
        How each is judged.

    Returns
    -------
    pandas.DataFrame
        A row a quantity. `relation` and `null`, as in `Judged`. `probability_positive`: the posterior probability that
        it is above `null`. `probability`: that the hypothesis holds, NaN for a point and where there is none. `odds`:
        probability / (1 − probability). Where all draws agree the odds are no number but bounded, with 95 % confidence,
        by the rule of three on the effective number of draws; `odds_bound` then is "at least" or "at most".
        `rope_lower`, `rope_upper`, `inside_rope`: the region and the share of draws inside, if any row has one.
    """
    rows = [_judgement(draws[:, :, j], each) for j, each in enumerate(judged)]
    table = pd.DataFrame(rows)
    if all(each.rope is None for each in judged):
        table = table.drop(columns=["rope_lower", "rope_upper", "inside_rope"])
    return table


def _judgement(draws: Array, judged: Judged) -> dict[str, Any]:
    null = np.nan if judged.null is None else judged.null
    low, high = judged.rope or (np.nan, np.nan)
    above = np.nan if judged.null is None else float(np.mean(draws > null))
    match judged.relation:
        case "<" | "<=":
            probability = float(np.mean(draws < null if judged.relation == "<" else draws <= null))
        case ">" | ">=":
            probability = float(np.mean(draws > null if judged.relation == ">" else draws >= null))
        case _:
            probability = np.nan
    odds, bound = _odds(probability, draws)
    inside = np.nan if judged.rope is None else float(np.mean((draws >= low) & (draws <= high)))
    values: dict[str, Any] = {"probability_positive": above, "relation": judged.relation, "null": null}
    values |= {"probability": probability, "odds": odds, "odds_bound": bound}
    return values | {"rope_lower": low, "rope_upper": high, "inside_rope": inside}


def _odds(probability: float, draws: Array) -> tuple[float, str]:
    """Return posterior odds, or their bound where all draws agree."""
    if 0 < probability < 1 or np.isnan(probability):
        return probability / (1 - probability), ""
    most = max(_effective(draws) / _RULE_OF_THREE - 1, 1.0)
    return (most, AT_LEAST) if probability == 1 else (1 / most, AT_MOST)


def _effective(draws: Array) -> float:
    """Return the effective number of draws (chains, draws) in the tails, at most their number."""
    import arviz as az

    size = float(draws.size)
    if not np.isfinite(draws).all() or np.ptp(draws) == 0 or draws.shape[1] < 4:
        return size
    effective = float(az.ess(draws, method="tail", prob=0.95))
    return min(effective, size) if np.isfinite(effective) else size


def shown_judgements(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `judgements` as they are printed: bounds as such, columns that say nothing left out."""
    shown = pd.DataFrame(index=table.index)
    if (table["null"] != 0).any() and table["null"].notna().any():
        shown["null"] = table["null"].map(_short)
    if (table["probability"].isna() & table["null"].notna()).any():
        shown["probability_positive"] = table["probability_positive"].map(_probability)
    if table["probability"].notna().any():
        shown["probability"] = [
            _bounded(odds / (1 + odds), bound) if bound else _probability(probability)
            for probability, odds, bound in zip(table["probability"], table["odds"], table["odds_bound"], strict=True)
        ]
        shown["odds"] = [
            f"{_SIGNS[bound]}{_short(odds)}" for odds, bound in zip(table["odds"], table["odds_bound"], strict=True)
        ]
    if "inside_rope" in table:
        shown["rope"] = [
            "" if np.isnan(low) else f"{_short(low)} to {_short(high)}"
            for low, high in zip(table["rope_lower"], table["rope_upper"], strict=True)
        ]
        shown["inside_rope"] = table["inside_rope"].map(_probability)
    return shown


_SIGNS = {"": "", AT_LEAST: "> ", AT_MOST: "< "}


def _bounded(probability: float, bound: str) -> str:
    """Write a bound of a probability with as many digits as tell it from 0 or 1, towards the middle."""
    rest = 1 - probability if bound == AT_LEAST else probability
    places = 1 - int(np.floor(np.log10(rest)))
    step = 10.0**-places
    rounded = np.ceil(rest / step) * step
    return f"{_SIGNS[bound]}{1 - rounded if bound == AT_LEAST else rounded:.{places}f}"


def _probability(value: float) -> str:
    if np.isnan(value):
        return ""
    if value in (0.0, 1.0):
        return "all draws" if value else "no draw"
    return f"{value:.4f}" if 0.001 <= value <= 0.999 else f"{value:.6g}"


def _short(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
