"""Sensitivity to the prior: implied priors, power scaling, prior ladders, Bayes factors of sds, separation."""
