"""The kernels of the log density and of the integrals over random effects, run as plain Python with bounds checked."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.compiled.adapters import family_rows, link_rows, prior_density
from bayesglmm.compiled.interpreted import Memory, Pointer, Repeated, interpreted
from bayesglmm.compiled.table import Table
from bayesglmm.compiled.workspace import CHUNK, WORK
from bayesglmm.logdensity.header import Bound
from bayesglmm.logdensity.layout import Block, Header, Joint, Part
from bayesglmm.specify.families import Family
from bayesglmm.specify.model import Model

type Array = NDArray[Any]


def plain(function: Any) -> Any:
    """No decorator: the kernel stays Python."""
    return function


def read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def add_family(memory: Memory, family: Family, family_address: int, link_address: int) -> None:
    memory.function(family_address, family_rows(family.rows, len(family.parameters), plain, Pointer.moved, Repeated))
    memory.function(link_address, link_rows(family.link.rows, plain, Pointer.moved))


def run(kernel: Any, model: Model, bound: Bound, x: Array, *written: Array, length: bool = False) -> int:
    """Call a kernel of the density at a point: what it writes, and, for `expand` and `information`, a length."""
    memory, header = Memory(), bound.header.copy()
    kept = {array.ctypes.data: array for array in bound.kept}
    tables: dict[type[Table], Array] = {Header: header[None]}

    def add_table(holder: Array, member: Table, entries: type[Table]) -> None:
        copy = kept.pop(int(holder[member])).reshape(-1, len(entries)).copy()
        holder[member] = memory.add(copy, entries)
        tables[entries] = copy

    add_table(header, Header.BLOCK_TABLE, Block)
    if header[Header.JOINT]:
        add_table(header, Header.JOINT, Joint)
        add_table(tables[Joint][0], Joint.PART_TABLE, Part)
    for array in kept.values():
        memory.add(read_only(array))
    header[Header.SPACE] = memory.lay_out(tables, {"dim": bound.dim, "CHUNK": CHUNK, "WORK": WORK})
    add_family(memory, model.family, header[Header.FAMILY], header[Header.LINK])
    for address, prior in zip(kept[int(header[Header.PRIORS])], bound.priors, strict=True):
        memory.function(address, prior_density(prior, plain))
    lengths = [written[0].size] if length else []
    with np.errstate(all="ignore"):
        arguments = [Pointer(read_only(x)), *map(Pointer, written), Pointer(header, entries=Header)]
        code = interpreted(kernel.function, memory)(bound.dim, *lengths, *arguments)
    assert memory.allocated == []
    return code


def log_density(kernel: Any, model: Model, bound: Bound, x: Array) -> tuple[float, Array, int]:
    gradient, value = np.full(bound.dim, math.nan), np.full(1, math.nan)
    code = run(kernel, model, bound, x, gradient, value)
    return float(value[0]), gradient, code
