"""A formula's numbers on a table of data."""

from bayesglmm.specify.design.block import BlockDesign, factor_named, factors_of
from bayesglmm.specify.design.columns import Column, Columns, rows_text
from bayesglmm.specify.design.design import Design
from bayesglmm.specify.design.groups import Grouping
from bayesglmm.specify.design.matrix import Encoder
from bayesglmm.specify.design.outcome import Outcome

__all__ = [
    "BlockDesign",
    "Column",
    "Columns",
    "Design",
    "Encoder",
    "Grouping",
    "Outcome",
    "factor_named",
    "factors_of",
    "rows_text",
]
