"""Machine code: how kernels call each other, how they are compiled and kept on disk, links, families and priors."""

from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.kernels import family_address, link_address, prior_address

__all__ = ["compiled", "family_address", "link_address", "prior_address"]
