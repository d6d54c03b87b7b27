"""Integrals over Gaussian random effects; nothing else in the package integrates.

`mean` averages a mean, one-dimensional however many blocks there are; `groups` integrates the likelihood of whole
groups; `covariance` is of two means that share random effects.
"""
