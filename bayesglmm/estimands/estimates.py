"""`Estimates`: what every verb returns, labelled draws with their table, picture and estimand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.estimands.estimates_text import as_html, as_text
from bayesglmm.estimands.hypothesis_judgement import Judged, RopeOption, judgements, read_ropes, transformed
from bayesglmm.estimands.hypothesis_rows import combined
from bayesglmm.estimands.shown import Shown
from bayesglmm.estimands.transforms import TransformOption, read_transform
from bayesglmm.posterior.inference import is_posterior
from bayesglmm.posterior.moments import summarise

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["RESERVED", "Estimates"]

type Array = NDArray[np.float64]

_STATISTICS = ("mean", "median", "sd", "lower", "upper", "probability_positive")
RESERVED = frozenset({"row", "frame", "chain", "draw", *_STATISTICS})
"""The names that tables and draws use themselves."""


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
        return as_text(self, digits)

    def __str__(self) -> str:
        """Return the estimand, then the table, to four significant digits."""
        return self.to_text()

    def __repr__(self) -> str:
        """Return the same as `str()`: this is what a notebook or a prompt shows."""
        return str(self)

    def _repr_html_(self) -> str:
        return as_html(self, 4)
