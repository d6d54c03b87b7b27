"""`Estimates`: what every verb returns, labelled draws with their table, picture and estimand."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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
from bayesglmm.estimands.hypothesis_judgement import (
    BOUNDS,
    Judged,
    RopeOption,
    judgements,
    read_ropes,
    shown_judgements,
    transformed,
)
from bayesglmm.estimands.hypothesis_rows import combined
from bayesglmm.estimands.request import Request
from bayesglmm.estimands.shown import Shown
from bayesglmm.estimands.transforms import TransformOption, read_transform
from bayesglmm.estimands.wording import Unit
from bayesglmm.posterior.inference import INFERENCE, is_posterior, said
from bayesglmm.posterior.moments import summarise

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["RESERVED", "Estimates", "Shown", "estimates"]

type Array = NDArray[np.float64]

_STATISTICS = ("mean", "median", "sd", "lower", "upper", "probability_positive")
_ROPE = frozenset({"rope_lower", "rope_upper", "inside_rope"})
RESERVED = frozenset({"row", "frame", "chain", "draw", *_STATISTICS})
"""The names that tables and draws use themselves."""

_MOST_DESCRIBED = 8
"""The most columns that describe a row which a printed table has."""


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
    judged
        How each row is judged as a hypothesis; empty where rows are no hypotheses.
    """

    draws: xr.DataArray
    labels: tuple[str, ...]
    estimand: str
    ci_prob: float
    shown: Shown
    judged: tuple[Judged, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """A row an estimate: its labels, then `mean median sd lower upper` of its draws.

        Effects have `probability_positive` too, the posterior probability that the effect is above the value of no
        effect: 0 for differences, slopes and logarithms of ratios, 1 for ratios. So 0.02 says that it is almost surely
        below; draws of no posterior have none. Hypotheses have `null`, `probability`, `odds` and, with `rope=`,
        `inside_rope` too: see `bayesglmm.estimands.hypothesis_judgement.judgements`. `attrs` have `estimand` and
        `ci_prob`.
        """
        return self._table.copy()

    @cached_property
    def _table(self) -> pd.DataFrame:
        flat = self.flat
        labels = pd.DataFrame({name: self.draws.coords[name].values for name in self.labels}).infer_objects()
        table = pd.concat([labels, summarise(flat, self.ci_prob)], axis=1)
        if self.judged:
            table = pd.concat([table, judgements(self.draws.values, self.judged)], axis=1)
        elif self.shown.null is not None and is_posterior(self.draws):
            table["probability_positive"] = (flat > self.shown.null).mean(axis=0)
        table.attrs = {"estimand": self.estimand, "ci_prob": self.ci_prob}
        return table

    @property
    def _table_shown(self) -> pd.DataFrame:
        """The table as it is printed: a frame says nothing where there are no random effects."""
        whole = self.shown.grouped or self._table["frame"].nunique() > 1
        table = self._table.drop(columns=[*self._unprinted, *([] if whole else ["frame"])])
        if not self.judged:
            return table
        own = judgements(self.draws.values, self.judged[:1])
        return table.drop(columns=[name for name in table if name in own or name in _ROPE]).join(
            shown_judgements(self._table)
        )

    @property
    def _unprinted(self) -> tuple[str, ...]:
        """The labels for which a printed table has no room: those before the last of many that describe a row."""
        described = self.shown.described
        return described[_MOST_DESCRIBED - 1 : -1] if len(described) > _MOST_DESCRIBED else ()

    @property
    def flat(self) -> Array:
        """The draws of all chains in a row, (s, k)."""
        return np.asarray(self.draws.values.reshape(-1, self.draws.sizes["row"]))

    def hypothesis(
        self,
        hypotheses: str | Sequence[str] | Mapping[str, str],
        *,
        by: str | Sequence[str] | None = None,
        rope: RopeOption = None,
        transform: TransformOption = None,
    ) -> "Estimates":
        """Compare estimates with each other, draw by draw; the result can be compared again.

        Parameters
        ----------
        hypotheses
            `"reference"`: each row against the first; `"pairwise"`: the later of each pair against the earlier;
            `"sequential"`: each against the one before; within a frame. Ratios are compared by ratios. Or text in which
            `b1`, `b2`, … are the rows of the table in order: `"b2 - b1 = 0"`, `"b2 / b1 > 1"`, `"b1 - b2"`; several
            in a list, or in a mapping of names to them. Estimated is the left-hand side, minus the right-hand side
            unless that is a number, which then is the value compared with.
        by
            Labels within whose values rows are compared: `"time"` compares within each time. In text `b1` then is the
            first row of each value and frame.
        rope
            The region of practical equivalence: its ends, or half its width around the value compared with; a mapping
            gives one a hypothesis, by its name. After a transform it is on the scale of that.
        transform
            As in `transform`, applied to the result.

        Returns
        -------
        Estimates
            Labels: what all rows had in common, `hypothesis`, for text `rows`, which rows it is of; the labels of `by`;
            `frame`.

        Raises
        ------
        OptionError
            For an unknown label, or where there is nothing to compare.
        FormulaError
            For text that cannot be read wholly, or a row that is not there.
        """
        wanted = [by] if isinstance(by, str) else by or ()
        kept = [name for name in self.labels if name not in self.shown.described or name in wanted]
        labels = pd.DataFrame({name: self.draws.coords[name].values for name in kept})
        ratio = self.shown.ratio and self.shown.null == 1
        found = combined(labels, self.flat, hypotheses, by, ratio)
        names = tuple(map(str, found.labels))
        dims = {dim: self.draws.coords[dim].values for dim in ("chain", "draw")}
        coords = dims | {name: ("row", found.labels[name].to_numpy()) for name in names}
        sentence = f"{found.about}; of these estimates: {self.estimand}"
        frames = list(dict.fromkeys(found.labels["frame"]))
        attrs = {**self.draws.attrs, "estimand": sentence}
        attrs["frame"] = frames[0] if len(frames) == 1 else "see the coordinate frame"
        shaped = found.draws.reshape(*self.draws.shape[:2], -1)
        value = f"{'ratio' if found.ratio else 'comparison'} of estimates: {self.shown.value}"
        titles = {frame: self.shown.frames.get(frame, frame) for frame in frames}
        shown = Shown(
            "forest",
            value,
            null=found.null,
            ratio=found.ratio,
            frames=titles,
            grouped=self.shown.grouped,
            contrasts=self.shown.contrasts,
        )
        draws = xr.DataArray(shaped, coords, ("chain", "draw", "row"), attrs=attrs)
        result = Estimates(draws, names, sentence, self.ci_prob, shown, found.judged).transform(transform)
        return result if rope is None else result._with_rope(rope)

    def _with_rope(self, rope: RopeOption) -> "Estimates":
        """Return the same with a region of practical equivalence for each row."""
        judged = self.judged or (Judged("", self.shown.null),) * self.draws.sizes["row"]
        ropes = read_ropes(rope, self.draws.coords["hypothesis"].values.tolist(), [each.null for each in judged])
        both = zip(judged, ropes, strict=True)
        return replace(self, judged=tuple(replace(each, rope=region) for each, region in both))

    def transform(self, transform: TransformOption) -> "Estimates":
        """Return the estimates transformed in each draw.

        Parameters
        ----------
        transform
            A name in `bayesglmm.estimands.transforms.TRANSFORMS`, such as `"exp"`, or a function of arrays; None
            leaves them as they are.

        Returns
        -------
        Estimates
            The value of no effect, hypotheses and regions of equivalence are transformed too; there are none where the
            function neither increases nor decreases over the draws.

        Raises
        ------
        OptionError
            For an unknown transform, or one that fails or is not a number in some draw.
        """
        function = read_transform(transform)
        if function is None:
            return self
        values = function(self.draws.values)
        judged = tuple(transformed(each, function, self.draws.values[:, :, j]) for j, each in enumerate(self.judged))
        null = transformed(Judged("", self.shown.null), function, self.draws.values).null
        sentence = f"Transformed in each draw, {function.name}: {self.estimand}"
        attrs = {**self.draws.attrs, "estimand": sentence, "transform": function.name}
        shown = replace(
            self.shown,
            value=f"{function.name} of {self.shown.value}",
            null=null,
            ratio=function.name == "exp" and null == 1,
            bounds=(-np.inf, np.inf),
            raw=None,
        )
        draws = self.draws.copy(data=values).assign_attrs(attrs)
        return replace(self, draws=draws, estimand=sentence, shown=shown, judged=judged)

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
        shown = self._table_shown
        table = plain_table(shown).to_string(index=False, **_formats(shown, self.labels, digits), max_rows=40)
        return f"{fill(self._heading(), 110, break_on_hyphens=False)}\n\n{table}"

    def __str__(self) -> str:
        """Return the estimand, then the table, to four significant digits."""
        return self.to_text()

    def __repr__(self) -> str:
        """Return the same as `str()`: this is what a notebook or a prompt shows."""
        return str(self)

    def _repr_html_(self) -> str:
        shown = self._table_shown
        table = html(shown, index=False, **_formats(shown, self.labels, 4), max_rows=40)
        return block(f"<p>{escape(self._heading())}</p>{table}")

    def _heading(self) -> str:
        heading = f"{plain(self.estimand)} {100 * self.ci_prob:g}\N{NO-BREAK SPACE}% equal-tailed intervals."
        rest = listing(map(named, self._unprinted), 6)
        heading += f" Columns that only `.table` has: {rest}." if rest else ""
        bounded = self.judged and (self._table["odds_bound"] != "").any()
        return f"{heading} {BOUNDS}" if bounded else heading


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
    sentence = said(f"{estimand} {clause[0].upper()}{clause[1:]}.", request.posterior)
    sizes = {dim: request.posterior.sizes[dim] for dim in ("chain", "draw")}
    coords: dict[str, Any] = {dim: request.posterior[dim].values for dim in sizes}
    coords |= {name: ("row", table[name].to_numpy()) for name in map(str, table)}
    attrs = {
        **{name: value for name, value in request.posterior.attrs.items() if name == INFERENCE},
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
        "formatters": {
            plain(name): partial(_significant, digits=digits)
            for name in table
            if name not in labels and pd.api.types.is_numeric_dtype(table[name])
        },
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
