"""Figures of a fit: each function returns one, shows nothing and leaves no state behind.

Every axis names what is on it, its scale and its frame; every figure carries its caption as its label
(`figure.get_label()`). Save one with `figure.savefig("name.png", dpi=200)`.
"""

from bayesglmm.plots.coefficients import coefficients
from bayesglmm.plots.diagnostics import diagnostics
from bayesglmm.plots.effect_pairs import effect_pairs
from bayesglmm.plots.effect_quantiles import effect_quantiles
from bayesglmm.plots.forest import forest
from bayesglmm.plots.implied_priors import implied_priors
from bayesglmm.plots.population import population
from bayesglmm.plots.power_scaling import power_scaling
from bayesglmm.plots.prior_ladder import prior_ladder
from bayesglmm.plots.sd_density import sd_density
from bayesglmm.plots.style import Picture

__all__ = [
    "Picture",
    "coefficients",
    "diagnostics",
    "effect_pairs",
    "effect_quantiles",
    "forest",
    "implied_priors",
    "population",
    "power_scaling",
    "prior_ladder",
    "sd_density",
]
