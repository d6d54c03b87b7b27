"""Names that the posterior and the PyMC graph take for themselves, so that no grouping factor may have them."""

from bayesglmm.specify.families import FAMILIES

__all__ = ["RESERVED"]

_DIMENSIONS = {"chain", "draw", "coef", "row", "obs", "sample", "slope"}
_VARIABLES = {"beta", "intercept", "slopes", "x", "y", "y_data", "y_exposure", "trials", "offset"}
_PARAMETERS = {parameter.name for family in FAMILIES.values() for parameter in family.parameters} | {"zi"}

RESERVED = frozenset(_DIMENSIONS | _VARIABLES | _PARAMETERS)
"""A block on a factor of one of these names is called by the name with an underscore."""
