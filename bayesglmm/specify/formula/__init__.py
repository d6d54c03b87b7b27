"""Formula text into values: scan, parse, expand."""

from bayesglmm.specify.formula.calls import is_stateless
from bayesglmm.specify.formula.formula import Block, Formula, Response, column_names, parse
from bayesglmm.specify.formula.functions import CONTRASTS, FUNCTIONS
from bayesglmm.specify.formula.nodes import Bar, Binary, Call, Name, Node, Number, Text, Unary, render, walk
from bayesglmm.specify.formula.terms import Term, Terms
from bayesglmm.specify.formula.update import update

__all__ = [
    "CONTRASTS",
    "FUNCTIONS",
    "Bar",
    "Binary",
    "Block",
    "Call",
    "Formula",
    "Name",
    "Node",
    "Number",
    "Response",
    "Term",
    "Terms",
    "Text",
    "Unary",
    "column_names",
    "is_stateless",
    "parse",
    "render",
    "update",
    "walk",
]
