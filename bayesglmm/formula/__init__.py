"""Formula text into values: scan, parse, expand."""

from bayesglmm.formula.calls import is_stateless
from bayesglmm.formula.formula import Block, Formula, Response, column_names, parse
from bayesglmm.formula.functions import CONTRASTS, FUNCTIONS
from bayesglmm.formula.nodes import Bar, Binary, Call, Name, Node, Number, Text, Unary, render, walk
from bayesglmm.formula.terms import Term, Terms
from bayesglmm.formula.update import update

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
