"""`BlockDesign`: the numbers of a block of random effects; its name, and the grouping factors of several."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.names import find
from bayesglmm.errors import DataError, OptionError, listing, suggest
from bayesglmm.specify.design.groups import Grouping
from bayesglmm.specify.formula import Formula, Name, render
from bayesglmm.specify.reserved import RESERVED

__all__ = ["BlockDesign", "block_names", "factor_named", "factors_of"]


@dataclass(frozen=True, eq=False)
class BlockDesign:
    """A block of random effects: columns, index and levels.

    Parameters
    ----------
    name
        Its name in the posterior: `b_<name>`, `sd_<name>`, `corr_<name>`.
    columns
        The names of its k columns, `Intercept` first.
    z
        (n, k) the columns.
    index
        (n,) the level of each row, −1 for one not observed.
    levels
        The labels of the m levels.
    correlated
        Whether G is full; diagonal otherwise, and always with one column.
    grouping
        The grouping factor.
    """

    name: str
    columns: tuple[str, ...]
    z: NDArray[np.float64]
    index: NDArray[np.int64]
    levels: tuple[Any, ...]
    correlated: bool
    grouping: Grouping

    @property
    def factor(self) -> str:
        """The grouping factor as written; several blocks may share it."""
        return str(self.grouping.group)

    @property
    def size(self) -> int:
        """The number of columns, k."""
        return len(self.columns)


def factors_of(blocks: Iterable[BlockDesign]) -> tuple[str, ...]:
    """Return the grouping factors of blocks as written, each once, in the order of the formula."""
    return tuple(dict.fromkeys(block.factor for block in blocks))


def factor_named(blocks: Iterable[BlockDesign], factor: str | None) -> str:
    """Return the grouping factor that is meant by a name; the only one for None.

    Raises
    ------
    OptionError
        If there are none, it is none of them, or it is left out where there are several.
    """
    known = factors_of(blocks)
    if not known:
        raise OptionError("the model has no random effects: its formula has no block (… | group)")
    if factor is None and len(known) > 1:
        raise OptionError(f"the model has {len(known)} grouping factors; give one of {listing(known)} as factor=")
    chosen = known[0] if factor is None else find(str(factor), known)
    if chosen is None:
        raise OptionError(f"{factor!r} is not a grouping factor of the model; {suggest(str(factor), known)}")
    return chosen


def block_names(formula: Formula) -> tuple[str, ...]:
    """Return a variable's name for each block: that of its factor, numbered where several blocks share one."""
    taken: dict[str, int] = {}
    names = []
    for block in formula.blocks:
        parts = []
        for factor in block.group.factors:
            plain = factor if isinstance(factor, Name) else factor.args[0]
            text = plain.name if isinstance(plain, Name) else render(plain)
            parts.append(re.sub(r"[^\w.]+", "_", text).strip("_") or "group")
        name = ":".join(parts)
        name = f"{name}_" if name in RESERVED else name
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}_{taken[name]}")
    if len(set(names)) < len(names):
        raise DataError(f"the blocks would be named {listing(names)}; rename a grouping factor in the data")
    return tuple(names)
