"""Log densities of the families and their derivatives in arithmetic of many digits, from the rows of `by_hand`."""

from by_hand import FAMILY_ROWS, LINK_ROWS
from mpmath import mpf

from bayesglmm.specify.families.links import LINKS

DIGITS = 340
"""Log Γ of 1e100 alone has a hundred digits before the point, and derivatives are differences of 60."""


def log_density(family: str, link: str, y: float, n: float, eta: float, parameters: tuple[float, ...]) -> mpf:
    """Return log f(y), constants included, at a linear predictor; parameters are in the order of the family."""
    return FAMILY_ROWS[family].exact(mpf(y), mpf(n), LINK_ROWS[link].value(mpf(eta)), *map(mpf, parameters))


def derivatives(
    family: str, link: str, y: float, n: float, eta: float, parameters: tuple[float, ...]
) -> tuple[mpf, list[tuple[mpf, mpf]]]:
    """Return log f(y), and of η and of the log of each parameter: the derivative, and minus the second derivative."""
    here = log_density(family, link, y, n, eta, parameters)
    small = mpf(10) ** -60
    scale = mpf(parameters[0]) if link == "identity" else 1 if LINKS[link].increasing else abs(mpf(eta))
    results = []
    for which in range(1 + len(parameters)):
        sides = []
        for step in (small, -small):
            moved = tuple(mpf(p) * (1 + step * (which == j + 1)) for j, p in enumerate(parameters))
            sides.append(log_density(family, link, y, n, mpf(eta) + step * scale * (which == 0), moved))
        unit = small * (scale if which == 0 else 1)
        results.append(((sides[0] - sides[1]) / (2 * unit), (2 * here - sides[0] - sides[1]) / unit**2))
    return here, results
