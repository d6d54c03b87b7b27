"""`ModelData.of(model, rows).bound(coordinates)`: a model behind one header of addresses, in given coordinates.

What stands where in the header and its tables, with shapes, is stated in `layout`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bayesglmm.compiled.abi import ALLOCATE, RELEASE
from bayesglmm.compiled.kernels import family_address, link_address, prior_address
from bayesglmm.compiled.table import Filled
from bayesglmm.compiled.workspace import CHUNK, WORK
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.joint_precision import JointPrecision
from bayesglmm.logdensity.layout import Block, Header, Joint, Part, Transform
from bayesglmm.logdensity.whitening import Whitening
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import Beta, Prior
from bayesglmm.specify.priors.distributions.lkj import partial_shape
from bayesglmm.specify.priors.scales import scales

__all__ = ["Bound", "Coordinates", "ModelData", "centre_of", "sd_places"]

type Values = dict[Any, int | NDArray[Any]]
"""Entries of a table by member."""

_DIFFERENCE_STEP = 1e-5
"""The absolute step of differences by η, in units of the response's scale on η."""


@dataclass(frozen=True, eq=False)
class Coordinates:
    """In which coordinates the density is.

    Parameters
    ----------
    information
        One (k, k, m) a block: A of each level, of the log likelihood hᵀb − bᵀAb/2 that stands for its rows.
    linear
        One (k, m) a block: h.
    whitening
        The linear map to these coordinates, None for none.
    joint
        The joint precision of coefficients and effects, instead of `information` and `linear`; None to use these.
    signed
        By the number of a global that is an sd with a sign: the sd up to which its coordinate is nearly linear.
    """

    information: tuple[NDArray[np.float64], ...]
    linear: tuple[NDArray[np.float64], ...]
    whitening: Whitening | None = None
    joint: JointPrecision | None = None
    signed: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def plain(cls, model: Model) -> Self:
        """Return the coordinates of the PyMC graph: every level non-centred, no map."""
        sizes = [(block.size, len(block.levels)) for block in model.design.blocks]
        return cls(tuple(np.zeros((k, k, m)) for k, m in sizes), tuple(np.zeros((k, m)) for k, m in sizes))


@dataclass(frozen=True, eq=False)
class Bound:
    """A model bound to the compiled density.

    Parameters
    ----------
    header
        The array of sizes, flags and addresses that the compiled functions read.
    kept
        The arrays whose addresses the header and its tables hold; they live as long as this does.
    priors
        The prior of every global coordinate, in order.
    dim
        The number of coordinates.
    """

    header: NDArray[np.int64]
    kept: tuple[NDArray[Any], ...]
    priors: tuple[Prior, ...]
    dim: int

    @classmethod
    def of(
        cls,
        model: Model,
        coordinates: Coordinates | None = None,
        *,
        rows: Rows | None = None,
        prior_only: bool = False,
    ) -> "Bound":
        """Bind a model once: in the coordinates of the PyMC graph for None, row by row unless merged."""
        return ModelData.of(model, rows).bound(coordinates, prior_only=prior_only)


@dataclass(frozen=True, eq=False)
class ModelData:
    """What the density reads of a model whatever the coordinates: rows, priors, compiled family and link.

    Parameters
    ----------
    model
        The model.
    rows
        Its rows.
    priors
        The prior of every global, in order.
    dim
        The number of coordinates.
    entries
        The entries of the header that follow from these.
    blocks
        The entries of each row of the block table that follow from these.
    sizes
        The sizes by which the layout states shapes, beside those that stand in the tables.
    """

    model: Model
    rows: Rows
    priors: tuple[Prior, ...]
    dim: int
    entries: Values
    blocks: tuple[Values, ...]
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, model: Model, rows: Rows | None = None) -> Self:
        """Gather what a model brings: the rows of the data unless merged ones are given."""
        rows = rows or Rows.of(model)
        priors = _global_priors(model)
        dim = len(priors) + sum(block.size * len(block.levels) for block in model.design.blocks)
        offset, offset_varies = _chunk_if_equal(rows.offset)
        trials, trials_vary = _chunk_if_equal(rows.trials)
        sizes = {"dim": dim, "CHUNK": CHUNK, "WORK": WORK, "rows of offset": len(offset), "rows of trials": len(trials)}
        weighted = bool((rows.weight != 1.0).any())
        entries: Values = {
            **_numbers(model, rows, priors),
            Header.WEIGHTED: int(weighted),
            **({Header.WEIGHTS: _floats(rows.weight)} if weighted else {}),
            Header.OFFSET: offset,
            Header.OFFSET_VARIES: offset_varies,
            Header.TRIALS: trials,
            Header.TRIALS_VARY: trials_vary,
        }
        return cls(model, rows, priors, dim, entries, _blocks(model, rows, len(priors)), sizes)

    def bound(self, coordinates: Coordinates | None = None, *, prior_only: bool = False) -> Bound:
        """Bind to the compiled density, in the coordinates of the PyMC graph for None."""
        coordinates = coordinates or Coordinates.plain(self.model)
        joint, whitening = coordinates.joint, coordinates.whitening
        tables = self._block_rows(coordinates)
        blocks = np.array([row.row for row in tables], dtype=np.int64).reshape(len(tables), len(Block))
        if joint is not None:
            tables.append(_joint_table(joint, blocks, tables[-1].space if tables else 0))
        values: Values = {
            **self.entries,
            **self._transforms(coordinates),
            Header.BLOCK_TABLE: blocks,
            Header.LIKELIHOOD: int(not prior_only),
            Header.WHITENED: int(whitening is not None),
            Header.JOINT: 0 if joint is None else tables[-1].row,
            Header.ALLOCATE: ALLOCATE,
            Header.RELEASE: RELEASE,
            Header.SPACE: 0,
            **({} if whitening is None else _map(whitening)),
        }
        header = Filled.of(values, self.sizes, tables[-1].space if tables else 0)
        header.row[Header.SPACE] = header.space
        kept = [array for filled in (header, *tables) for array in filled.arrays]
        return Bound(header.row, tuple(kept), self.priors, self.dim)

    def _block_rows(self, coordinates: Coordinates) -> list[Filled]:
        """Return the rows of the block table, one after another in the workspace."""
        filled: list[Filled] = []
        pairs = zip(coordinates.information, coordinates.linear, strict=True)
        for block, (information, vector) in zip(self.blocks, pairs, strict=True):
            values = {
                **block,
                Block.INFORMATION: np.ascontiguousarray(information),
                Block.LINEAR: np.ascontiguousarray(vector),
            }
            filled.append(Filled.of(values, {"n": self.rows.n}, filled[-1].space if filled else 0))
        if coordinates.joint is not None:
            for table, first in zip(filled, coordinates.joint.pattern.first, strict=True):
                table.row[Block.FIRST_VARIABLE] = first
        return filled

    def _transforms(self, coordinates: Coordinates) -> Values:
        transforms = np.array([_transform(prior) for prior in self.priors], dtype=np.int64)
        numbers = np.array([[*prior.constants(), *prior.bounds] for prior in self.priors], dtype=np.float64)
        for place, linear_to in coordinates.signed.items():
            transforms[place], numbers[place, 4] = Transform.SIGNED, linear_to
        if coordinates.joint is not None:
            transforms[coordinates.joint.where] = Transform.CONDITIONED
        return {Header.TRANSFORMS: transforms, Header.PRIOR_NUMBERS: numbers.reshape(-1, 5)}


def sd_places(model: Model) -> list[slice]:
    """Return where the sds of each block stand among the globals; its partial correlations follow them."""
    places, first = [], int(model.design.has_intercept) + len(model.priors.slopes)
    for block in model.design.blocks:
        places.append(slice(first, first + block.size))
        first += block.size + (block.size * (block.size - 1) // 2 if block.correlated else 0)
    return places


def centre_of(model: Model) -> NDArray[np.float64]:
    """Return what is subtracted from the columns of the slopes, (p,): their means, if the intercept is centred."""
    design = model.design
    columns = design.x[:, 1:] if design.has_intercept else design.x
    centred = design.has_intercept and model.priors.centred
    return design.means if centred else np.zeros(columns.shape[1])


def _numbers(model: Model, rows: Rows, priors: Sequence[Prior]) -> Values:
    """Return the entries of the header that are sizes, data and functions."""
    design, centre, parameters = model.design, centre_of(model), len(model.family.parameters)
    return {
        Header.ROWS: rows.n,
        Header.SLOPES: len(centre),
        Header.INTERCEPT: int(design.has_intercept),
        Header.GLOBALS: len(priors),
        Header.BLOCKS: len(design.blocks),
        Header.PARAMETERS: parameters,
        Header.FIRST_PARAMETER: len(priors) - parameters,
        Header.X: np.ascontiguousarray((rows.x - centre).T),
        Header.Y: _floats(rows.y),
        Header.CENTRE: _floats(centre),
        Header.DIFFERENCE_STEP: np.array([_DIFFERENCE_STEP * scales(design, model.family).response]),
        Header.PRIORS: np.array([prior_address(prior) for prior in priors], dtype=np.int64),
        Header.FAMILY: family_address(model.family),
        Header.LINK: link_address(model.family.link.rows),
    }


def _global_priors(model: Model) -> tuple[Prior, ...]:
    """List the priors of the globals: intercept, slopes, per block sds and partial correlations, parameters."""
    priors = model.priors
    listed = [priors.intercept.prior] if priors.intercept is not None else []
    listed += [assigned.prior for assigned in priors.slopes]
    for block in model.design.blocks:
        listed += [assigned.prior for assigned in priors.sd[block.name]]
        if block.correlated:
            (eta,) = priors.correlation[block.name].prior.numbers()
            shapes = [partial_shape(eta, block.size, j) for i in range(block.size) for j in range(i)]
            listed += [Beta(shape, shape) for shape in shapes]
    return (*listed, *(priors.parameters[parameter.name].prior for parameter in model.family.parameters))


def _blocks(model: Model, rows: Rows, first_coordinate: int) -> tuple[Values, ...]:
    """Return the entries of the block table that no coordinates change, block by block."""
    entries: list[Values] = []
    for number, (block, sds) in enumerate(zip(model.design.blocks, sd_places(model), strict=True)):
        entries.append(
            {
                Block.COLUMNS: block.size,
                Block.LEVELS: len(block.levels),
                Block.CORRELATED: int(block.correlated),
                Block.FIRST_SD: sds.start,
                Block.FIRST_PARTIAL: sds.stop,
                Block.FIRST_COORDINATE: first_coordinate,
                Block.FIRST_VARIABLE: 0,
                Block.INDEX: np.ascontiguousarray(rows.index[number], dtype=np.int32),
                Block.Z: _floats(rows.z[number].T),
                Block.INTERCEPT_ONLY: int(block.columns == ("Intercept",)),
            }
        )
        first_coordinate += block.size * len(block.levels)
    return tuple(entries)


def _joint_table(joint: JointPrecision, blocks: NDArray[np.int64], space: int) -> Filled:
    """Return the table of the joint precision, with that of its parts."""
    pattern, parts = joint.pattern, joint.pattern.part_table()
    values: Values = {
        Joint.VARIABLES: pattern.size,
        Joint.COEFFICIENTS: len(joint.where),
        Joint.ENTRIES: len(pattern.row_columns),
        Joint.PARTS: len(parts),
        Joint.COEFFICIENT_GLOBALS: _small(joint.where),
        Joint.PRECISION: _floats(joint.precision),
        Joint.LINEAR: _floats(joint.pull),
        Joint.PART_TABLE: (table := np.zeros((len(parts), len(Part)), dtype=np.int64)),
        Joint.INFORMATION: _floats(joint.information),
        Joint.PLACES: _small(pattern.places),
        Joint.ROW_START: _small(pattern.row_start),
        Joint.ROW_COLUMNS: _small(pattern.row_columns),
        Joint.TARGET_START: np.ascontiguousarray(pattern.target_start, dtype=np.int64),
        Joint.TARGETS: _small(pattern.targets),
        Joint.CONTIGUOUS: _small(pattern.runs),
    }
    filled = Filled.of(values, {"entries of K": len(pattern.places), "targets": len(pattern.targets)}, space)
    roots = np.r_[blocks[:, Block.AT_ROOT], filled.row[Joint.AT_ONE]]  # the last stands for coefficients, block −1
    d_roots = np.r_[blocks[:, Block.AT_D_ROOT], filled.row[Joint.AT_D_ONE]]
    for row, (left, right, *numbers) in zip(table, parts, strict=True):
        row[[Part.AT_LEFT, Part.AT_RIGHT]] = roots[[left, right]]
        row[[Part.AT_D_LEFT, Part.AT_D_RIGHT]] = d_roots[[left, right]]
        row[[Part.ROWS, Part.COLUMNS, Part.COUNT, Part.FIRST]] = numbers
    return filled


def _map(whitening: Whitening) -> Values:
    """Return the entries of the header that make up the linear map."""
    k, _, m = whitening.leaf_roots.shape
    return {
        Header.CORE: len(whitening.core_root),
        Header.LEAVES: m,
        Header.LEAF_COLUMNS: k,
        Header.PLACES: np.ascontiguousarray(whitening.places, dtype=np.int64),
        Header.MIDDLE: _floats(whitening.middle),
        Header.CORE_ROOT: _floats(whitening.core_root),
        Header.LEAF_ROOTS: _floats(whitening.leaf_roots),
        Header.STRIPS: _floats(whitening.strips),
    }


def _transform(prior: Prior) -> Transform:
    lower, upper = prior.bounds
    if np.isfinite(upper):
        return Transform.BETWEEN
    return Transform.ABOVE if np.isfinite(lower) else Transform.WHOLE_LINE


def _chunk_if_equal(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return values of rows and 1, or a chunk of them and 0 if all are equal: less to read where rows are many."""
    if np.all(values == values[:1]):
        return np.full(CHUNK, values[0] if len(values) else 0.0), 0
    return _floats(values), 1


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values, dtype=np.float64)


def _small(values: NDArray[Any]) -> NDArray[np.int32]:
    return np.ascontiguousarray(values, dtype=np.int32)
