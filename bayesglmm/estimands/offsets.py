"""An offset under the log link is the log of an exposure: means are then also rates, per unit of it."""

from bayesglmm.specify.formula import Call, column_names, render
from bayesglmm.specify.model import Model

__all__ = ["is_rate", "offset_columns", "unit"]


def is_rate(model: Model) -> bool:
    """Return whether the mean is proportional to exp(offset): then it can be shown per unit of it."""
    return bool(model.formula.offsets) and model.family.link.multiplicative


def unit(model: Model) -> str:
    """Name what a rate is per unit of: `weeks` with `offset(log(weeks))`."""
    offsets = model.formula.offsets
    one = offsets[0] if len(offsets) == 1 else None
    return render(one.args[0]) if isinstance(one, Call) and one.function == "log" else "exp(offset)"


def offset_columns(model: Model) -> tuple[str, ...]:
    """List the columns behind the offsets."""
    return column_names(*model.formula.offsets)
