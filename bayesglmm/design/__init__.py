"""A formula's numbers on a table of data."""

from bayesglmm.design.columns import Column, Columns, rows_text
from bayesglmm.design.design import BlockDesign, Design, Outcome
from bayesglmm.design.groups import Grouping
from bayesglmm.design.matrix import Encoder

__all__ = ["BlockDesign", "Column", "Columns", "Design", "Encoder", "Grouping", "Outcome", "rows_text"]
