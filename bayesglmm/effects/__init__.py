"""Predictions, comparisons, slopes and conditional effects: of whom, averaged how, with the draws kept."""

from bayesglmm.effects.asked import FrameOption, Scale
from bayesglmm.effects.comparisons import Comparison, comparisons, population_effects
from bayesglmm.effects.conditional import conditional_effects
from bayesglmm.effects.contrasts import ContrastOption
from bayesglmm.effects.estimates import Estimates
from bayesglmm.effects.predicted import predictions
from bayesglmm.effects.slopes import slopes

__all__ = [
    "Comparison",
    "ContrastOption",
    "Estimates",
    "FrameOption",
    "Scale",
    "comparisons",
    "conditional_effects",
    "population_effects",
    "predictions",
    "slopes",
]
