"""Special functions of the package as compiled code sees them."""

from numba.extending import register_jitable

from bayesglmm import special
from bayesglmm.special import exp, log

__all__ = ["exp", "log"]

for _function in ("digamma", "log_ndtr", "mills", "_inverse_mills"):
    register_jitable(forceinline=True)(getattr(special, _function))
for _function in ("exp", "log", "twice_artanh", "_degree_9"):  # sums in any order would undo their rounding
    register_jitable(forceinline=True, fastmath={"contract"})(getattr(special, _function))
