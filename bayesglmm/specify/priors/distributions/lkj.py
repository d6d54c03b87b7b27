"""The LKJ prior of a correlation matrix."""

from dataclasses import dataclass

from bayesglmm.specify.priors.prior import Prior

__all__ = ["LKJ"]


@dataclass(frozen=True)
class LKJ(Prior):
    """LKJ on a correlation matrix: density proportional to det(Ω)^(eta − 1).

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001.
    """

    eta: float
    text = "lkj"
    pymc = "LKJCorr"
    domain = "correlation"
