"""The report's tables as HTML: rounded by their uncertainty, text from the user's data escaped."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bayesglmm.faces.report.markup import shown
from bayesglmm.fitted import Fit
from bayesglmm.plots.rounding import decimals, rounded
from bayesglmm.sample.diagnostics import LIMITS
from bayesglmm.sensitivity.power_scaling import THRESHOLD, PriorSensitivity
from bayesglmm.sensitivity.separation import Separation
from bayesglmm.specify.describe import prior_rows
from bayesglmm.specify.model import Model

__all__ = [
    "coefficient_table",
    "covariance_table",
    "parameter_table",
    "prior_table",
    "sensitivity_table",
    "separation_table",
    "settings_table",
]


def prior_table(model: Model) -> str:
    """Tabulate every prior with its origin."""
    rows = [
        f'<tr><td>{shown(name)}</td><td class="left">{shown(prior)}</td><td class="left">{shown(origin)}</td></tr>'
        for name, prior, origin in prior_rows(model.design, model.priors)
    ]
    head = '<tr><th>parameter</th><th class="left">prior</th><th class="left">origin</th></tr>'
    return _table("<b>Priors.</b> Of every parameter, with where it comes from.", head, rows)


def parameter_table(fit: Fit) -> str:
    """Tabulate the posterior of every parameter but the group effects, with the sampler's figures."""
    table = fit.summary()
    rows: list[str] = []
    heading = None
    for name, line in table.iterrows():
        group = _group(fit.model, str(name))
        if group != heading:
            rows.append(f'<tr class="group"><th colspan="7">{shown(group)}</th></tr>')
            heading = group
        rows.append(_parameter_row(str(name), line))
    head = "".join(
        f"<th>{text}</th>" for text in ("parameter", "mean", "sd", "95 % interval", "R-hat", "bulk ESS", "tail ESS")
    )
    family = "; those of the family on a scale of their own" if fit.model.family.parameters else ""
    return _table(
        f"<b>Parameters.</b> Posterior means, standard deviations and 95 % equal-tailed intervals, on the scale of the "
        f"linear predictor ({shown(fit.model.family.link.name)} link){family}; with R-hat and effective sample sizes.",
        f"<tr>{head}</tr>",
        rows,
    )


def coefficient_table(fit: Fit) -> str:
    """Tabulate conditional and marginal coefficients beside each other, as ratios where these have a name.

    Empty where the two are the same, and under the inverse link, which has no marginal ones.
    """
    family, design = fit.model.family, fit.model.design
    if not design.blocks or not design.coef or family.link.additive or not family.link.averages:
        return ""
    ratio = family.ratio
    table = fit.coefficients(exponentiate=ratio is not None).wide
    names = [name for name in design.coef if ratio is None or name != "Intercept" or len(design.coef) == 1]
    rows = []
    for name in names:
        line = table.loc[name]
        cells = "".join(_estimate(line[frame], ratio=ratio is not None) for frame in ("conditional", "marginal"))
        rows.append(f"<tr><td>{shown(str(name))}</td>{cells}</tr>")
    null = "1" if ratio else "0"
    figures = ("95 % interval", f"P(> {null})")
    head = "".join(f"<th>{text}</th>" for text in ("", "conditional", *figures, "marginal", *figures))
    title = f"{ratio[0].upper()}{ratio[1:]}, exp(coefficient)" if ratio else f"Coefficients, {family.link.name} scale"
    return _table(
        f"<b>{shown(title)}.</b> Conditional: of the typical subject, b = 0. Marginal: of the "
        f"{shown(str(table.attrs['marginal']))}. Posterior medians, 95 % equal-tailed intervals and the posterior "
        f"probability that a {'ratio' if ratio else 'coefficient'} is above {null}.",
        f"<tr>{head}</tr>",
        rows,
    )


def covariance_table(fit: Fit) -> str:
    """Tabulate the standard deviations, correlations and covariances of every block; empty without blocks."""
    table = fit.varcorr()
    if table.empty:
        return ""
    rows: list[str] = []
    heading = None
    for key, line in table.iterrows():
        block, kind, row, column = (str(part) for part in _tuple(key))
        if (block, kind) != heading:
            rows.append(f'<tr class="group"><th colspan="5">b_{shown(block)}: {_KINDS[kind]}</th></tr>')
            heading = (block, kind)
        name = row if kind == "sd" or (kind == "covariance" and row == column) else f"{row}, {column}"
        places = decimals(float(line["sd"]))
        figures = "".join(f"<td>{rounded(float(line[key]), places)}</td>" for key in ("mean", "median", "sd"))
        rows.append(f"<tr><td>{shown(name)}</td>{figures}{_range(line, places)}</tr>")
    head = "".join(f"<th>{text}</th>" for text in ("column", "mean", "median", "sd", "95 % interval"))
    return _table(
        f"<b>Covariance</b> G of the random effects, on the scale of the linear predictor "
        f"({shown(fit.model.family.link.name)} link): posterior summaries.",
        f"<tr>{head}</tr>",
        rows,
    )


def sensitivity_table(sensitivity: PriorSensitivity) -> str:
    """Tabulate the sensitivity of each quantity to prior and likelihood, with its frame and the diagnosis."""
    rows = []
    for name, line in sensitivity.table.iterrows():
        prior, alone, data = (rounded(float(line[key]), 2) for key in ("prior", "alone", "likelihood"))
        frame, strongest, diagnosis = (shown(str(line[key])) for key in ("frame", "strongest", "diagnosis"))
        cells = (
            f'<td class="left">{frame}</td><td>{prior}</td><td>{strongest} {alone}</td><td>{data}</td>'
            f'<td class="left">{diagnosis}</td>'
        )
        rows.append(f"<tr><td>{shown(str(name))}</td>{cells}</tr>")
    head = (
        '<th>quantity</th><th class="left">frame</th><th>priors</th><th>one class</th><th>likelihood</th>'
        '<th class="left">diagnosis</th>'
    )
    return _table(
        "<b>Power scaling.</b> How far the distribution of each quantity moves by a doubling of all priors, of the one "
        f"class of priors that moves it most, and of the likelihood; from {THRESHOLD:g} on it counts as sensitive.",
        f"<tr>{head}</tr>",
        rows,
    )


def separation_table(separation: Separation) -> str:
    """Tabulate the maximum likelihood estimate of each coefficient, given X and given the groups."""
    table = separation.table
    rows = [
        f"<tr><td>{shown(str(name))}</td>{''.join(f'<td>{shown(_SIGNS.get(cell, cell))}</td>' for cell in line)}</tr>"
        for name, *line in table.itertuples(name=None)
    ]
    head = "".join(f"<th>{shown(text)}</th>" for text in ("coefficient", *map(str, table)))
    caption = "<b>Maximum likelihood estimates.</b> Which are finite"
    if separation.levels:
        caption += (
            "; given the groups: with their effects as fixed effects, so that only differences within groups count"
        )
    caption = ". ".join([caption, *(f"{line[0].upper()}{line[1:]}" for line in separation.legend)])
    return _table(f"{caption}.", f"<tr>{head}</tr>", rows)


def settings_table(entries: Mapping[str, Any]) -> str:
    """Tabulate names and values, without a caption."""
    rows = (f"<tr><th>{shown(str(key))}</th><td>{shown(str(value))}</td></tr>" for key, value in entries.items())
    return f'<table class="settings"><tbody>{"".join(rows)}</tbody></table>'


_KINDS = {"sd": "standard deviations", "correlation": "correlations", "covariance": "variances and covariances"}


_SIGNS = {"+inf": "+∞", "-inf": "−∞", "±inf": "±∞"}


def _table(caption: str, head: str, rows: Iterable[str]) -> str:
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table><caption>{caption}</caption><thead>{head}</thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _estimate(line: "pd.Series[Any]", *, ratio: bool) -> str:
    """Return the cells of a median, its interval and P(> 0), rounded by the width of the interval.

    A ratio has two significant digits in any case: its interval may reach from 0.05 to 400.
    """
    median, lower, upper = (float(line[key]) for key in ("median", "lower", "upper"))
    places = decimals((upper - lower) / 4)
    texts = [rounded(value, max(places, decimals(value)) if ratio else places) for value in (median, lower, upper)]
    positive = rounded(float(line["probability_positive"]), 3)
    return f'<td>{texts[0]}</td><td class="range">[{texts[1]}, {texts[2]}]</td><td>{positive}</td>'


def _group(model: Model, name: str) -> str:
    """Name the kind of parameter of a row of the summary."""
    variable = name.partition("[")[0]
    if variable == "beta":
        return "coefficients: conditional (typical subject, b = 0)" if model.design.blocks else "coefficients"
    for block in model.design.blocks:
        if variable == f"sd_{block.name}":
            return f"standard deviations of b_{block.name} between the levels of {block.factor}"
        if variable == f"corr_{block.name}":
            return f"correlations of b_{block.name}"
    return f"parameters of the {model.family.name} family"


def _parameter_row(name: str, line: "pd.Series[Any]") -> str:
    places = decimals(float(line["sd"]))
    cells = [f"<td>{shown(name)}</td>"]
    cells += [f"<td>{rounded(float(line[key]), places)}</td>" for key in ("mean", "sd")]
    cells.append(_range(line, places))
    r_hat = float(line["r_hat"])
    cells.append(_flagged(rounded(r_hat, 3), r_hat > LIMITS["r_hat"]))
    for key in ("ess_bulk", "ess_tail"):
        cells.append(_flagged(rounded(float(line[key]), 0), float(line[key]) < LIMITS["ess"]))
    return f"<tr>{''.join(cells)}</tr>"


def _range(line: "pd.Series[Any]", places: int) -> str:
    return f'<td class="range">[{rounded(float(line["lower"]), places)}, {rounded(float(line["upper"]), places)}]</td>'


def _flagged(text: str, beyond: bool) -> str:
    return f'<td class="beyond">{text}</td>' if beyond else f"<td>{text}</td>"


def _tuple(key: Any) -> Sequence[Any]:
    assert isinstance(key, tuple)
    return key
