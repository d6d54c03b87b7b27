"""What every verb is asked: of whom (one frame or several), on which scale, from which draws, how sure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from bayesglmm.common.text import named
from bayesglmm.errors import OptionError, choose, listing
from bayesglmm.estimands.frames import Frame, frames_by_block
from bayesglmm.estimands.offsets import offset_columns
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.posterior.summaries import interval
from bayesglmm.specify.formula import column_names, render
from bayesglmm.specify.model import Model

__all__ = ["SCALES", "Asked", "FrameOption", "Over", "Scale", "View", "ask"]

type Scale = Literal["response", "link"]
type Over = Literal["average", "rows", "grid"]
type FrameOption = Frame | Mapping[str, Frame] | Sequence[Frame | Mapping[str, Frame]]

SCALES: tuple[Scale, ...] = ("response", "link")
"""Of the outcome's mean, or of the linear predictor."""


@dataclass(frozen=True)
class View:
    """A frame: the name that rows carry, and the frame of each block."""

    name: str
    blocks: Mapping[str, Frame]


@dataclass(frozen=True, eq=False)
class Asked:
    """What every verb shares.

    Parameters
    ----------
    model, posterior, draws
        The model and its draws, as a dataset and as arrays.
    views
        The frames.
    scale
        Of the mean of the outcome, or of the linear predictor.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        What the effects of new groups are drawn from; the same throughout, so that contrasts are within groups.
    """

    model: Model
    posterior: xr.Dataset
    draws: Draws
    views: tuple[View, ...]
    scale: Scale
    ci_prob: float
    seed: int

    @property
    def factors(self) -> tuple[str, ...]:
        """The grouping factors whose levels matter in some frame."""
        named = {name for view in self.views for name, frame in view.blocks.items() if frame in ("group", "new_group")}
        return tuple(dict.fromkeys(block.factor for block in self.model.design.blocks if block.name in named))

    @property
    def quantity(self) -> str:
        """What is estimated of one row."""
        response, family = self.model.formula.response, self.model.family
        if self.scale == "link":
            return f"linear predictor ({family.link.name} scale) for {response}"
        if family.outcome_type == "trials":
            return f"probability of a success in {response}"
        if family.outcome_type == "binary":
            return f"probability of {named(render(response.outcome))} = {self.model.event or 1}"
        return f"expected {named(render(response.outcome))}"

    def whose(self, over: Over, changed: Iterable[str] = ()) -> str:
        """Say in a sentence whose number each frame gives.

        Parameters
        ----------
        over
            Whether it is of averages over rows, of rows, or of points of a grid.
        changed
            The columns of rows that are set to other values: a level of a factor made of them is not the row's own.
        """
        if not self.model.design.blocks:
            return "The model has no random effects."
        texts = [f"frame {view.name}: {self._of(view, over, frozenset(changed))}" for view in self.views]
        averaged = any(frame == "population" for view in self.views for frame in view.blocks.values())
        same = "; the average of the linear predictor over b is its value at b = 0"
        same = same if self.scale == "link" and averaged else ""
        return f"{'; '.join(texts)}{same}."

    def _of(self, view: View, over: Over, changed: frozenset[str]) -> str:
        """Say what becomes of the random effects of each factor."""
        said = []
        for frame, names in _by_frame(self.model, view).items():
            if frame == "group" and over != "grid":
                said.append(_IN_GROUPS[over].format(" and in ".join(self._levels(names, changed))))
            else:
                said.append((_TEXTS | _GROUPS[over])[frame].format(listing(names)))
        return ", ".join(said)

    def _levels(self, names: list[str], changed: frozenset[str]) -> list[str]:
        """Say which levels of grouping factors rows are in: their own, or those that columns which are set bring."""
        moved = self._moved(names, changed)
        own = [name for name in names if name not in moved]
        return [
            *([f"its own observed {listing(own)}"] if own else []),
            *(
                f"the observed level of {name} to which it belongs once {listing(columns)} "
                f"{'is' if len(columns) == 1 else 'are'} set"
                for name, columns in moved.items()
            ),
        ]

    def _moved(self, factors: Iterable[str], changed: frozenset[str]) -> dict[str, list[str]]:
        """Return the grouping factors whose levels change with the columns that are set, each with these columns."""
        terms = {block.factor: block.grouping.group for block in self.model.design.blocks}
        columns = {name: [one for one in column_names(*terms[name].factors) if one in changed] for name in factors}
        return {name: each for name, each in columns.items() if each}

    def titles(self) -> dict[str, str]:
        """Return what a picture calls each frame, by its name."""
        if not self.model.design.blocks:
            return {view.name: "no random effects" for view in self.views}
        found = {}
        for view in self.views:
            each = _by_frame(self.model, view).items()
            texts = [_TITLES[frame].format(listing(factors)) for frame, factors in each]
            found[view.name] = f"{view.name}: {', '.join(texts)}" if len(each) == 1 else ", ".join(texts)
        return found

    def offsets(self, given: Mapping[str, object]) -> str:
        """Say at which offset rows of data are, where the model has one."""
        offsets = self.model.formula.offsets
        if not offsets:
            return ""
        fixed = all(name in given for name in offset_columns(self.model))
        written = listing(render(offset) for offset in offsets)
        return f", at {'offset ' + written if fixed else f'the offset {written} of each row'}"


def ask(fit: Fitted, frame: FrameOption, scale: str, ci_prob: float, seed: int | None) -> Asked:
    """Read what every verb is asked.

    Raises
    ------
    OptionError
        For an unknown frame or scale, a frame given twice, or a probability that is none.
    """
    model, posterior = fit.model, fit.posterior
    several = [frame] if isinstance(frame, str | Mapping) else list(frame)
    if not several:
        raise OptionError("frame is empty; give one frame, such as 'population', or a tuple of several")
    views = tuple(_view(model, one) for one in several)
    names = [view.name for view in views]
    if len(set(names)) < len(names):
        raise OptionError(f"frame has the same frame more than once: {listing(names)}")
    choose("scale", scale, SCALES)
    interval(ci_prob)
    fresh = int(np.random.default_rng().integers(2**63)) if seed is None else seed
    draws = Draws(posterior, model.design)
    return Asked(model, posterior, draws, views, SCALES[SCALES.index(scale)], ci_prob, fresh)


def _view(model: Model, frame: str | Mapping[str, str]) -> View:
    blocks = frames_by_block(model.design, frame)
    name = frame if isinstance(frame, str) else "; ".join(f"{factor}: {one}" for factor, one in frame.items())
    return View(name, blocks)


_TEXTS = {
    "typical": "random effects of {} at 0 (the typical subject, conditional)",
    "population": "averaged over the random effects of {}, exactly in each draw",
}

_DRAWN = "its effects drawn from N(0, G) once in each posterior draw"
_GROUPS: dict[Over, dict[str, str]] = {
    "average": {
        "new_group": f"in one level of {{}} not yet seen, the same for all rows and throughout the table, {_DRAWN}",
    },
    "rows": {
        "new_group": f"each row in a level of {{}} not yet seen, one for each level among the rows, {_DRAWN}",
    },
    "grid": {
        "group": "in the observed level of {} of each point",
        "new_group": f"in one level of {{}} not yet seen, the same at all points, {_DRAWN}",
    },
}
"""What single groups are, of averages over rows, of rows and of points."""

_IN_GROUPS: dict[Over, str] = {
    "average": "each row in {}, so averaged over the levels observed and not over their population",
    "rows": "each row in {}",
}
"""What rows in observed levels are."""

_TITLES = {
    "typical": "b = 0 of {}",
    "population": "averaged over {}",
    "group": "observed {}",
    "new_group": "new {}",
}


def _by_frame(model: Model, view: View) -> dict[str, list[str]]:
    """List the grouping factors in each frame."""
    found: dict[str, list[str]] = {}
    for block in model.design.blocks:
        factors = found.setdefault(view.blocks[block.name], [])
        if block.factor not in factors:
            factors.append(block.factor)
    return found
