"""Whose number it is: frames, block by block, and what each makes of the random effects, draw by draw.

Each block of random effects is at b = 0, at the b of the row's group, at the b of a group not yet seen, or
averaged over; the last only adds its zᵀGz to v, so nested and crossed blocks are averaged together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

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
    "Effects",
    "Frame",
    "distinct_rows",
    "eta_and_variance",
    "frames_by_block",
    "mean_response",
    "new_effects",
    "resolve",
]

type Array = NDArray[np.float64]
type Frame = Literal["typical", "population", "group", "new_group"]

FRAMES: tuple[Frame, ...] = ("typical", "population", "group", "new_group")
"""Whose number it is: b = 0, averaged over b, an observed group's, one group's not yet seen."""


def frames_by_block(design: Design, frame: str | Mapping[str, str]) -> dict[str, Frame]:
    """Return the frame of each block by its name.

    Parameters
    ----------
    design
        The design whose blocks are meant.
    frame
        One frame, or frames by grouping factor as written or by block; a block's own name goes before its
        factor where the two differ.

    Raises
    ------
    OptionError
        For an unknown frame, an unknown factor, blocks that are left without a frame, or observed levels
        inside levels that are not.
    """
    frames = _each(design, frame)
    _check_nested(design, frames)
    return frames


def _each(design: Design, frame: str | Mapping[str, str]) -> dict[str, Frame]:
    """Return the frame of each block, named rightly or refused."""
    if not isinstance(frame, Mapping):
        one = _frame("frame", frame)
        return {block.name: one for block in design.blocks}
    known = dict.fromkeys(name for block in design.blocks for name in (block.factor, block.name))
    given: dict[str, Frame] = {}
    for name, text in frame.items():
        found = find(str(name), known)
        if found is None:
            raise OptionError(f"frame has '{name}', which is not a grouping factor; {suggest(str(name), known)}")
        if found in given:
            raise OptionError(f"frame says twice what becomes of '{found}'; keep one")
        given[found] = _frame(f"frame[{name!r}]", text)
    missing = [block for block in design.blocks if block.name not in given and block.factor not in given]
    if missing:
        names = listing(f"'{block.name}'" for block in missing)
        raise OptionError(f"frame does not say what becomes of {names}; give each one of {listing(FRAMES)}")
    return {block.name: given.get(block.name) or given[block.factor] for block in design.blocks}


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


@dataclass(frozen=True, eq=False)
class Effects:
    """What the random effects of a design are in a choice of frames.

    Parameters
    ----------
    known
        For each block at given effects: b (s, m, k), the block's columns (n, k) and the index of each row (n,).
    integrated
        For each block averaged over: G (s, k, k) and the block's columns (n, k).
    """

    known: tuple[tuple[Array, Array, NDArray[np.int64]], ...]
    integrated: tuple[tuple[Array, Array], ...]


def resolve(
    draws: Draws, design: Design, frames: Mapping[str, Frame], rng: np.random.Generator, *, one: bool = False
) -> Effects:
    """Find the effects of each block in its frame; a block in the frame `"typical"` adds nothing.

    New groups draw in the order of their labels, so that designs with the same groups have the same effects
    from the same seed: a contrast between them is then within groups. With `one` all rows lie in the same new group
    of each factor, whatever their labels say: an average over them then keeps the spread of one group.

    Raises
    ------
    DataError
        For a group that the frame `"group"` does not know.
    """
    known, integrated = [], []
    for block in design.blocks:
        match frames[block.name]:
            case "group":
                _check_known(block, design.columns)
                known.append((draws.b(block), block.z, block.index))
            case "new_group":
                alone = (1, np.zeros(design.n, dtype=np.int64))
                groups, index = alone if one else _new_groups(block, design.columns)
                known.append((new_effects(rng, draws.covariance(block), groups), block.z, index))
            case "population":
                integrated.append((draws.covariance(block), block.z))
    return Effects(tuple(known), tuple(integrated))


def new_effects(rng: np.random.Generator, g: Array, groups: int) -> Array:
    """Draw b ~ N(0, G) for groups not yet seen, one a draw, shape (s, groups, k), from G (s, k, k)."""
    return np.asarray(rng.standard_normal((len(g), groups, g.shape[1])) @ root(g))


def eta_and_variance(
    beta: Array, design: Design, effects: Effects, rows: slice | NDArray[np.int64]
) -> tuple[Array, Array | None]:
    """Return η at the known effects and the variance of what is averaged over, for some rows of the design.

    Returns
    -------
    eta, v
        Each of shape (s, rows), on the link scale; v is None if nothing is averaged over.
    """
    eta = linear_predictor(beta, design.x[rows], design.offset[rows])
    for b, z, index in effects.known:
        eta += random_part(b, z[rows], index[rows])
    if not effects.integrated:
        return eta, None
    return eta, np.sum([variance_over_b(g, z[rows]) for g, z in effects.integrated], axis=0)


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
    """Find the rows that differ in what the mean over b depends on: predictors, offset and the columns of blocks.

    Returns
    -------
    rows, weights
        The first row of each set of equal ones (c,), and how many outcomes the set has (c,): its rows, or
        their trials.
    """
    outcome = design.outcome
    trials = np.ones(design.n) if outcome is None or outcome.trials is None else outcome.trials
    everything = np.column_stack([design.x, design.offset, *(block.z for block in design.blocks)])
    _, rows, cell = np.unique(everything, axis=0, return_index=True, return_inverse=True)
    return rows, np.bincount(cell.reshape(-1), trials)


def _check_known(block: BlockDesign, columns: Columns) -> None:
    """Refuse rows whose group has not been observed, by name, with the two ways out."""
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
        f"'{block.factor}', frame={{'{block.factor}': 'new_group'}} for one level not yet seen, or give outcomes of "
        "these levels in given="
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
