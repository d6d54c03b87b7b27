"""`Estimates`: what every verb returns, labelled draws with their table, picture and estimand."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.tables import block, html, plain_table
from bayesglmm.common.text import named, plain
from bayesglmm.errors import OptionError, listing
from bayesglmm.estimands.raw_means import Raw
from bayesglmm.estimands.request import Request
from bayesglmm.estimands.wording import Unit
from bayesglmm.posterior.moments import summarise

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["RESERVED", "Estimates", "Shown", "estimates"]

type Array = NDArray[np.float64]

_STATISTICS = ("mean", "median", "sd", "lower", "upper", "probability_positive")
RESERVED = frozenset({"row", "frame", "chain", "draw", *_STATISTICS})
"""The names that tables and draws use themselves."""

_MOST_DESCRIBED = 8
"""The most columns that describe a row which a printed table has."""


@dataclass(frozen=True)
class Shown:
    """How estimates are drawn.

    Parameters
    ----------
    shape
        `"curve"` over a numeric column, `"points"` over few values of one, `"labels"` over a factor, `"forest"`
        for rows that stand below each other.
    value
        What the estimates are, for their axis.
    focal
        The column on the horizontal axis, except in a forest.
    null
        The value of no effect: 0 or 1; None for means.
    ratio
        Whether the axis is logarithmic.
    bounds
        The range of the mean.
    frames
        What each frame is called, by its name.
    note
        What else a reader must know, below the picture.
    raw
        Computes the raw means of the outcome that can stand behind the estimates; None where there are none.
    contrasts
        What each contrast is called in a picture, by its name.
    grouped
        Whether the model has random effects, so that the frame matters.
    described
        The labels that say more of a row of the data than its number; a forest leaves them out.
    """

    shape: Literal["curve", "points", "labels", "forest"]
    value: str
    focal: str = ""
    null: float | None = None
    ratio: bool = False
    bounds: tuple[float, float] = (-np.inf, np.inf)
    frames: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    raw: Callable[[], Raw] | None = None
    contrasts: Mapping[str, str] = field(default_factory=dict)
    grouped: bool = True
    described: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Estimates:
    """Draws of one quantity or more, each with its labels and its frame.

    Parameters
    ----------
    draws
        Dims `chain`, `draw`, `row`; the labels of the rows are coordinates of `row`, the attributes say estimand
        and scale.
    labels
        The names of the labels, `frame` the last.
    estimand
        What is estimated, in which frame.
    ci_prob
        The probability of the equal-tailed intervals.
    shown
        How it is drawn.
    """

    draws: xr.DataArray
    labels: tuple[str, ...]
    estimand: str
    ci_prob: float
    shown: Shown

    @property
    def table(self) -> pd.DataFrame:
        """A row an estimate: its labels, then `mean median sd lower upper` of its draws.

        Effects have `probability_positive` too, the posterior probability that the effect is above the value of no
        effect: 0 for differences, slopes and logarithms of ratios, 1 for ratios. So 0.02 says that it is almost surely
        below. `attrs` have `estimand` and `ci_prob`.
        """
        return self._table.copy()

    @cached_property
    def _table(self) -> pd.DataFrame:
        flat = self.flat
        labels = pd.DataFrame({name: self.draws.coords[name].values for name in self.labels}).infer_objects()
        table = pd.concat([labels, summarise(flat, self.ci_prob)], axis=1)
        if self.shown.null is not None:
            table["probability_positive"] = (flat > self.shown.null).mean(axis=0)
        table.attrs = {"estimand": self.estimand, "ci_prob": self.ci_prob}
        return table

    @property
    def _table_shown(self) -> pd.DataFrame:
        """The table as it is printed: a frame says nothing where there are no random effects."""
        whole = self.shown.grouped or self._table["frame"].nunique() > 1
        return self._table.drop(columns=[*self._unprinted, *([] if whole else ["frame"])])

    @property
    def _unprinted(self) -> tuple[str, ...]:
        """The labels for which a printed table has no room: those before the last of many that describe a row."""
        described = self.shown.described
        return described[_MOST_DESCRIBED - 1 : -1] if len(described) > _MOST_DESCRIBED else ()

    @property
    def flat(self) -> Array:
        """The draws of all chains in a row, (s, k)."""
        return np.asarray(self.draws.values.reshape(-1, self.draws.sizes["row"]))

    def plot(
        self,
        *,
        style: Literal["ribbon", "spaghetti"] = "ribbon",
        lines: int = 60,
        labels: Mapping[str, str] | None = None,
        raw: bool = False,
    ) -> "Picture":
        """Draw the estimates: see `bayesglmm.plots.estimates.draw`."""
        from bayesglmm.plots.estimates import draw

        return draw(self, style=style, lines=lines, labels=labels, raw=raw)

    def to_text(self, digits: int = 4) -> str:
        """Return the estimand, then at most 40 rows of the table, estimates to `digits` significant digits.

        Whole parts below a million are printed in full; numeric labels always have four digits.

        Raises
        ------
        OptionError
            If `digits` is not a whole number from 1 to 15.
        """
        if not isinstance(digits, int) or isinstance(digits, bool) or not 1 <= digits <= 15:
            raise OptionError(f"digits={digits!r} is not a number of significant digits; give a whole number, 1 to 15")
        table = plain_table(self._table_shown).to_string(
            index=False, **_formats(self.table, self.labels, digits), max_rows=40
        )
        return f"{fill(self._heading(), 110, break_on_hyphens=False)}\n\n{table}"

    def __str__(self) -> str:
        """Return the estimand, then the table, to four significant digits."""
        return self.to_text()

    def __repr__(self) -> str:
        """Return the same as `str()`: this is what a notebook or a prompt shows."""
        return str(self)

    def _repr_html_(self) -> str:
        table = html(self._table_shown, index=False, **_formats(self.table, self.labels, 4), max_rows=40)
        return block(f"<p>{escape(self._heading())}</p>{table}")

    def _heading(self) -> str:
        rest = listing(map(named, self._unprinted), 6)
        more = f" Columns that only `.table` has: {rest}." if rest else ""
        return f"{plain(self.estimand)} {100 * self.ci_prob:g}\N{NO-BREAK SPACE}% equal-tailed intervals.{more}"


def estimates(
    request: Request,
    parts: Sequence[tuple[pd.DataFrame, Sequence[Array]]],
    estimand: str,
    shown: Shown,
    unit: Unit = "average",
    changed: Collection[str] = (),
) -> Estimates:
    """Put estimates together, the frames of a row below each other.

    Parameters
    ----------
    request
        The frames and the draws.
    parts
        Labels of k rows, and for each frame draws (s, k); parts follow each other.
    estimand
        What is estimated, without the frames.
    shown
        How it is drawn.
    unit
        What one estimate is of.
    changed
        The columns that are set to other values than the rows have.
    """
    names = [frame.name for frame in request.frames]
    tables, values = [], []
    for labels, draws_by_frame in parts:
        _check_labels(labels)
        table = labels.loc[labels.index.repeat(len(names))].reset_index(drop=True)
        tables.append(table.assign(frame=names * len(labels)))
        values.append(np.stack(draws_by_frame, axis=2).reshape(len(draws_by_frame[0]), -1))
    table, flat = pd.concat(tables, ignore_index=True), np.concatenate(values, axis=1)
    clause = request.frames_clause(unit, changed)
    sentence = f"{estimand} {clause[0].upper()}{clause[1:]}."
    sizes = {dim: request.posterior.sizes[dim] for dim in ("chain", "draw")}
    coords: dict[str, Any] = {dim: request.posterior[dim].values for dim in sizes}
    coords |= {name: ("row", table[name].to_numpy()) for name in map(str, table)}
    attrs = {
        "estimand": sentence,
        "frame": names[0] if len(names) == 1 else "see the coordinate frame",
        "scale": request.scale,
        "family": request.model.family.name,
        "link": request.model.family.link.name,
    }
    shaped = flat.reshape(*sizes.values(), -1)
    draws = xr.DataArray(shaped, coords, ("chain", "draw", "row"), attrs=attrs)
    shown = replace(shown, frames=request.frame_titles(), grouped=bool(request.model.design.blocks))
    return Estimates(draws, tuple(map(str, table)), sentence, request.ci_prob, shown)


def _formats(table: pd.DataFrame, labels: Sequence[str], digits: int) -> dict[str, Any]:
    """Return how pandas writes estimates and labels."""
    return {
        "float_format": "{:.4g}".format,
        "formatters": {plain(name): partial(_significant, digits=digits) for name in table if name not in labels},
    }


def _significant(value: float, digits: int) -> str:
    """Return a number to `digits` significant digits, the whole part in full below a million."""
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e6 else text


def _check_labels(table: pd.DataFrame) -> None:
    """Refuse columns with names that the table uses itself.

    Raises
    ------
    OptionError
        Naming them.
    """
    clashing = [name for name in table if name in RESERVED - {"row"} or list(table).count(name) > 1]
    if clashing:
        raise OptionError(f"the table has a column {clashing[0]!r} of its own; rename that of the data before the fit")
