"""Offsets as log exposures: under the log link means are rates, per unit of exposure."""

from bayesglmm.specify.formula import Call, column_names, render
from bayesglmm.specify.model import Model

__all__ = ["is_rate", "offset_columns", "unit"]


def is_rate(model: Model) -> bool:
    """Return whether the mean is proportional to exp(offset), and so has a rate per unit of it."""
    return bool(model.formula.all_offsets) and model.family.link.multiplicative


def unit(model: Model) -> str:
    """Name what a rate is per unit of: `weeks` with `offset(log(weeks))` or `rate(weeks)`."""
    match model.formula.all_offsets:
        case (Call("log", (exposure, *_)),):
            return render(exposure)
    return "exp(offset)"


def offset_columns(model: Model) -> tuple[str, ...]:
    """List the columns behind the offsets."""
    return column_names(*model.formula.all_offsets)
