"""Special functions of the package as compiled code sees them."""

from numba.extending import register_jitable

from bayesglmm import special
from bayesglmm.special import log

__all__ = ["log"]

for _function in (special.digamma, special.log1p_exp, special.log_ndtr, special.mills, special._inverse_mills):
    register_jitable(_function)
for _function in (special.exp, special.log, special.log1p_unit, special._artanh_ratio):
    register_jitable(fastmath={"contract"})(_function)  # sums in any order would undo their rounding
