"""Separation: data under which a likelihood has no maximum, given X alone and given the groups."""

from bayesglmm.sensitivity.separation.find import applies, check_separation, separation
from bayesglmm.sensitivity.separation.fitted import attach, finding, look, of_fit
from bayesglmm.sensitivity.separation.result import Separation

__all__ = ["Separation", "applies", "attach", "check_separation", "finding", "look", "of_fit", "separation"]
