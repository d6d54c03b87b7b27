"""What a user needs to draw: `Picture`, which every `.plot()` returns, and the figure of the sampling.

Results draw themselves: `fit.coefficients().plot()`, `fit.random_effects("id").plot()`,
`fit.conditional_effects("x").plot()`. Each figure is returned, not shown, and leaves no state behind. Every axis names
what is on it, its scale and its frame; every figure carries its caption as its label (`figure.get_label()`). Save one
with `figure.savefig("name.png", dpi=200)`.
"""

from bayesglmm.plots.diagnostics import diagnostics
from bayesglmm.plots.style import Picture

__all__ = ["Picture", "diagnostics"]
