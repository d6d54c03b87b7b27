"""The LKJ prior of a correlation matrix."""

from dataclasses import dataclass

from bayesglmm.specify.priors.prior import Prior

__all__ = ["LKJ", "partial_shape"]


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


def partial_shape(eta: float, k: int, column: int) -> float:
    """Return both Beta shapes, on (−1, 1), of the partial correlations in a column of k under LKJ(eta)."""
    return eta + (k - 2 - column) / 2
