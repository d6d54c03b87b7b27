"""The sentences of estimates: the quantity, what becomes of the random effects, the offset, the columns set."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from bayesglmm.common.text import named
from bayesglmm.errors import listing
from bayesglmm.estimands.frames import Frame, NamedFrame
from bayesglmm.estimands.offsets import offset_columns
from bayesglmm.specify.formula import column_names, render
from bayesglmm.specify.model import Model

__all__ = [
    "Scale",
    "Unit",
    "columns_set",
    "frame_title",
    "frames_clause",
    "number",
    "offset_clause",
    "quantity",
]

type Scale = Literal["response", "link"]
type Unit = Literal["average", "row", "point", "outcome"]
"""What one estimate is of: an average over rows, a row, a point of a reference grid, an outcome of a row."""


def quantity(model: Model, scale: Scale = "response") -> str:
    """Return what is estimated of one row: its linear predictor, or the mean of its outcome."""
    response, family = model.formula.response, model.family
    if scale == "link":
        return f"linear predictor ({family.link.name} scale) for {response}"
    if family.outcome_type == "trials":
        return f"probability of a success in {response}"
    if family.outcome_type == "binary":
        return f"probability of {named(render(response.outcome))} = {model.event or 1}"
    return f"expected {named(render(response.outcome))}"


def frames_clause(
    model: Model, frames: Sequence[NamedFrame], unit: Unit, scale: Scale, changed: Collection[str] = ()
) -> str:
    """Say what becomes of the random effects of each grouping factor, frame by frame.

    Parameters
    ----------
    model
        The model.
    frames
        The frames.
    unit
        What one estimate is of.
    scale
        Of the outcome's mean, or of the linear predictor.
    changed
        The columns that are set to other values than the rows have: a level made of them is not the row's own.
    """
    if not model.design.blocks:
        return "the model has no random effects"
    clauses, averaged = [], False
    for frame in frames:
        by_frame = _factors_by_frame(model, frame)
        parts = [_clause(model, name, factors, unit, changed) for name, factors in by_frame.items()]
        clauses.append(f"frame {frame.name}: {', '.join(parts)}")
        averaged = averaged or "population" in by_frame
    if scale == "link" and averaged:
        clauses.append("the average of the linear predictor over b is its value at b = 0")
    return "; ".join(clauses)


def _clause(model: Model, frame: Frame, factors: list[str], unit: Unit, changed: Collection[str]) -> str:
    """Say what becomes of the random effects of factors in the same frame."""
    if frame != "group" or unit == "point":
        return (_CLAUSES | _CLAUSES_OF_UNIT[unit])[frame].format(listing(factors))
    text = f"each row in {' and in '.join(_levels(model, factors, changed))}"
    return f"{text}, so averaged over the levels observed and not over their population" if unit == "average" else text


_CLAUSES: dict[Frame, str] = {
    "typical": "random effects of {} at 0 (the typical subject, conditional)",
    "population": "averaged over the random effects of {}, exactly in each draw",
}

_DRAWN = "its effects drawn from N(0, G) once in each posterior draw"
_NEW_ROWS = f"each row in a level of {{}} not yet seen, one for each level among the rows, {_DRAWN}"
_CLAUSES_OF_UNIT: dict[Unit, dict[Frame, str]] = {
    "average": {
        "new_group": f"in one level of {{}} not yet seen, the same for all rows and throughout the table, {_DRAWN}",
    },
    "row": {"new_group": _NEW_ROWS},
    "point": {
        "group": "in the observed level of {} of each point",
        "new_group": f"in one level of {{}} not yet seen, the same at all points, {_DRAWN}",
    },
    "outcome": {
        "population": "each row another member of the population, with random effects of {} of its own from N(0, G)",
        "new_group": _NEW_ROWS,
    },
}


def _levels(model: Model, factors: list[str], changed: Collection[str]) -> list[str]:
    """Say which levels rows are in: their own, or those that the columns which are set bring."""
    terms = {name: block.grouping.group for block in model.design.blocks for name in (block.factor, block.name)}
    set_columns = {
        name: [column for column in column_names(*terms[name].factors) if column in changed] for name in factors
    }
    unchanged = [name for name in factors if not set_columns[name]]
    return [
        *([f"its own observed {listing(unchanged)}"] if unchanged else []),
        *(
            f"the observed level of {name} to which it belongs once {listing(columns)} "
            f"{'is' if len(columns) == 1 else 'are'} set"
            for name, columns in set_columns.items()
            if columns
        ),
    ]


def frame_title(model: Model, frame: NamedFrame) -> str:
    """Return what a picture calls a frame."""
    if not model.design.blocks:
        return "no random effects"
    by_frame = _factors_by_frame(model, frame)
    titles = ", ".join(_TITLES[name].format(listing(factors)) for name, factors in by_frame.items())
    return f"{frame.name}: {titles}" if len(by_frame) == 1 else titles


_TITLES: dict[Frame, str] = {
    "typical": "b = 0 of {}",
    "population": "averaged over {}",
    "group": "observed {}",
    "new_group": "new {}",
}


def _factors_by_frame(model: Model, frame: NamedFrame) -> dict[Frame, list[str]]:
    """List the grouping factors in each frame; blocks of a factor in several frames go by their own names."""
    blocks, by_frame = model.design.blocks, dict[Frame, list[str]]()
    for block in blocks:
        frames_of_factor = {frame.by_block[other.name] for other in blocks if other.factor == block.factor}
        name = block.factor if len(frames_of_factor) == 1 else block.name
        factors = by_frame.setdefault(frame.by_block[block.name], [])
        if name not in factors:
            factors.append(name)
    return by_frame


def offset_clause(model: Model, at: Collection[str] = ()) -> str:
    """Say at which offset rows are, where the model has one: that of each row, or one whose columns are all in `at`."""
    if not model.formula.all_offsets:
        return ""
    offset = listing(render(tree) for tree in model.formula.all_offsets)
    is_set = all(name in at for name in offset_columns(model))
    return f", at {f'offset {offset}' if is_set else f'the offset {offset} of each row'}"


def columns_set(at: Mapping[str, tuple[Any, ...]]) -> str:
    """Say which columns are set to which values."""
    if not at:
        return ""
    return ", with " + " and ".join(
        f"{named(name)} at {number(values[0]) if len(values) == 1 else f'each of {listing(map(number, values), 6)}'}"
        for name, values in at.items()
    )


def number(value: Any) -> str:
    """Return a value as labels show it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
