"""`write_report(fit, figures, path, …)`: one HTML file, self-contained, the verdict on the sampling first."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from io import BytesIO
from itertools import count
from pathlib import Path
from string import Template
from typing import Any

from matplotlib.figure import Figure

from bayesglmm.common.files import write_file
from bayesglmm.common.results import Result
from bayesglmm.errors import OptionError, StorageError
from bayesglmm.faces.report.checks import ReportedCheck, reported_checks
from bayesglmm.faces.report.comparisons import ReportedComparison, reported_comparison
from bayesglmm.faces.report.markup import prose, shown
from bayesglmm.faces.report.reading import how_to_read
from bayesglmm.faces.report.tables import (
    coefficient_table,
    covariance_table,
    parameter_table,
    prior_table,
    sensitivity_table,
    separation_table,
    settings_table,
)
from bayesglmm.fitted import Fit
from bayesglmm.plots.style import DPI
from bayesglmm.sample.diagnostics import Check
from bayesglmm.specify.describe import describe, size
from bayesglmm.specify.model import Model

__all__ = ["write_report"]

_SENSITIVITY_DRAWS = 500
"""Draws on which the likelihood is scaled and effects are averaged: a second or two."""

_PNG = b"\x89PNG\r\n\x1a\n"


def write_report(
    fit: Fit,
    figures: Mapping[str, Figure | bytes],
    path: str | Path,
    title: str = "",
    description: str = "",
    undrawn: Mapping[str, str] | None = None,
    captions: Mapping[str, str] | None = None,
    *,
    checks: bool = True,
    comparisons: Mapping[str, Result | ReportedComparison] | None = None,
) -> Path:
    """Write the report of a fit.

    Parameters
    ----------
    fit
        The fit.
    figures
        Matplotlib figures or the bytes of PNG files, by name, in the order wanted. A figure's label
        (`figure.get_label()`) is its caption; the name otherwise.
    path
        The file to write.
    title
        Its title; the formula by default.
    description
        What was studied; blank lines separate paragraphs.
    undrawn
        Reasons why figures could not be drawn, by name.
    captions
        Captions by name, of figures given as bytes.
    checks
        Whether to show posterior checks, which take a second or two.
    comparisons
        Comparisons of the fit with other models by heading: what `bayesglmm.compare`, `bayes_factors` or `model_steps`
        returns, shown with its sentences and its picture.

    Returns
    -------
    Path
        The file: HTML without scripts that loads nothing.

    Raises
    ------
    OptionError
        If something in `figures` is neither a figure nor a PNG, or in `comparisons` no result.
    StorageError
        If the file cannot be written.
    """
    path = Path(path)
    check = fit.check()
    template = Template((files(__package__) / "page.html").read_text(encoding="utf-8"))
    covariance = covariance_table(fit)
    checked = tuple(reported_checks(fit)) if checks else ()
    compared = {name: _reported(name, each) for name, each in (comparisons or {}).items()}
    numbers = count(1)  # of figures, in the order of the page
    text = template.substitute(
        title=prose(title or str(fit.model.formula)),
        style=(files(__package__) / "page.css").read_text(encoding="utf-8"),
        formula=shown(str(fit.model.formula)),
        verdict=_verdict(check) + _separation(fit),
        description=_section("Study", _paragraphs(description)) if description.strip() else "",
        model=_model(fit.model),
        data=shown(_data(fit)),
        parameters=parameter_table(fit) + coefficient_table(fit),
        reading="".join(f"<p>{shown(sentence)}</p>" for sentence in how_to_read(fit.model)),
        covariance=_section("Random-effects covariance", covariance) if covariance else "",
        checks=_checks(checked, numbers),
        comparison=_comparisons(compared, numbers),
        sensitivity=_sensitivity(fit),
        figures=_figures(figures, captions or {}, undrawn or {}, numbers),
        settings=settings_table(_settings(fit)),
        footer="Written by bayesglmm. All intervals are equal-tailed posterior intervals.",
    )
    _write(path, text)
    return path


def _section(heading: str, body: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n{body}\n</section>"


def _paragraphs(text: str) -> str:
    parts = [part.strip() for part in text.strip().split("\n\n")]
    return "".join(f"<p>{prose(part)}</p>" for part in parts if part)


def _verdict(check: Check) -> str:
    """Return the verdict on the sampling; a failure is a red block with advice."""
    items = "".join(f"<li>{shown(str(finding))}</li>" for finding in check.findings if finding.kind != "separation")
    if check.ok:
        text = f"<p><b>Sampling passed its checks.</b> {shown(check.figures)}</p>"
        text += f"<ul>{items}</ul>" if items else ""
        return f'<section class="verdict" role="status">{text}</section>'
    return (
        '<section class="verdict bad" role="alert"><p><b>SAMPLING FAILED ITS CHECKS: DO NOT REPORT THESE RESULTS</b>'
        f"{shown(check.figures)}</p><ul>{items}</ul></section>"
    )


def _separation(fit: Fit) -> str:
    """Return the section on separation, empty where there is none."""
    separation, findings = fit.separation(), [f for f in fit.check().findings if f.kind == "separation"]
    if separation is None or not findings:
        return ""
    sentences = (f"{text[0].upper()}{text[1:]}." for text in (findings[0].message, findings[0].advice))
    paragraphs = "".join(f"<p>{shown(sentence)}</p>" for sentence in sentences)
    details = "".join(f"<li>{shown(line)}</li>" for line in separation.details)
    return _section("Separation", f"{paragraphs}<ul>{details}</ul>{separation_table(separation)}")


def _sensitivity(fit: Fit) -> str:
    """Return the section on power scaling, or the reason why there is none."""
    try:
        sensitivity = fit.prior_sensitivity(max_draws=_SENSITIVITY_DRAWS)
    except OptionError as error:
        return _section("Prior sensitivity", f"<p>{prose(f'Not available: {error}.')}</p>")
    sentences = "".join(f"<p>{shown(text)}</p>" for text in (sensitivity.sentence, sensitivity.estimand))
    return _section("Prior sensitivity", f"{sentences}{sensitivity_table(sensitivity)}")


def _model(model: Model) -> str:
    """Show the equations and the priors."""
    title, *equations = describe(model.design, model.family, model.priors).partition("\npriors\n")[0].split("\n")
    lines = "".join(f"<p>{shown(line.strip())}</p>" for line in equations)
    title = title[0].upper() + title[1:].replace("_", " ")
    return f'<p>{shown(title)}.</p><div class="equations">{lines}</div>{prior_table(model)}'


def _data(fit: Fit) -> str:
    outcome = fit.model.design.outcome
    assert outcome is not None
    y, trials = outcome.y, outcome.trials
    if trials is not None:
        text = f"{y.sum():,.0f} successes in {trials.sum():,.0f} trials"
    elif fit.model.family.outcome_type == "binary":
        text = f"{outcome.name} = {fit.model.event or 1} in {y.sum():,.0f} of them ({100 * y.mean():.1f} %)"
    else:
        text = f"{outcome.name} from {y.min():.4g} to {y.max():.4g}, mean {y.mean():.4g}"
    return f"{size(fit.model.design)}; {text}."


def _checks(checks: Sequence[ReportedCheck], numbers: Iterator[int]) -> str:
    """Return the section on posterior checks, each a sentence and a figure."""
    parts = []
    for each in checks:
        name = f"{each.name[0].upper()}{each.name[1:]}"
        parts.append(f"<h3>{shown(name)}</h3><p>{shown(each.reading)}</p>")
        parts.append(_figure(next(numbers), each.name, each.png, each.caption) if each.png else "")
    return _section("Checks", "\n".join(parts)) if checks else ""


def _reported(name: str, comparison: Any) -> ReportedComparison:
    if isinstance(comparison, ReportedComparison):
        return comparison
    if isinstance(comparison, Result):
        return reported_comparison(comparison)
    raise OptionError(
        f"comparisons[{name!r}] is no comparison but {type(comparison).__name__}; give what bayesglmm.compare, "
        "bayes_factors or model_steps returns"
    )


def _comparisons(comparisons: Mapping[str, ReportedComparison], numbers: Iterator[int]) -> str:
    """Return the section on other models, each comparison sentences, a table and a figure."""
    parts = []
    for name, each in comparisons.items():
        above, below = ("".join(f"<p>{shown(text)}</p>" for text in texts) for texts in (each.above, each.below))
        parts.append(f"<h3>{shown(name)}</h3>{above}{each.table}{below}")
        parts.append(_figure(next(numbers), name, each.png, each.caption) if each.png else "")
    return _section("Comparison with other models", "\n".join(parts)) if comparisons else ""


def _figures(
    figures: Mapping[str, Figure | bytes],
    captions: Mapping[str, str],
    undrawn: Mapping[str, str],
    numbers: Iterator[int],
) -> str:
    """Return the section of the figures wanted."""
    if not figures and not undrawn:
        return ""
    drawn = [_figure(next(numbers), name, figure, captions.get(name, "")) for name, figure in figures.items()]
    failed = [f"<p><b>{shown(name)}</b> could not be drawn: {prose(reason)}.</p>" for name, reason in undrawn.items()]
    return _section("Figures", "\n".join([*drawn, *failed]))


def _figure(number: int, name: str, figure: Figure | bytes, caption: str) -> str:
    png, label = _png(name, figure), str(figure.get_label()) if isinstance(figure, Figure) else ""
    caption = caption or label or name.replace("_", " ")
    width = round(int.from_bytes(png[16:20], "big") * 96 / DPI)
    data = base64.b64encode(png).decode("ascii")
    alt = prose(caption.partition(". ")[0])
    return (
        f'<figure><img alt="{alt}" width="{width}" src="data:image/png;base64,{data}">'
        f"<figcaption><b>Figure {number}.</b> {prose(caption)}</figcaption></figure>"
    )


def _png(name: str, figure: Any) -> bytes:
    if isinstance(figure, Figure):
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()
    if isinstance(figure, bytes) and figure.startswith(_PNG):
        return figure
    raise OptionError(f"figures[{name!r}] is neither a matplotlib figure nor the bytes of a PNG file")


def _settings(fit: Fit) -> dict[str, str]:
    """List what is needed to repeat the fit."""
    attrs, sizes = fit.draws.attrs, fit.draws["posterior"].sizes
    names = ("warm_up", "seed", "target_accept", "max_treedepth", "backend")
    entries = {"chains × draws kept": f"{sizes['chain']} × {sizes['draw']:,}"}
    entries |= {_NAMES.get(name, name): str(attrs[name]) for name in names if name in attrs}
    if attrs.get("prior_only"):
        entries["source"] = "the prior alone, without the data"
    seconds = [float(attrs[name]) for name in ("seconds_preparing", "seconds_sampling") if name in attrs]
    if len(seconds) == 2:
        entries["time"] = f"{seconds[0]:.1f} s preparing, {seconds[1]:.1f} s sampling"
    entries["versions when fitted"] = str(attrs.get("versions", "not recorded"))
    return entries


_NAMES = {
    "warm_up": "warm-up draws a chain",
    "target_accept": "target acceptance",
    "max_treedepth": "largest tree depth",
}


def _write(path: Path, text: str) -> None:
    """Replace a file in one step: after a crash it is the old one, or absent."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text.encode("utf-8"))
    except OSError as error:
        raise StorageError(f"the report could not be written to '{path}': {error}") from error
