"""Integrals over Gaussian random effects; nothing else in the package integrates.

`mean_over_b` averages a mean, one-dimensional however many blocks there are; `over_effects` integrates the
likelihood of whole groups.
"""

from bayesglmm.integrate.groups import GroupIntegrals, Groups, draw_effects, over_effects, root
from bayesglmm.integrate.mean import link_of_mean, mean_over_b

__all__ = ["GroupIntegrals", "Groups", "draw_effects", "link_of_mean", "mean_over_b", "over_effects", "root"]
