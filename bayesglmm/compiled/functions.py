"""Special functions of the package as compiled code sees them."""

from numba.extending import register_jitable

from bayesglmm.specify.families import special
from bayesglmm.specify.families.special import exp, log

__all__ = ["exp", "log"]

_ANY_ORDER = ("log_ndtr", "mills", "_inverse_mills")
"""Functions that take over how their caller's sums may be ordered."""

_AS_WRITTEN = (
    "exp",
    "log",
    "twice_artanh",
    "log1p",
    "log1p_less",
    "log_ratio",
    "log_ratio_less",
    "log_proportions",
    "beyond",
    "stirling",
    "_stirling_series",
    "overdispersed",
    "_artanh_ratio",
    "_degree_9",
)
"""Functions whose sums in any order would undo what they are for; a product and a sum may be one instruction."""

for _function in _ANY_ORDER:
    register_jitable(forceinline=True)(getattr(special, _function))
for _function in _AS_WRITTEN:
    register_jitable(forceinline=True, fastmath={"contract"})(getattr(special, _function))
