"""`Predictive`: the posterior predictive distribution of the rows of a fit, random effects held or redrawn.

    frame         random effects b                                  a check of
    "group"       of each draw, at the observed groups              the distribution of rows given their group
    "population"  redrawn from N(0, G), one a group and a draw      all of it, the distribution of b included

Held effects have been fitted to the same outcomes: replicated groups then resemble the observed ones whatever G is.

References
----------
Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-760.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, choose, listing
from bayesglmm.estimands.frames import NamedFrame, RandomPart, eta_and_variance, mean_response, read_frame, resolve
from bayesglmm.posterior.draws import Draws, chunks
from bayesglmm.posterior.inference import said
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sensitivity.thinning import Budget, step_for_count
from bayesglmm.specify.model import Model

__all__ = ["CHECK_FRAMES", "CheckFrame", "CheckFrameOption", "Predictive", "read_check_frame"]

type Array = NDArray[np.float64]
type CheckFrame = Literal["group", "population"]
type CheckFrameOption = CheckFrame | Mapping[str, CheckFrame]

CHECK_FRAMES: tuple[CheckFrame, ...] = get_args(CheckFrame.__value__)
"""Random effects held at their draws, or redrawn."""

_DRAWS = Budget(2e7, 100, 1000)
"""Distribution functions and replicated outcomes of every row: a second or two."""


@dataclass(frozen=True, eq=False)
class Predictive:
    """The posterior predictive distribution of n rows over s draws.

    Parameters
    ----------
    model
        The model.
    posterior
        The draws used: all, or evenly spaced ones.
    frame
        Which random effects are held and which redrawn.
    random
        The random effects of each draw, in that frame.
    rows
        (n,) the rows of the model's data that these are: a row of weight w is w of them, unless by row.
    """

    model: Model
    posterior: xr.Dataset
    frame: NamedFrame
    random: RandomPart
    rows: NDArray[np.int64]
    _draws: Draws
    _beta: Array
    _parameters: Mapping[str, Array]

    @classmethod
    def of(
        cls,
        fit: Fitted,
        frame: CheckFrameOption,
        rng: np.random.Generator,
        max_draws: int | None = None,
        *,
        by_row: bool = False,
    ) -> "Predictive":
        """Return the predictive distribution of the outcomes of a fit: of each row as many as its weight.

        Parameters
        ----------
        fit
            The fit.
        frame
            One of `CHECK_FRAMES`, or a mapping of grouping factors to them.
        rng
            Redraws random effects.
        max_draws
            The largest number of draws, evenly spaced; None for 100 to 1,000, the more the fewer rows there are.
        by_row
            Whether each row of a weight above 0 stands once.

        Raises
        ------
        OptionError
            For an unknown frame, a number of draws below 20, a fit of the prior alone, or weights that are not whole.
        """
        if fit.draws.attrs.get("prior_only"):
            raise OptionError("these are draws from the prior alone: fit the data to check the model against them")
        if max_draws is not None and max_draws < 20:
            raise OptionError(f"max_draws={max_draws!r} is too few for a distribution; give 20 or more")
        rows = _rows(fit.model, by_row)
        named = read_check_frame(fit.model, frame)
        posterior, model, design = fit.posterior, fit.model, fit.model.design
        if model.formula.response.weights is not None:
            design = design.at(rows)
            model = replace(model, design=design)
        total = posterior.sizes["chain"] * posterior.sizes["draw"]
        step = step_for_count(_DRAWS, total, design.n, max_draws)
        thinned = posterior.isel(draw=slice(None, None, min(step, posterior.sizes["draw"])))
        draws = Draws(thinned, design)
        redrawn = {name: "group" if one == "group" else "new_group" for name, one in named.by_block.items()}
        random = resolve(draws, design, redrawn, rng)  # type: ignore[arg-type]
        return cls(model, thinned, named, random, rows, draws, draws.beta, draws.parameters(model.family))

    @property
    def draws(self) -> Draws:
        """The draws used, as arrays."""
        return self._draws

    @property
    def size(self) -> int:
        """The number of draws used, s."""
        return self._draws.size

    @property
    def n(self) -> int:
        """The number of rows."""
        return self.model.design.n

    @property
    def y(self) -> Array:
        """The observed outcomes, (n,); of trials the number of successes."""
        assert self.model.design.outcome is not None
        return self.model.design.outcome.y

    @property
    def trials(self) -> Array:
        """The trials of each row, or the exposure of a count, (n,); 1 without."""
        return self.model.design.units

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The family parameters by name, (s, 1) each."""
        return self._parameters

    @property
    def redraws(self) -> bool:
        """Whether any random effects are redrawn."""
        return any(frame == "population" for frame in self.frame.by_block.values())

    @property
    def discrete(self) -> bool:
        """Whether outcomes are whole numbers."""
        return self.model.family.outcome_type != "continuous"

    @property
    def held(self) -> str:
        """What becomes of the random effects, as a clause; with how rows of weights count."""
        repeated = len(np.unique(self.rows)) < self.n
        return self._held + ("; each row as many outcomes as its weight says" if repeated else "")

    @property
    def _held(self) -> str:
        blocks = self.model.design.blocks
        if not blocks:
            return "the model has no random effects"
        kept = dict.fromkeys(block.factor for block in blocks if self.frame.by_block[block.name] == "group")
        redrawn = dict.fromkeys(block.factor for block in blocks if self.frame.by_block[block.name] != "group")
        texts = []
        if kept:
            texts.append(
                f"random effects of {listing(kept)} held at their posterior draws, so that a wrong distribution of "
                "them cannot be seen"
            )
        if redrawn:
            texts.append(f"random effects of {listing(redrawn)} redrawn from N(0, G), one a level in each draw")
        return said(f"frame {self.frame.name}: {'; '.join(texts)}", self.posterior)

    def parts(self) -> Iterator[slice]:
        """Cut the rows into slices small enough for arrays over all draws."""
        return chunks(self.size, self.n)

    def mean(self, part: slice) -> Array:
        """Return the mean given the random effects of each draw, (s, rows); of trials the probability of a success."""
        eta, _ = eta_and_variance(self._beta, self.model.design, self.random, part)
        return mean_response(self.model.family.link, eta, None)

    def replicated(self, rng: np.random.Generator) -> Array:
        """Return replicated outcomes, one set of rows a draw, (s, n)."""
        values = np.empty((self.size, self.n))
        for part in self.parts():
            values[:, part] = self.model.family.draw(rng, self.mean(part), self.parameters, self.trials[part])
        return values

    def fitted(self) -> Array:
        """Return the posterior mean of the mean of each row given its random effects, (n,)."""
        return np.concatenate([self.mean(part).mean(axis=0) for part in self.parts()])

    def labelled(self, values: Array, name: str, **attrs: str) -> xr.DataArray:
        """Return values (s,) or (s, n) with dims `chain`, `draw` and `row`."""
        sizes = {dim: self.posterior.sizes[dim] for dim in ("chain", "draw")}
        coords = {dim: self.posterior[dim].values for dim in sizes}
        dims = ("chain", "draw")
        if values.ndim == 1:
            return xr.DataArray(values.reshape(*sizes.values()), coords, dims, name, attrs)
        coords["row"] = self.model.design.columns.rows
        return xr.DataArray(values.reshape(*sizes.values(), -1), coords, (*dims, "row"), name, attrs)


def _rows(model: Model, by_row: bool) -> NDArray[np.int64]:
    """Return the rows of the data that are checked: as often as their weight, or once where it is not 0."""
    assert model.design.outcome is not None
    counts, response = model.design.outcome.counts, model.formula.response
    if counts is None:
        written = replace(response, weights=None)
        raise OptionError(
            f"the rows of {response} have weights that are not whole numbers, and stand for no number of outcomes that "
            f"could be replicated: fit the rows without weights, {written} ~ …, to check the model"
        )
    return np.flatnonzero(counts) if by_row else np.repeat(np.arange(len(counts)), counts)


def read_check_frame(model: Model, frame: CheckFrameOption) -> NamedFrame:
    """Return the frame of each block of a check.

    Raises
    ------
    OptionError
        For a frame other than `"group"` and `"population"`, an unknown factor, or one left out.
    """
    for one in frame.values() if isinstance(frame, Mapping) else [frame]:
        choose("frame", one, CHECK_FRAMES)
    return read_frame(model.design, frame)
