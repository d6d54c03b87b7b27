"""Models compared: marginal likelihoods and Bayes factors, R², what each step of building a model changed."""
