"""Integrals over Gaussian random effects; nothing else in the package integrates.

`mean`: the expected response, a one-dimensional integral; `groups`: the likelihood of whole groups, and their random
effects given the outcomes; `group_likelihood`: the same of a fit; `covariance`: of two means that share random effects;
`population`: the mean and its attenuation for numbers at hand, without a model.
"""
