"""What stands above the table of a fit: formula, family, data, draws, and what the coefficients are."""

from collections.abc import Iterable

import xarray as xr

from bayesglmm.common.text import plain
from bayesglmm.sample.diagnostics import Finding
from bayesglmm.specify.describe import notes, size
from bayesglmm.specify.model import Model

__all__ = ["heading"]

_INFORMATION = {"separation": "{} (see .separation())", "mended": "{}"}
"""How findings that are neither failures nor warnings stand in the heading."""


def heading(model: Model, draws: xr.DataTree, findings: Iterable[Finding]) -> list[str]:
    """Return the lines above the table of parameters."""
    link, attrs, sizes = model.family.link.name, draws.attrs, draws["posterior"].sizes
    source = "the prior alone, without the data" if attrs.get("prior_only") else "the posterior"
    conditional = " conditional (typical subject, b = 0)," if model.design.blocks else ""
    parameters = f"coefficients are{conditional}" if model.design.coef else "standard deviations are"
    lines = [
        f"{model.formula}",
        f"{model.family.name} family, {link} link; {size(model.design)}",
        *notes(model.design),
        f"{sizes['chain']} chains of {sizes['draw']:,} draws from {source} ({_sampling(model, draws)})",
        f"{parameters} on the scale of the {link} link; 95 % equal-tailed intervals",
        *[_INFORMATION[each.kind].format(each.message) for each in findings if each.kind in _INFORMATION],
    ]
    return [plain(line) for line in lines]


def _sampling(model: Model, draws: xr.DataTree) -> str:
    """Say how the draws were sampled."""
    attrs, n = draws.attrs, model.design.n
    text = f"seed {attrs.get('seed')}, {attrs.get('backend')} backend, {attrs.get('parameterization')} coordinates"
    if attrs.get("why_plain"):
        text += f" ({attrs['why_plain']})"
    merged = attrs.get("merged_rows", n)
    return f"{text}; identical rows merged exactly, {n:,} rows → {merged:,}" if merged < n else text
