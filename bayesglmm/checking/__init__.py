"""Is the model any good: residuals, dispersion, zeros and posterior predictive checks.

Every check says what becomes of the random effects: held at their posterior draws (frame `"group"`), or redrawn from
N(0, G) in each draw (frame `"population"`).
"""
