"""The model's log density and its gradient, compiled once for every model."""

from bayesglmm.density.compile import Layout, compile_density

__all__ = ["Layout", "compile_density"]
