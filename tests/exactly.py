"""Log densities of the families in arithmetic of many digits, written from the textbook and not from the package."""

import mpmath
from mpmath import mpf

DIGITS = 340
"""Log Γ of 1e100 alone has a hundred digits before the point, and derivatives are differences of 60."""


def log_density(family: str, link: str, y: float, n: float, eta: float, parameters: tuple[float, ...]) -> mpf:
    """Return log f(y), constants included, at a linear predictor; parameters are in the order of the family."""
    y, n, eta = mpf(y), mpf(n), mpf(eta)
    if family in ("bernoulli", "binomial", "beta"):
        log_p, log_q = _log_shares(link, eta)
    if family in ("bernoulli", "binomial"):
        value = _log_gamma(n + 1) - _log_gamma(y + 1) - _log_gamma(n - y + 1)
        return value + (y * log_p if y else 0) + ((n - y) * log_q if n > y else 0)
    if family == "beta":
        a, b = mpf(parameters[0]) * mpmath.exp(log_p), mpf(parameters[0]) * mpmath.exp(log_q)
        value = _log_gamma(mpf(parameters[0])) - _log_gamma(a) - _log_gamma(b)
        return value + (a - 1) * mpmath.log(y) + (b - 1) * mpmath.log1p(-y)
    mu = {"identity": eta, "log": mpmath.exp(eta), "sqrt": eta**2, "inverse": 1 / eta if eta else mpmath.inf}[link]
    if family == "gaussian":
        (sigma,) = map(mpf, parameters)
        return -(((y - mu) / sigma) ** 2) / 2 - mpmath.log(sigma) - mpmath.log(2 * mpmath.pi) / 2
    if family == "student":
        sigma, nu = map(mpf, parameters)
        value = _log_gamma((nu + 1) / 2) - _log_gamma(nu / 2) - mpmath.log(nu * mpmath.pi) / 2 - mpmath.log(sigma)
        return value - (nu + 1) / 2 * mpmath.log1p(((y - mu) / sigma) ** 2 / nu)
    if family == "gamma":
        (k,) = map(mpf, parameters)
        return k * mpmath.log(k / mu) - _log_gamma(k) + (k - 1) * mpmath.log(y) - k * y / mu
    if family == "poisson":
        return (y * mpmath.log(mu) if y else 0) - mu - _log_gamma(y + 1)
    size = mpf(parameters[0]) if family == "negative_binomial" else mu / mpf(parameters[0])
    value = _log_gamma(y + size) - _log_gamma(size) - _log_gamma(y + 1) - size * mpmath.log1p(mu / size)
    return value - (y * mpmath.log1p(size / mu) if y else 0)


def derivatives(
    family: str, link: str, y: float, n: float, eta: float, parameters: tuple[float, ...]
) -> tuple[mpf, list[tuple[mpf, mpf]]]:
    """Return log f(y), and of η and of the log of each parameter: the derivative, and minus the second derivative."""
    here = log_density(family, link, y, n, eta, parameters)
    small = mpf(10) ** -60
    found = []
    for which in range(1 + len(parameters)):
        sides = []
        for step in (small, -small):
            moved = [mpf(p) * (1 + step * (which == j + 1)) for j, p in enumerate(parameters)]
            scale = abs(mpf(eta)) if link in ("inverse", "sqrt") else mpf(parameters[0]) if link == "identity" else 1
            at = mpf(eta) + step * scale * (which == 0)
            sides.append(log_density(family, link, y, n, at, tuple(moved)))
        unit = small * (scale if which == 0 else 1)
        found.append(((sides[0] - sides[1]) / (2 * unit), (2 * here - sides[0] - sides[1]) / unit**2))
    return here, found


def _log_gamma(x: mpf) -> mpf:
    return mpmath.loggamma(x)


def _log_shares(link: str, eta: mpf) -> tuple[mpf, mpf]:
    """Return log μ and log(1 − μ)."""
    if link == "logit":
        return -mpmath.log1p(mpmath.exp(-eta)), -mpmath.log1p(mpmath.exp(eta))
    if link == "cloglog":
        rate = mpmath.exp(eta)
        return (mpmath.log(-mpmath.expm1(-rate)) if rate < 100 else mpmath.log1p(-mpmath.exp(-rate))), -rate
    less = mpmath.erfc(abs(eta) / mpmath.sqrt(2)) / 2 if link == "probit" else mpmath.atan2(1, abs(eta)) / mpmath.pi
    both = mpmath.log(less), mpmath.log1p(-less)
    return both if eta < 0 else (both[1], both[0])
