"""The package's special functions, registered with numba so that compiled code inlines them."""

from numba.extending import register_jitable

from bayesglmm.specify.families import special
from bayesglmm.specify.families.special import exp, log

__all__ = ["exp", "log"]

_INHERITING = ("log_ndtr", "mills", "_inverse_mills")
"""Functions that inherit their caller's fast-math flags."""

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
    "changes",
    "stirling",
    "gamma_ratio",
    "_stirling_series",
    "overdispersed",
    "_artanh_ratio",
    "_degree_9",
)
"""No reassociation: these rely on exact error-compensating sums. Fused multiply-adds are allowed."""

for _function in _INHERITING:
    register_jitable(forceinline=True)(getattr(special, _function))
for _function in _AS_WRITTEN:
    register_jitable(forceinline=True, fastmath={"contract"})(getattr(special, _function))
