"""The names of families in other packages, and what to use for those that are not here."""

from collections.abc import Iterable

from bayesglmm.errors import listing

__all__ = ["instead"]

_ELSEWHERE = {
    "normal": "gaussian",
    "norm": "gaussian",
    "logistic": "bernoulli",
    "logit": "bernoulli",
    "binary": "bernoulli",
    "t": "student",
    "studentt": "student",
    "tdist": "student",
    "negbinomial": "negative_binomial",
    "negativebinomial": "negative_binomial",
    "negbinomial2": "negative_binomial",
    "negativebinomial2": "negative_binomial",
    "nb": "negative_binomial",
    "nb2": "negative_binomial",
    "nbinom": "negative_binomial",
    "nbinom2": "negative_binomial",
    "nbinom1": "negative_binomial1",
    "nb1": "negative_binomial1",
    "betareg": "beta",
    "wald": "inverse_gaussian",
    "invgauss": "inverse_gaussian",
}
"""Families here by their names elsewhere, in lower case without punctuation, blanks and a final `family`."""

_NO_DISTRIBUTION = "a quasi-likelihood is no distribution, so that there is no posterior"
_ZEROS = "zero-inflated, hurdle and truncated models are not here; brms and glmmTMB have them"
_ORDERED = "ordinal and categorical outcomes are not here; brms has them, and ordinal and mclogit by maximum likelihood"

_ABSENT = {
    "quasipoisson": f"{_NO_DISTRIBUTION}: 'negative_binomial1' has a variance proportional to the mean, V = μ(1 + φ); "
    'or use family="quasi_poisson" in bg.gee or in maximum likelihood without random effects, as glm in R does',
    "quasibinomial": f"{_NO_DISTRIBUTION}: use 'binomial' with an effect of each row, (1 | row), for more variance "
    'than the binomial\'s; or family="quasi_binomial" in bg.gee or in maximum likelihood without random effects, as '
    "glm in R does",
    "quasi": f"{_NO_DISTRIBUTION}: use a family with a parameter for its variance ('negative_binomial', "
    "'negative_binomial1', 'gamma', 'beta'), or maximum likelihood, as glm in R does",
    "betabinomial": "use 'binomial' with an effect of each row, (1 | row), for more variance than the binomial's; the "
    "beta-binomial itself is in brms and glmmTMB",
    "lognormal": "it is family='gaussian' for log(y): write log(y) as the response; means are then of log y, which are "
    "not the logarithms of means of y",
    "exponential": "it is 'gamma' with shape 1; 'gamma' learns the shape",
    "geometric": "it is 'negative_binomial' with phi 1; 'negative_binomial' learns phi",
    "weibull": "for skewed outcomes above zero use 'gamma', or log(y) with family='gaussian'; brms has it",
    "tweedie": "glmmTMB has it; for outcomes above zero use 'gamma'",
    "compois": "glmmTMB has it; for more variance than Poisson's use 'negative_binomial' or 'negative_binomial1'",
    "genpois": "glmmTMB has it; for more variance than Poisson's use 'negative_binomial' or 'negative_binomial1'",
    "skewnormal": "brms has it; for heavy tails use 'student'",
    "asymlaplace": "quantile regression is not here; brms has it; for heavy tails use 'student'",
    "laplace": "for heavy tails use 'student'",
    "cauchy": "it is 'student' with nu 1; 'student' learns nu",
    "cumulative": _ORDERED,
    "ordinal": _ORDERED,
    "ordered": _ORDERED,
    "sratio": _ORDERED,
    "acat": _ORDERED,
    "categorical": _ORDERED,
    "multinomial": _ORDERED,
    "cox": "survival times are not here; brms has them",
}
"""What to use instead of a family, by its name as in `_ELSEWHERE`."""


def instead(family: str, known: Iterable[str]) -> str | None:
    """Say what a family of another package is called here, or what to use for it; None for an unknown name.

    Parameters
    ----------
    family
        The name given.
    known
        The families of this package.
    """
    name = "".join(character for character in family.lower() if character.isalnum()).removesuffix("family")
    same = _ELSEWHERE.get(name) or {"".join(other.split("_")): other for other in known}.get(name)
    if same is not None:
        link = " (R's Gamma has the inverse link; here it is the log unless link='inverse')" if same == "gamma" else ""
        return f"family={family!r} is called '{same}' here{link}; known: {listing(known)}"
    if name.startswith(("zeroinflated", "zip", "zinb", "hurdle", "truncated")):
        return f"family={family!r} is not a family: {_ZEROS}"
    return f"family={family!r} is not a family: {_ABSENT[name]}" if name in _ABSENT else None
