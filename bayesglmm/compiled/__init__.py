"""What compiled pieces share: how they call each other, where they are kept, the kernels of families, links, priors."""

from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.kernels import family_address, link_address, prior_address

__all__ = ["compiled", "family_address", "link_address", "prior_address"]
