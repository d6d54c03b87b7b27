"""`hypothesis(fit, text)`: what a posterior says of hypotheses about parameters, with Bayes factors of equalities.

References
----------
Dickey (1971), Annals of Mathematical Statistics 42, 204-223.
Kruschke (2018), Advances in Methods and Practices in Psychological Science 1, 270-280.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bayesglmm.estimands.hypothesis import Hypotheses, judge, read
from bayesglmm.estimands.hypothesis_judgement import RopeOption
from bayesglmm.estimands.transforms import TransformOption
from bayesglmm.posterior.protocol import Fitted
from bayesglmm.sensitivity.savage_dickey import bayes_factors

__all__ = ["hypothesis"]

_POINT = (
    "bayes_factor: of the equality against its negation, posterior / prior density at the point (Savage–Dickey); it "
    "depends on the prior at any amount of data: a prior far wider than the data favour raises it."
)


def hypothesis(
    fit: Fitted,
    hypotheses: str | Sequence[str] | Mapping[str, str],
    *,
    rope: RopeOption = None,
    transform: TransformOption = None,
    ci_prob: float = 0.95,
) -> Hypotheses:
    """Return the estimate, the posterior probability and the odds of hypotheses about parameters.

    Parameters
    ----------
    fit
        The fit; one of the prior alone gives prior probabilities.
    hypotheses
        One hypothesis, several, or a mapping of names to them: `"trt + trt:time < 0"`, `"exp(trt) > 1.5"`,
        `"sd_id[Intercept] > 2*sd_id[time]"`, `"trt = 0"`, or a quantity alone, which is estimated. Parameters go by the
        names that tables print: coefficients with or without `beta[…]`, their factors in any order; odd names may
        stand in backticks. The arithmetic is `+ - * / ^`; the functions are
        `bayesglmm.estimands.hypothesis_text.CALLABLE`.
    rope
        The region of practical equivalence of what is estimated: its ends, or half its width around the value a
        hypothesis compares with; a mapping gives one a hypothesis. After a transform it is on the scale of that.
    transform
        A name in `bayesglmm.estimands.transforms.TRANSFORMS` or a function of arrays, applied to what is estimated in
        each draw, and to the value it is compared with.
    ci_prob
        The probability of the equal-tailed intervals, two-sided for every hypothesis. (The interval that brms prints
        for a one-sided hypothesis at alpha = 0.05 has 90 %.)

    Returns
    -------
    Hypotheses
        Coefficients are conditional on the random effects; for those of the population put the hypothesis to
        `Fit.comparisons(…).hypothesis(…)`. An equality about one parameter, or a linear combination of coefficients,
        has a Bayes factor; `bayes_factor_source` says how it was found or why there is none.

    Raises
    ------
    FormulaError
        For text that cannot be read wholly, or a name that is none of the model's or may be two.
    OptionError
        For an option that is none, or a hypothesis or transform that is not a number in some draw.

    References
    ----------
    Dickey (1971); Kruschke (2018).
    """
    statements, values = read(fit, hypotheses)
    judged = judge(fit, statements, values, rope, transform, ci_prob)
    factors = bayes_factors(fit, list(statements.values()))
    table = judged.table.assign(
        bayes_factor=[each.ratio for each in factors],
        bayes_factor_mcse=[each.error for each in factors],
        bayes_factor_source=[each.source for each in factors],
    )
    notes = judged.notes
    if table["bayes_factor"].notna().any():
        notes = (*notes, _POINT)
    for name, statement, each in zip(statements, statements.values(), factors, strict=True):
        if statement.relation == "=":
            lead = f"{name}: bayes_factor by " if each.ratio == each.ratio else f"{name}: no bayes_factor: "
            notes = (*notes, f"{lead}{each.source}.")
    return replace(judged, table=table, notes=notes)
