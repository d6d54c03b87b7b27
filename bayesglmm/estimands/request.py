"""What every verb reads first: the draws, the frames, the scale, the probability of the intervals, the seed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import xarray as xr

from bayesglmm.errors import OptionError, choose, listing
from bayesglmm.estimands import wording
from bayesglmm.estimands.frames import Frame, NamedFrame, read_frame
from bayesglmm.estimands.wording import Scale, Unit
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.moments import interval
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.specify.formula import column_names
from bayesglmm.specify.model import Model

__all__ = ["SCALES", "FrameOption", "Request", "Scale", "read_request"]

type FrameOption = Frame | Mapping[str, Frame] | Sequence[Frame | Mapping[str, Frame]]

SCALES: tuple[Scale, ...] = get_args(Scale.__value__)
"""The mean of the outcome, the linear predictor."""


@dataclass(frozen=True, eq=False)
class Request:
    """What every verb shares.

    Parameters
    ----------
    model, posterior, draws
        The model and its draws, as a dataset and as arrays.
    frames
        The frames, each giving rows of the table.
    scale
        `"response"` for the mean of the outcome, `"link"` for the linear predictor.
    ci_prob
        The probability of the equal-tailed intervals.
    seed
        The seed of the effects of new groups; the same throughout, so that contrasts are within groups.
    """

    model: Model
    posterior: xr.Dataset
    draws: Draws
    frames: tuple[NamedFrame, ...]
    scale: Scale
    ci_prob: float
    seed: int

    @property
    def factors(self) -> tuple[str, ...]:
        """The grouping factors whose levels are read, for the frames `"group"` and `"new_group"`."""
        blocks = {
            name for frame in self.frames for name, each in frame.by_block.items() if each in ("group", "new_group")
        }
        return tuple(dict.fromkeys(block.factor for block in self.model.design.blocks if block.name in blocks))

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns of the grouping factors whose levels are observed ones, for the frame `"group"`."""
        blocks = {name for frame in self.frames for name, each in frame.by_block.items() if each == "group"}
        factors = [block.grouping.group.factors for block in self.model.design.blocks if block.name in blocks]
        return column_names(*(factor for each in factors for factor in each))

    @property
    def quantity(self) -> str:
        """What is estimated of one row."""
        return wording.quantity(self.model, self.scale)

    @property
    def bounds(self) -> tuple[float, float]:
        """The range of what is estimated of one row."""
        if self.scale == "link":
            return -np.inf, np.inf
        ranges = {"real": (-np.inf, np.inf), "positive": (0.0, np.inf), "unit": (0.0, 1.0)}
        return ranges[self.model.family.link.range]

    def frames_clause(self, unit: Unit, changed: Collection[str] = ()) -> str:
        """Say what becomes of the random effects in each frame: see `bayesglmm.estimands.wording.frames_clause`."""
        return wording.frames_clause(self.model, self.frames, unit, self.scale, changed)

    def frame_titles(self) -> dict[str, str]:
        """Return what a picture calls each frame, by its name."""
        return {frame.name: wording.frame_title(self.model, frame) for frame in self.frames}


def read_request(fit: Fitted, frame: FrameOption, scale: str, ci_prob: float, seed: int | None) -> Request:
    """Check the options that every verb has.

    Raises
    ------
    OptionError
        For an unknown frame or scale, a frame twice, or a `ci_prob` that is not between 0 and 1.
    """
    model, posterior = fit.model, fit.posterior
    options = [frame] if isinstance(frame, str | Mapping) else list(frame)
    if not options:
        raise OptionError("frame is empty; give one frame, such as 'population', or a tuple of several")
    frames = tuple(read_frame(model.design, option) for option in options)
    names = [each.name for each in frames]
    if len(set(names)) < len(names):
        raise OptionError(f"frame has the same frame more than once: {listing(names)}")
    choose("scale", scale, SCALES)
    interval(ci_prob)
    seed = int(np.random.default_rng().integers(2**63)) if seed is None else seed
    draws = Draws(posterior, model.design)
    return Request(model, posterior, draws, frames, SCALES[SCALES.index(scale)], ci_prob, seed)
