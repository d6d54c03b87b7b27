"""How random effects are integrated out of a likelihood, by name."""

from typing import Literal, get_args

__all__ = ["METHODS", "Method"]

Method = Literal["quadrature", "laplace", "pql"]
"""Adaptive Gauss-Hermite quadrature, Laplace's approximation, penalised quasi-likelihood."""

METHODS: tuple[Method, ...] = get_args(Method)
