"""The log-log link: μ = exp(−exp(−η)), the distribution function of a Gumbel variable; the mirror of cloglog."""

import math
from typing import Any

import numpy as np

from bayesglmm.specify.families.averaging import Latent
from bayesglmm.specify.families.links.cloglog import CLOGLOG
from bayesglmm.specify.families.links.link import Link, Pointer, pt

__all__ = ["LOGLOG"]


def _rows(n: int, eta: Pointer, a: Pointer, b: Pointer, da: Pointer, db: Pointer) -> None:
    for i in range(n):
        rate = math.exp(-eta[i])
        a[i] = -rate
        da[i] = rate
        if rate < 1e-12:
            b[i] = -eta[i] - 0.5 * rate
            db[i] = -1.0
        elif rate < 700.0:
            b[i] = math.log(-math.expm1(-rate)) if rate < 5.0 else math.log1p(-math.exp(-rate))
            db[i] = -rate / math.expm1(rate)
        else:
            b[i] = 0.0
            db[i] = 0.0


def _log_odds(eta: Any) -> Any:
    return -CLOGLOG.tensor_log_odds(-eta)


LOGLOG = Link(
    name="loglog",
    range="unit",
    link=lambda mu: -np.log(-np.log(mu)),
    inverse=lambda eta: np.exp(-np.exp(-eta)),
    slope=lambda eta: np.exp(-eta - np.exp(-eta)),
    tensor=lambda eta: pt().exp(-pt().exp(-eta)),
    text="loglog {}",
    rows=_rows,
    tensor_log_odds=_log_odds,
    averaging=Latent(
        lambda x: np.exp(-np.exp(-x)),
        ((0.6, 0.33), (1.2, 0.33), (1.8, 0.33), (2.4, 0.33)),
        step=0.3,
        log_density=lambda x: -x - np.exp(-x),
        support=(-4.3, 70),
        gauss=((2.4, 28),),
        mirror=CLOGLOG,
    ),
    unit=1.0,
    latent_variance=np.pi**2 / 6,
    latent_text="π²/6",
)
