"""Models of the mean alone, fitted by estimating equations: no random effects, no priors, no likelihood.

`families` says which distributions give a mean and a variance, `rows` what is read of formula and data, `working` how
rows of a group are assumed to be correlated; `solve` hands these to statsmodels; `gee` and `quasi_likelihood` are what
a user calls, `gee_fit` and `glm_fit` what they return.
"""
