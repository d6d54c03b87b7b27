"""Default priors by preset: what each stands for and where it comes from."""

from dataclasses import dataclass
from typing import Literal, get_args

from bayesglmm.specify.families import Parameter
from bayesglmm.specify.priors.distributions.exponential import Exponential
from bayesglmm.specify.priors.distributions.flat import Flat
from bayesglmm.specify.priors.distributions.half_student_t import HalfStudentT
from bayesglmm.specify.priors.distributions.lkj import LKJ
from bayesglmm.specify.priors.distributions.normal import Normal
from bayesglmm.specify.priors.distributions.student_t import StudentT
from bayesglmm.specify.priors.prior import Prior
from bayesglmm.specify.priors.scales import Scales
from bayesglmm.specify.priors.text import parse_prior

__all__ = ["PRESETS", "Assigned", "Preset", "default_for", "default_parameter"]

type Preset = Literal["default", "brms", "rstanarm"]

PRESETS: tuple[Preset, ...] = get_args(Preset.__value__)


@dataclass(frozen=True)
class Assigned:
    """A prior and where it comes from."""

    prior: Prior
    origin: str


def default_for(preset: Preset, parameters: str, scales: Scales, *, x: float = 1.0) -> Assigned:
    """Return the default prior of one class of parameters.

    Parameters
    ----------
    preset
        Whose defaults.
    parameters
        `"intercept"` (on the centred design), `"slopes"`, `"sd"` or `"correlation"`.
    scales
        Of the design under the family.
    x
        The scale of the column in question, s_x or s_z.
    """
    wide = 2.5 * scales.response
    table: dict[tuple[str, str], tuple[Prior, str]] = {
        ("default", "intercept"): (Normal(_r(scales.centre), _r(wide)), "default: Normal(m_y, 2.5·s_y)"),
        ("default", "slopes"): (Normal(0, _r(wide / x)), "default: Normal(0, 2.5·s_y/s_x)"),
        ("default", "sd"): (
            HalfStudentT(3, 0, _r(wide / x)),
            "default: half-t(3, 0, 2.5·s_y)" if x == 1 else "default: half-t(3, 0, 2.5·s_y/s_z)",
        ),
        ("default", "correlation"): (LKJ(2), "default"),
        ("brms", "intercept"): (StudentT(3, _r(scales.brms_centre), _r(scales.brms_scale)), "preset brms"),
        ("brms", "slopes"): (Flat(), "preset brms: improper"),
        ("brms", "sd"): (HalfStudentT(3, 0, _r(scales.brms_scale)), "preset brms"),
        ("brms", "correlation"): (LKJ(1), "preset brms"),
        ("rstanarm", "intercept"): (
            Normal(_r(scales.rstanarm_centre), _r(2.5 * scales.rstanarm_scale)),
            "preset rstanarm",
        ),
        ("rstanarm", "slopes"): (Normal(0, _r(2.5 * scales.rstanarm_scale / x)), "preset rstanarm"),
        ("rstanarm", "sd"): (Exponential(_r(1 / scales.rstanarm_scale)), "preset rstanarm, independent sds"),
        ("rstanarm", "correlation"): (LKJ(1), "preset rstanarm"),
    }
    return Assigned(*table[preset, parameters])


def default_parameter(preset: Preset, parameter: Parameter, scales: Scales) -> Assigned:
    """Return the default prior of a family parameter."""
    form = parameter.presets.get(preset, parameter.default)
    text = form.format(
        scale=repr(_r(2.5 * scales.residual)),
        brms=repr(_r(scales.brms_scale)),
        rate=repr(_r(1 / scales.rstanarm_scale)),
    )
    return Assigned(parse_prior(text), f"preset {preset}" if preset in parameter.presets else "default")


def _r(value: float) -> float:
    """Round to four figures, so that a printed prior is the prior."""
    return float(f"{value:.4g}")
