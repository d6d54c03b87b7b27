"""A formula's numbers on a table of data."""

from bayesglmm.specify.design.columns import Column, Columns, rows_text
from bayesglmm.specify.design.design import BlockDesign, Design, Outcome
from bayesglmm.specify.design.groups import Grouping
from bayesglmm.specify.design.matrix import Encoder

__all__ = ["BlockDesign", "Column", "Columns", "Design", "Encoder", "Grouping", "Outcome", "rows_text"]
