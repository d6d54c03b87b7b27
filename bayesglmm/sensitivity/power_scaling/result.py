"""`PriorSensitivity`: the sensitivities of power scaling, as a table with a frame a row, a sentence and a picture."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from bayesglmm.common.results import Layout, Result
from bayesglmm.errors import listing

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["THRESHOLD", "PriorSensitivity"]

THRESHOLD = 0.05
"""The smallest sensitivity that counts, as Kallioinen et al. (2024) propose."""


@dataclass(frozen=True, eq=False, repr=False)
class PriorSensitivity(Result):
    """What power scaling says of each quantity.

    Parameters
    ----------
    table
        Index `quantity`; `frame`, whose number it is: `conditional` for coefficients (at the same random effects),
        `population` for effects, `parameter` for the others; `prior` and `likelihood`, how far the distribution moves
        by a doubling of either; `alone`, the farthest it moves by a doubling of one class of priors alone, and
        `strongest`, that class; `diagnosis` in words. Where priors act in opposite directions `prior` is small: a
        quantity counts as moved by the prior if `prior` or `alone` is large. What both move has a prior that adds to
        the data or disagrees with them; what rests on the prior has a strong one, or data with little information.
    likelihood
        Which likelihood was scaled.
    estimand
        What the quantities are: whose, and what they are averaged over.
    """

    table: pd.DataFrame
    likelihood: str
    estimand: str = ""

    @property
    def sentence(self) -> str:
        """What to write in a report: which conclusions rest on the data and which on the prior."""
        prior = self.table[["prior", "alone"]].max(axis=1) >= THRESHOLD
        data = self.table["likelihood"] >= THRESHOLD
        parts = [
            _clause(self.table.index[~prior & data], "rests on the data", "rest on the data"),
            _clause(
                self.table.index[prior & data], "is moved by prior and data alike", "are moved by prior and data alike"
            ),
            _clause(self.table.index[prior & ~data], "rests on the prior", "rest on the prior"),
            _clause(self.table.index[~prior & ~data], "is not moved by the prior", "are not moved by the prior"),
        ]
        conclusion = "; ".join(part for part in parts if part)
        return f"By power scaling of the priors and of {self.likelihood}, {conclusion}."

    def plot(self) -> "Picture":
        """Draw both sensitivities of each quantity: see `bayesglmm.plots.power_scaling`."""
        from bayesglmm.plots.power_scaling import draw

        return draw(self, THRESHOLD)

    def _layout(self) -> Layout:
        above = tuple(text for text in (self.sentence, self.estimand) if text)
        return Layout(above, self.table, options={"float_format": "{:.3f}".format}, width=110)


def _clause(names: pd.Index, one: str, several: str) -> str:
    return f"{listing(names)} {one if len(names) == 1 else several}" if len(names) else ""
