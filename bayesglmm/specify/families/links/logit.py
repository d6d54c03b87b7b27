"""The logit link: μ = 1/(1 + exp(−η)), the distribution function of a logistic variable."""

import numpy as np
from scipy import special

from bayesglmm.specify.families.averaging import Array, Latent, Rule
from bayesglmm.specify.families.links.link import Link, Pointer, pt
from bayesglmm.specify.families.special import exp, twice_artanh

__all__ = ["LOGIT"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        da[i] = exp(-abs(eta[i]))
    for i in range(n):  # two loops: fused, the latency of exp limits instruction-level parallelism
        tail = da[i]
        both = 1.0 / ((1.0 + tail) * (2.0 + tail))
        small = twice_artanh(tail * (1.0 + tail) * both)
        p = (2.0 + tail) * both
        q = tail * p
        positive = eta[i] > 0.0
        a[i] = -small if positive else eta[i] - small
        b[i] = -eta[i] - small if positive else -small
        da[i] = q if positive else p
        db[i] = -p if positive else -q


def _trapezoid(eta: Array, s: Array, rule: Rule) -> Array:
    """Return the trapezoid for E g⁻¹(η + s z): at equidistant nodes exp(−η − s z) is a geometric series."""
    middle = len(rule) // 2
    below = np.exp(-eta)
    above, up, down = below.copy(), np.exp(-s * rule[middle + 1][0]), np.exp(s * rule[middle + 1][0])
    total = rule[middle][1] / (1 + below)
    for _, weight in rule[middle + 1 :]:
        above *= up
        below *= down
        total += weight / (1 + above)
        total += weight / (1 + below)
    return np.asarray(total)


_LOGISTIC = Latent(
    lambda x: 1 / (1 + np.exp(-x)),
    (
        (0.75, 0.63), (1.0, 0.63), (1.25, 0.66), (1.5, 0.69), (1.75, 0.72), (2.0, 0.73), (2.5, 0.75), (3.0, 0.75),
        (3.5, 0.76), (4.0, 0.77),
    ),
    step=0.5,
    log_density=lambda x: -x - 2 * np.log1p(np.exp(-x)),
    support=(-70, 70),
    gauss=((4.0, 24), (5.0, 16), (6.0, 13), (8.0, 10), (12.0, 8), (20.0, 6)),
    on_rule=_trapezoid,
)  # fmt: skip

LOGIT = Link(
    name="logit",
    range="unit",
    link=special.logit,
    inverse=special.expit,
    slope=lambda eta: special.expit(eta) * special.expit(-eta),
    tensor=lambda eta: pt().sigmoid(eta),
    text="logit {}",
    rows=_rows,
    tensor_log_odds=lambda eta: eta,
    averaging=_LOGISTIC,
    unit=1.0,
    log_odds=True,
    symmetric=True,
    latent_variance=np.pi**2 / 3,
    latent_text="π²/3",
    probit_slope=float(16 * np.sqrt(3) / (15 * np.pi)),
)
