"""A model's data, sizes and constants behind one header of addresses, in given coordinates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.compiled.abi import ALLOCATE, RELEASE
from bayesglmm.compiled.kernels import family_address, link_address, prior_address
from bayesglmm.compiled.workspace import CHUNK, WORK
from bayesglmm.logdensity.coordinates import CONDITIONED, SIGNED
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.joint_precision import JointPrecision
from bayesglmm.logdensity.layout import BLOCK_SIZE, HEADER_SIZE, JOINT_SIZE, PART_SIZE, Block, Header, Joint, Part
from bayesglmm.logdensity.whitening import Whitening
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import Beta, Prior
from bayesglmm.specify.priors.scales import scales

__all__ = ["Bound", "Coordinates", "centre_of", "sd_places"]

_APART = 1e-5
"""How far apart slopes by η are taken for their difference, in units of the response's scale on η."""


@dataclass(frozen=True, eq=False)
class Coordinates:
    """In which coordinates the density is.

    Parameters
    ----------
    known
        One (k, k, m) a block: A, the information of each level's rows on its b.
    pull
        One (k, m) a block: h, with A the log likelihood hᵀb − bᵀAb/2 that stands for the rows of a level.
    whitening
        The linear map to these coordinates, None for none.
    joint
        What conditions coefficients and effects together, in the place of `known` and `pull`; None for these.
    signed
        By the number of a global that is an sd with a sign: up to where its coordinate is nearly linear.
    """

    known: tuple[NDArray[np.float64], ...]
    pull: tuple[NDArray[np.float64], ...]
    whitening: Whitening | None = None
    joint: JointPrecision | None = None
    signed: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def plain(cls, model: Model) -> "Coordinates":
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
        The arrays whose addresses the header holds; they live as long as this does.
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
        """Bind a model: in the coordinates of the PyMC graph unless others are given, row by row unless merged."""
        coordinates = coordinates or Coordinates.plain(model)
        rows = rows or Rows.of(model)
        design, centre = model.design, centre_of(model)
        globals_ = _global_priors(model)
        parameters = len(model.family.parameters)
        kept: dict[str, NDArray[Any]] = {
            "x": np.ascontiguousarray((rows.x - centre).T),
            "y": _floats(rows.y),
            "centre": _floats(centre),
            "apart": np.array([_APART * scales(design, model.family).response]),
            "prior_calls": np.array([prior_address(prior) for prior in globals_], dtype=np.int64),
            "prior_numbers": np.array([_numbers(prior) for prior in globals_], dtype=np.float64),
            "transforms": np.array([_transform(prior) for prior in globals_], dtype=np.int64),
        }
        kept["offset"], offset_varies = _each(rows.offset)
        kept["trials"], trials_vary = _each(rows.trials)
        table, arrays, dim, space = _block_table(model, rows, coordinates, len(globals_))
        kept["block_table"] = table
        for number, linear_to in coordinates.signed.items():
            kept["transforms"][number], kept["prior_numbers"][number, 4] = SIGNED, linear_to
        if coordinates.joint is not None:
            kept["transforms"][coordinates.joint.where] = CONDITIONED
            kept["joint"], more, space = _joint_table(coordinates.joint, table, space)
            arrays += more
        sizes = {"core": 0, "leaves": 0, "leaf_columns": 0}
        if coordinates.whitening is not None:
            kept |= coordinates.whitening.arrays()
            sizes = coordinates.whitening.sizes()
        effects = dim - len(globals_)
        workspace, space = _places(
            {
                "point": dim,
                "moved": dim,
                "values": len(globals_),
                "slopes": len(globals_),
                "effects": effects,
                "d_effects": effects,
                "d_parameters": parameters,
                "eta": CHUNK,
                "work": WORK * CHUNK,
            },
            space,
        )
        header = np.zeros(HEADER_SIZE, dtype=np.int64)
        for name, value in {
            "rows": rows.n,
            "slopes": len(centre),
            "intercept": int(design.has_intercept),
            "globals": len(globals_),
            "blocks": len(design.blocks),
            "parameters": parameters,
            "family": family_address(model.family.rows),
            "link": link_address(model.family.link.rows),
            "first_parameter": len(globals_) - parameters,
            "likelihood": int(not prior_only),
            "whitened": int(coordinates.whitening is not None),
            **sizes,
            "offset_varies": offset_varies,
            "trials_vary": trials_vary,
            "allocate": ALLOCATE,
            "release": RELEASE,
            "space": space,
            **workspace,
            **{name: array.ctypes.data for name, array in kept.items()},
        }.items():
            header[Header[name.upper()]] = value
        return cls(header, (*kept.values(), *arrays), globals_, dim)


def sd_places(model: Model) -> list[slice]:
    """Return where the sds of each block stand among the globals; its partial correlations follow them."""
    places, at = [], int(model.design.has_intercept) + len(model.priors.slopes)
    for block in model.design.blocks:
        places.append(slice(at, at + block.size))
        at += block.size + (block.size * (block.size - 1) // 2 if block.correlated else 0)
    return places


def centre_of(model: Model) -> NDArray[np.float64]:
    """Return what is taken off the columns of the slopes, (p,): their means, if the intercept is a centred one."""
    design = model.design
    columns = design.x[:, 1:] if design.has_intercept else design.x
    centred = design.has_intercept and model.priors.centred
    return columns.mean(axis=0) if centred else np.zeros(columns.shape[1])


def _global_priors(model: Model) -> tuple[Prior, ...]:
    """List the priors of the globals: intercept, slopes, per block sds and partial correlations, parameters."""
    priors = model.priors
    listed = [priors.intercept.prior] if priors.intercept is not None else []
    listed += [assigned.prior for assigned in priors.slopes]
    for block in model.design.blocks:
        listed += [assigned.prior for assigned in priors.sd[block.name]]
        if block.correlated:
            (eta,) = priors.correlation[block.name].prior.numbers()
            shapes = [eta + (block.size - 2 - j) / 2 for i in range(block.size) for j in range(i)]
            listed += [Beta(shape, shape) for shape in shapes]
    return (*listed, *(priors.parameters[parameter.name].prior for parameter in model.family.parameters))


def _block_table(
    model: Model, rows: Rows, coordinates: Coordinates, first_z: int
) -> tuple[NDArray[np.int64], list[NDArray[Any]], int, int]:
    """Return the block table, the arrays it points at, the number of coordinates, and the workspace it needs."""
    blocks = model.design.blocks
    table = np.zeros((max(len(blocks), 1), BLOCK_SIZE), dtype=np.int64)
    kept: list[NDArray[Any]] = []
    z_at, space = first_z, 0
    for number, (block, sds) in enumerate(zip(blocks, sd_places(model), strict=True)):
        arrays: dict[str, NDArray[Any]] = {
            "index": np.ascontiguousarray(rows.index[number], dtype=np.int32),
            "z": np.ascontiguousarray(rows.z[number].T),
            "known": np.ascontiguousarray(coordinates.known[number]),
            "pull": np.ascontiguousarray(coordinates.pull[number]),
        }
        k, m = block.size, len(block.levels)
        small = dict.fromkeys(("lower", "root", "d_root"), k * k)
        each = dict.fromkeys(("shift", "d_shift", "unit", "d_unit", "d_own"), k * m)
        workspace, space = _places({**small, "factor": k * k * m, "d_factor": k * k * m, **each}, space)
        entries = {
            "columns": k,
            "levels": m,
            "correlated": int(block.correlated),
            "first_sd": sds.start,
            "first_partial": sds.stop,
            "first_z": z_at,
            "intercept_only": int(block.columns == ("Intercept",)),
            **workspace,
            **{name: array.ctypes.data for name, array in arrays.items()},
        }
        for name, value in entries.items():
            table[number, Block[name.upper()]] = value
        kept += arrays.values()
        z_at += k * m
    return table, kept, z_at, space


def _joint_table(
    joint: JointPrecision, blocks: NDArray[np.int64], space: int
) -> tuple[NDArray[np.int64], list[NDArray[Any]], int]:
    """Return the table of what is conditioned together, the arrays it points at, and the workspace it needs.

    The first variable of each block is written into its row of the block table.
    """
    pattern, d = joint.pattern, joint.pattern.size
    entries, listed = len(pattern.row_columns), pattern.part_table()
    blocks[: len(pattern.first), Block.FIRST_VARIABLE] = pattern.first
    both = dict.fromkeys(("factor", "d_factor"), d + entries)
    each = dict.fromkeys(("variables", "d_variables", "shift", "d_shift"), d)
    workspace, space = _places({"one": 1, "nothing": 1, **both, **each}, space)
    parts = np.zeros((len(listed), PART_SIZE), dtype=np.int64)
    roots = np.r_[blocks[: len(pattern.first), Block.AT_ROOT], workspace["at_one"]]  # the last of coefficients, −1
    d_roots = np.r_[blocks[: len(pattern.first), Block.AT_D_ROOT], workspace["at_nothing"]]
    parts[:, [Part.AT_LEFT, Part.AT_RIGHT]] = roots[listed[:, :2]]
    parts[:, [Part.AT_D_LEFT, Part.AT_D_RIGHT]] = d_roots[listed[:, :2]]
    parts[:, [Part.ROWS, Part.COLUMNS, Part.COUNT, Part.FIRST]] = listed[:, 2:]
    arrays: dict[str, NDArray[Any]] = {
        "part_table": parts,
        "target_start": np.ascontiguousarray(pattern.target_start, dtype=np.int64),
        "where": np.ascontiguousarray(joint.where, dtype=np.int32),
        **{name: _floats(getattr(joint, name)) for name in ("precision", "pull", "information")},
        **{
            name: np.ascontiguousarray(getattr(pattern, name), dtype=np.int32)
            for name in ("places", "row_start", "row_columns", "targets", "runs")
        },
    }
    table = np.zeros(JOINT_SIZE, dtype=np.int64)
    for name, value in {
        "variables": d,
        "coefficients": len(joint.where),
        "entries": entries,
        "parts": len(parts),
        **workspace,
        **{name: array.ctypes.data for name, array in arrays.items()},
    }.items():
        table[Joint[name.upper()]] = value
    return table, list(arrays.values()), space


def _places(sizes: Mapping[str, int], start: int) -> tuple[dict[str, int], int]:
    """Return where arrays of these sizes stand one after another, by their names in header or block, and the end."""
    ends = np.cumsum([start, *sizes.values()])
    return {f"at_{name}": int(end) for name, end in zip(sizes, ends[:-1], strict=True)}, int(ends[-1])


def _numbers(prior: Prior) -> list[float]:
    return [*prior.constants(), *prior.bounds]


def _transform(prior: Prior) -> int:
    """Return 0 for the whole line, 1 for above a lower bound, 2 for an interval."""
    lower, upper = prior.bounds
    return 2 if np.isfinite(upper) else int(np.isfinite(lower))


def _each(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return values of rows and 1, or a chunk of them and 0 if all are equal: less to read where rows are many."""
    if np.all(values == values[:1]):
        return np.full(CHUNK, values[0] if len(values) else 0.0), 0
    return _floats(values), 1


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values, dtype=np.float64)
