"""Frames: whose mean is estimated, and so what becomes of the random effects b ~ N(0, G) in each draw.

    "typical"     E(Y given x, b = 0), conditional       b is 0
                  brms: re_formula = NA
    "population"  ∫ g⁻¹(xβ + zᵀb) dN(b; 0, G), marginal  b is integrated out, exactly
                  brms: no equivalent
    "group"       E(Y given x, b_j)                      b_j of the row's observed group j
                  brms: re_formula = NULL
    "new_group"   E(Y given x, b)                        one b ~ N(0, G) for each group not fitted
                  brms: allow_new_levels = TRUE, sample_new_levels = "gaussian"

One frame holds for every block of random effects, or a mapping gives each grouping factor, or block, its own:
`{"site": "group", "id": "population"}`. Integrating over a block adds its zᵀGz to the variance v of η, so nested
and crossed blocks are averaged over together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.names import find
from bayesglmm.errors import DataError, OptionError, choose, listing, suggest
from bayesglmm.marginalize.groups import root
from bayesglmm.marginalize.mean import mean_over_b
from bayesglmm.posterior.draws import Draws, linear_predictor, random_part, variance_over_b
from bayesglmm.specify.design import BlockDesign, Columns, Design, rows_text
from bayesglmm.specify.families.links import Link
from bayesglmm.specify.formula import Term, column_names

__all__ = [
    "FRAMES",
    "BlockAtB",
    "BlockOverB",
    "Frame",
    "NamedFrame",
    "RandomPart",
    "distinct_rows",
    "eta_and_variance",
    "frames_by_block",
    "mean_response",
    "new_effects",
    "read_frame",
    "resolve",
]

type Array = NDArray[np.float64]
type Frame = Literal["typical", "population", "group", "new_group"]

FRAMES: tuple[Frame, ...] = get_args(Frame.__value__)
"""b = 0, averaged over b, an observed group, a group that was not fitted."""


@dataclass(frozen=True)
class NamedFrame:
    """A frame, or a mapping of frames, as the user wrote it, and the frame of each block of random effects."""

    name: str
    by_block: Mapping[str, Frame]


def read_frame(design: Design, frame: str | Mapping[str, str]) -> NamedFrame:
    """Return a frame with its name; errors as `frames_by_block`."""
    by_block = frames_by_block(design, frame)
    name = frame if isinstance(frame, str) else "; ".join(f"{factor}: {text}" for factor, text in frame.items())
    return NamedFrame(name, by_block)


def frames_by_block(design: Design, frame: str | Mapping[str, str]) -> dict[str, Frame]:
    """Return the frame of each block by its name.

    Parameters
    ----------
    design
        The design.
    frame
        One frame, or frames by grouping factor or by block; the entry of a block takes precedence over that of its
        factor.

    Raises
    ------
    OptionError
        For an unknown frame, an unknown factor, blocks that are left without a frame, or observed levels
        nested in levels that are new or averaged over.
    """
    frames = _by_block(design, frame)
    _check_nested(design, frames)
    return frames


def _by_block(design: Design, frame: str | Mapping[str, str]) -> dict[str, Frame]:
    """Return the frame of each block, its factors spelled as in the model."""
    if not isinstance(frame, Mapping):
        one_frame = _frame("frame", frame)
        return {block.name: one_frame for block in design.blocks}
    factors_and_blocks = dict.fromkeys(name for block in design.blocks for name in (block.factor, block.name))
    by_name: dict[str, Frame] = {}
    for name, text in frame.items():
        factor = find(str(name), factors_and_blocks)
        if factor is None:
            raise OptionError(
                f"frame has '{name}', which is not a grouping factor; {suggest(str(name), factors_and_blocks)}"
            )
        if factor in by_name:
            raise OptionError(f"frame has two entries for '{factor}'; keep one")
        by_name[factor] = _frame(f"frame[{name!r}]", text)
    missing = [block for block in design.blocks if block.name not in by_name and block.factor not in by_name]
    if missing:
        names = listing(f"'{block.name}'" for block in missing)
        raise OptionError(f"frame has no entry for {names}; give each one of {listing(FRAMES)}")
    return {block.name: by_name.get(block.name) or by_name[block.factor] for block in design.blocks}


def _check_nested(design: Design, frames: Mapping[str, Frame]) -> None:
    """Refuse the observed levels of a factor inside another whose levels are new or averaged over."""
    inside = (block for block in design.blocks if frames[block.name] == "group")
    for inner, outer in product(inside, design.blocks):
        nested = set(outer.grouping.group.factors) < set(inner.grouping.group.factors)
        if nested and frames[outer.name] in ("population", "new_group"):
            raise OptionError(
                f"frame={dict(frames)} has observed levels of '{inner.factor}', and each lies in an observed level of "
                f"'{outer.factor}', which cannot be '{frames[outer.name]}' at the same time; use 'group' for both, or "
                f"'{frames[outer.name]}' for both"
            )


def _frame(option: str, text: str) -> Frame:
    choose(option, text, FRAMES)
    return FRAMES[FRAMES.index(text)]


class BlockAtB(NamedTuple):
    """A block whose random effects have values: b (s, m, k), its columns (n, k), the group of each row (n,)."""

    b: Array
    z: Array
    group: NDArray[np.int64]


class BlockOverB(NamedTuple):
    """A block that is integrated over: its covariance G (s, k, k) and its columns (n, k)."""

    g: Array
    z: Array


@dataclass(frozen=True, eq=False)
class RandomPart:
    """The random part of η in a choice of frames: `at_b` adds zᵀb to η, `over_b` adds zᵀGz to its variance."""

    at_b: tuple[BlockAtB, ...]
    over_b: tuple[BlockOverB, ...]


def resolve(
    draws: Draws, design: Design, frames: Mapping[str, Frame], rng: np.random.Generator, *, one_group: bool = False
) -> RandomPart:
    """Return the random effects of each block in its frame; a block in the frame `"typical"` adds nothing.

    Parameters
    ----------
    draws
        The posterior, s draws.
    design
        n rows.
    frames
        The frame of each block.
    rng
        Draws the effects of new groups, in the order of their labels: designs with the same groups have the same
        effects from the same seed, so that contrasts between them are within groups.
    one_group
        Whether all rows lie in the same new group of each factor, whatever their labels: an average over the rows
        then has the spread of one group.

    Raises
    ------
    DataError
        For a group that was not fitted in the frame `"group"`.
    """
    at_b, over_b = [], []
    for block in design.blocks:
        match frames[block.name]:
            case "group":
                _check_observed(block, design.columns)
                at_b.append(BlockAtB(draws.b(block), block.z, block.index))
            case "new_group":
                single = (1, np.zeros(design.n, dtype=np.int64))
                groups, index = single if one_group else _new_groups(block, design.columns)
                at_b.append(BlockAtB(new_effects(rng, draws.covariance(block), groups), block.z, index))
            case "population":
                over_b.append(BlockOverB(draws.covariance(block), block.z))
    return RandomPart(tuple(at_b), tuple(over_b))


def new_effects(rng: np.random.Generator, g: Array, groups: int) -> Array:
    """Draw b ~ N(0, G) of new groups in each posterior draw, shape (s, groups, k), from G (s, k, k)."""
    return np.asarray(rng.standard_normal((len(g), groups, g.shape[1])) @ root(g))


def eta_and_variance(
    beta: Array, design: Design, random: RandomPart, rows: slice | NDArray[np.int64]
) -> tuple[Array, Array | None]:
    """Return η = xβ + offset + Σ zᵀb over `at_b`, and its variance v = Σ zᵀGz over `over_b`, for some rows.

    Returns
    -------
    eta, v
        Each of shape (s, rows), on the link scale; v is None if nothing is integrated over.
    """
    eta = linear_predictor(beta, design.x[rows], design.offset[rows])
    for b, z, group in random.at_b:
        eta += random_part(b, z[rows], group[rows])
    if not random.over_b:
        return eta, None
    return eta, np.sum([variance_over_b(g, z[rows]) for g, z in random.over_b], axis=0)


def mean_response(link: Link, eta: Array, v: Array | None) -> Array:
    """Return the mean on the scale of the response: g⁻¹(η), or its average over N(η, v); shapes (s, n).

    Raises
    ------
    OptionError
        If the average does not exist under this link.
    DataError
        If a mean is negative that cannot be, which the inverse link allows.
    """
    if v is not None:
        return mean_over_b(link, eta, v)
    with np.errstate(over="ignore", divide="ignore"):
        mean = np.asarray(link.inverse(eta))
    if link.range == "positive" and (mean < 0).any():
        raise DataError(
            f"{(mean < 0).mean():.1%} of the means are negative here, which the {link.name} link does not prevent: "
            "these predictors lie outside what the model can describe; use the log link"
        )
    return mean


def distinct_rows(design: Design) -> tuple[NDArray[np.int64], Array]:
    """Return one row of each set that is equal in all that the mean and the variance depend on: x, offset, exposure, z.

    Returns
    -------
    rows, weights
        The first row of each set (c,), and its number of outcomes (c,): rows, or their trials, by their weights. Sets
        of weight 0 are left out.
    """
    outcome = design.outcome
    counts = np.ones(design.n) if outcome is None else outcome.weights_or_ones * outcome.trials_or_ones
    key = np.column_stack([design.x, design.offset, design.exposures, *(block.z for block in design.blocks)])
    _, rows, cell = np.unique(key, axis=0, return_index=True, return_inverse=True)
    total = np.bincount(cell.reshape(-1), counts)
    return rows[total > 0], total[total > 0]


def _check_observed(block: BlockDesign, columns: Columns) -> None:
    """Refuse rows whose group was not fitted, by name, with the three ways out."""
    unknown = np.flatnonzero(block.index < 0)
    if not len(unknown):
        return
    absent = [name for name in column_names(*block.grouping.group.factors) if name not in columns]
    if absent:
        what = f"the data have no column {listing(f"'{name}'" for name in absent)}"
    else:
        labels = dict.fromkeys(block.grouping.labels(columns)[unknown].tolist())
        what = f"{listing(labels, 6)} in {rows_text(columns.rows[unknown].tolist())} were not observed"
    raise DataError(
        f"frame 'group' needs the observed levels of '{block.factor}', but {what} (observed: "
        f"{listing(block.levels, 6)}); use frame={{'{block.factor}': 'population'}} to average over the population of "
        f"'{block.factor}', frame={{'{block.factor}': 'new_group'}} for one new level, or pass outcomes of "
        "these levels as new_outcomes="
    )


def _new_groups(block: BlockDesign, columns: Columns) -> tuple[int, NDArray[np.int64]]:
    """Count the group labels of the data and index the rows (n,) by them; an absent column counts as one label."""
    factors = block.grouping.group.factors
    present = tuple(factor for factor in factors if all(name in columns for name in column_names(factor)))
    if not present:
        return 1, np.zeros(columns.n, dtype=np.int64)
    labels = replace(block.grouping, group=Term(present)).labels(columns)
    distinct, index = np.unique(labels.astype(str), return_inverse=True)
    return len(distinct), index.astype(np.int64)
