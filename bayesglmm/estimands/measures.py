"""Measures of effect: differences, ratios and odds ratios, of averages over rows or within rows.

With m₀ᵢ and m₁ᵢ the means of row i with the variable at two values, wᵢ the weights (Σ wᵢ = 1) and h the logarithm, or
the log odds, a ratio, or an odds ratio, is one of

    of means      exp(h(Σ wᵢ m₁ᵢ) − h(Σ wᵢ m₀ᵢ))      standardised; in the frame "population" marginal
    within rows   exp(Σ wᵢ (h(m₁ᵢ) − h(m₀ᵢ)))         the geometric mean of the ratios of the rows

Of differences the two are the same. Where h is the link and b = 0, the second is the exponential of the average
difference of linear predictors, the conditional ratio.

References
----------
Zou (2009), American Journal of Epidemiology 170, 1-3: standardised risk differences and ratios from a model.
Greenland, Robins & Pearl (1999), Statistical Science 14, 29-46: odds ratios are not collapsible.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from bayesglmm.errors import OptionError
from bayesglmm.estimands.average import RowScale
from bayesglmm.estimands.frames import NamedFrame
from bayesglmm.estimands.request import Request

__all__ = ["COMPARISONS", "Comparison", "Measure", "read_measure"]

type Comparison = Literal[
    "difference",
    "ratio",
    "log_ratio",
    "odds_ratio",
    "log_odds_ratio",
    "ratio_of_means",
    "log_ratio_of_means",
    "odds_ratio_of_means",
    "log_odds_ratio_of_means",
    "ratio_within_rows",
    "log_ratio_within_rows",
    "odds_ratio_within_rows",
    "log_odds_ratio_within_rows",
]

COMPARISONS: tuple[Comparison, ...] = get_args(Comparison.__value__)
"""How means are contrasted."""

_OF_MEANS, _WITHIN_ROWS = "_of_means", "_within_rows"


@dataclass(frozen=True)
class Measure:
    """A measure of effect; `read_measure` makes one.

    Parameters
    ----------
    name
        Its name, such as `"odds ratio"` or `"log ratio"`.
    h
        The scale that contrasts are linear on: `"response"` for differences, `"log"` for ratios, `"logit"` for odds
        ratios.
    exponentiated
        Whether contrasts are exponentiated: of ratios, not of their logarithms.
    way
        What is averaged: `"means"`, `"rows"` for the contrasts of rows, None for what the frame says.
    """

    name: str
    h: RowScale
    exponentiated: bool
    way: Literal["means", "rows"] | None

    def within_rows(self, frame: NamedFrame) -> bool:
        """Whether contrasts within rows are averaged: if not said otherwise in the frame `"typical"` alone."""
        if self.h == "response" or self.way is not None:
            return self.way == "rows"
        return {str(each) for each in frame.by_block.values()} == {"typical"} or frame.name == "typical"


def read_measure(request: Request, comparison: Comparison) -> Measure:
    """Return a measure by its name.

    Raises
    ------
    OptionError
        If it has no meaning for what is averaged.
    """
    link = request.model.family.link
    base = comparison.removesuffix(_OF_MEANS).removesuffix(_WITHIN_ROWS)
    if base == "difference":
        return Measure(base, "response", False, None)
    if request.scale == "link":
        raise OptionError(f"comparison={comparison!r} is of the mean; with scale='link' use comparison='difference'")
    if "odds" in base and link.range != "unit":
        raise OptionError(
            f"comparison={comparison!r} needs means between 0 and 1, which the {link.name} link does not give; "
            "use 'difference' or 'ratio'"
        )
    if link.range == "real":
        raise OptionError(
            f"comparison={comparison!r} needs positive means; under the {link.name} link use 'difference'"
        )
    way: Literal["means", "rows"] | None = None
    if comparison != base:
        way = "means" if comparison.endswith(_OF_MEANS) else "rows"
    return Measure(base.replace("_", " "), "logit" if "odds" in base else "log", not base.startswith("log_"), way)
