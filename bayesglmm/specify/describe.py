"""A model's equations and priors as text and as HTML."""

from html import escape

from bayesglmm.common.text import plain
from bayesglmm.specify.design import BlockDesign, Design
from bayesglmm.specify.families import Family
from bayesglmm.specify.formula import Call, Name, Node, render
from bayesglmm.specify.priors import Priors

__all__ = ["describe", "describe_html", "notes", "prior_rows", "size"]


def describe(design: Design, family: Family, priors: Priors) -> str:
    """Return the model as text: distribution, linear predictor, random effects, priors, size."""
    lines = [_title(family), *(f"  {line}" for line in [*_equations(design, family), *notes(design)]), "priors"]
    rows = prior_rows(design, priors)
    wide = max(len(name) for name, _, _ in rows)
    long = max(len(prior) for _, prior, _ in rows)
    lines += [f"  {name:<{wide}}  ~  {prior:<{long}}  {origin}" for name, prior, origin in rows]
    return "\n".join([*lines, f"data: {size(design)}"])


def describe_html(design: Design, family: Family, priors: Priors) -> str:
    """Return the model as a fragment of HTML, everything from the user's data escaped."""
    equations = "<br>".join(escape(line) for line in [*_equations(design, family), *notes(design)])
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(prior)}</td><td>{escape(origin)}</td></tr>"
        for name, prior, origin in prior_rows(design, priors)
    )
    return (
        f'<div class="bayesglmm-model tex2jax_ignore mathjax_ignore"><p><b>{escape(_title(family))}</b></p>'
        f'<p style="font-family:monospace">{equations}</p>'
        f"<table><thead><tr><th>parameter</th><th>prior</th><th>origin</th></tr></thead><tbody>{body}</tbody></table>"
        f"<p>{escape(size(design))}</p></div>"
    )


def prior_rows(design: Design, priors: Priors) -> list[tuple[str, str, str]]:
    """List every prior as plain text: parameter, string form, origin."""
    rows = []
    if priors.intercept is not None:
        where = "Intercept (predictors at their means)" if priors.centred else "Intercept (predictors at 0)"
        rows.append((where, str(priors.intercept.prior), priors.intercept.origin))
    names = design.coef[1:] if design.has_intercept else design.coef
    rows += [(name, str(a.prior), a.origin) for name, a in zip(names, priors.slopes, strict=True)]
    for block in design.blocks:
        rows += [
            (f"sd_{block.name}[{column}]", str(a.prior), a.origin)
            for column, a in zip(block.columns, priors.sd[block.name], strict=True)
        ]
        if block.correlated:
            assigned = priors.correlation[block.name]
            rows.append((f"corr_{block.name}", str(assigned.prior), assigned.origin))
    rows += [(name, str(a.prior), a.origin) for name, a in priors.parameters.items()]
    return [(plain(name), prior, plain(origin)) for name, prior, origin in rows]


def notes(design: Design) -> list[str]:
    """Say the reference levels of factors, and why a block has another name than its factor."""
    lines = []
    if references := design.references:
        lines.append(f"reference levels: {', '.join(f'{factor} = {level}' for factor, level in references.items())}")
    for position, block in enumerate(design.blocks):
        factor = ":".join(_plain(part) for part in block.grouping.group.factors)
        if block.name == factor:
            continue
        before = [other for other in design.blocks[:position] if other.factor == block.factor]
        if before:
            why = f"it is block {len(before) + 1} on {factor}"
        elif block.name == f"{factor}_":
            why = f"'{factor}' is the name of something else in every posterior"
        else:
            why = "names in the posterior are letters, digits, '_' and '.'"
        lines.append(f"effects of {factor} are called b_{block.name} and sd_{block.name}, since {why}")
    return lines


def _plain(factor: Name | Call) -> str:
    """Return the column that a grouping factor is, with or without C(…), or its text."""
    inner = factor.args[0] if isinstance(factor, Call) else factor
    return inner.name if isinstance(inner, Name) else render(inner)


def size(design: Design) -> str:
    """Say the numbers of rows, groups and dropped rows, and which label is the event."""
    weights = None if design.outcome is None else design.outcome.weights
    counts = [_rows(design.n) + ("" if weights is None else f" of weight {weights.sum():,.6g} in all")]
    groups = {block.factor: len(block.levels) for block in design.blocks}
    counts += [f"{levels:,} levels of {factor}" for factor, levels in groups.items()]
    text = ", ".join(counts)
    if design.columns.dropped:
        dropped = design.columns.dropped
        text += f"; {_rows(dropped)} with missing values {'was' if dropped == 1 else 'were'} dropped"
    if design.outcome is not None and design.outcome.levels is not None:
        first, second = design.outcome.levels
        text += f"; the event is '{second}' (the other outcome is '{first}')"
    return plain(text)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _title(family: Family) -> str:
    return f"{family.name} model, {family.link.name} link"


def _equations(design: Design, family: Family) -> list[str]:
    assert design.outcome is not None
    mean = family.link.text.format("μ")
    rate = design.formula.response.rate
    terms = [f"offset({render(offset)})" for offset in design.formula.offsets]
    terms += [] if rate is None else [render(Call("log", (rate,)))]
    terms += ["β[Intercept]" if name == "Intercept" else f"β[{name}]·{name}" for name in design.coef]
    terms += [_random(block, column) for block in design.blocks for column in block.columns]
    lines = [
        f"{design.outcome.name} ~ {family.notation.format(mu='μ', times='' if rate is None else f'·{_factor(rate)}')}",
        f"{mean} = {' + '.join(terms)}",
    ]
    return [plain(line) for line in (*lines, *(_covariance(block) for block in design.blocks))]


def _factor(rate: Node) -> str:
    """Return an exposure as a factor of a product."""
    return render(rate) if isinstance(rate, Name | Call) else f"({render(rate)})"


def _random(block: BlockDesign, column: str) -> str:
    effect = f"b_{block.name}[{column}]"
    return effect if column == "Intercept" else f"{effect}·{column}"


def _covariance(block: BlockDesign) -> str:
    name = block.name
    if block.size == 1:
        return f"b_{name} ~ Normal(0, sd_{name}²), one for each of {len(block.levels):,} levels of {block.factor}"
    matrix = f"diag(sd_{name}) Ω diag(sd_{name})" if block.correlated else f"diag(sd_{name}²)"
    return f"b_{name} ~ Normal(0, G), G = {matrix}, one for each of {len(block.levels):,} levels of {block.factor}"
