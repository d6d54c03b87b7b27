"""`check(draws) -> Check`: the sampler's diagnostics as findings, each with its advice.

References
----------
Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Bayesian Analysis 16, 667-718 (R-hat, ESS).
Betancourt (2016), arXiv:1604.00695 (E-BFMI).
"""

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.common.tables import block
from bayesglmm.common.text import plain
from bayesglmm.errors import OptionError, listing

if TYPE_CHECKING:
    from bayesglmm.plots import Picture

__all__ = ["FAILED", "LIMITS", "Check", "Finding", "Kind", "check"]

Kind = Literal[
    "interrupted",
    "few_chains",
    "constant",
    "r_hat",
    "ess_bulk",
    "ess_tail",
    "divergences",
    "few_divergences",
    "energy",
    "tree_depth",
    "separation",
    "mended",
    "no_maximum",
    "integral",
    "sd_zero",
    "singular",
    "flat",
    "not_definite",
    "not_converged",
    "curvature",
    "nodes",
]

_WARNINGS: tuple[Kind, ...] = ("few_divergences", "sd_zero", "singular", "curvature")
"""Findings that leave the other estimates as they are."""

_INFORMATION: tuple[Kind, ...] = ("separation", "mended")
"""Findings that are no fault of the sampling."""

FAILED = "SAMPLING FAILED its checks"
"""How the verdict on a failed sampling begins."""

LIMITS = {"r_hat": 1.01, "ess": 400.0, "energy": 0.3, "divergences": 0.005}
"""Largest R-hat, smallest effective sample size, smallest E-BFMI, largest share of divergent draws."""

_CONCENTRATED = 0.25
"""Divergent draws are reported as concentrated at an end of an sd if their mean quantile is farther from 1/2."""

_ADVICE: dict[Kind, str] = {
    "interrupted": "sample again to the end before reporting",
    "few_chains": "sample at least 2 chains, better 4: one chain cannot show that it did not mix",
    "constant": "the sampler never moved there: look at its prior and at the scale of its predictor",
    "r_hat": "the chains disagree: sample longer, and look at the trace plots of these parameters",
    "ess_bulk": "means are uncertain: sample longer",
    "ess_tail": "interval ends are uncertain: sample longer",
    "divergences": "the sampler could not follow the posterior everywhere and may have missed a part of it: "
    "raise target_accept to 0.99; if they stay, look at the sd parameters and their priors",
    "few_divergences": "so few seldom move an estimate by more than its Monte Carlo error; to be rid of them, raise "
    "target_accept to 0.99",
    "energy": "the chains explore the energy slowly, as with heavy tails: sample longer, tighten the priors of sds",
    "tree_depth": "trajectories were cut short, which costs efficiency: raise max_treedepth, or scale the predictors",
}


@dataclass(frozen=True)
class Finding:
    """One finding of the diagnostics.

    Parameters
    ----------
    kind
        Which diagnostic.
    message
        The finding, with figures.
    advice
        What to do.
    parameters
        The parameters concerned, the worst first; empty where all are.
    """

    kind: Kind
    message: str
    advice: str
    parameters: tuple[str, ...] = ()

    @property
    def failure(self) -> bool:
        """Whether the sampling failed; a warning or information otherwise."""
        return self.kind not in (*_INFORMATION, *_WARNINGS)

    @property
    def warning(self) -> bool:
        """Whether it is a warning about the sampling that is no failure."""
        return self.kind in _WARNINGS

    @property
    def severity(self) -> str:
        """`"failure"`, `"warning"` or `"information"`."""
        return "failure" if self.failure else "warning" if self.warning else "information"

    def __str__(self) -> str:
        """Return the message and the advice."""
        return f"{self.message}: {self.advice}"


@dataclass(frozen=True)
class Check:
    """The verdict on the sampling of a fit, or on the maximisation of a likelihood, and its findings.

    Parameters
    ----------
    findings
        Failures of the sampling, warnings, then information that is neither, such as separation; empty if there are
        none.
    figures
        The figures behind the verdict: largest R-hat, smallest ESS, number of divergences; and the backend.
    fit
        The fit that was checked, which `plot` draws; None for draws alone.
    subject
        What was checked.
    """

    findings: tuple[Finding, ...]
    figures: str
    fit: Any = field(default=None, repr=False, compare=False)
    subject: Literal["sampling", "maximisation"] = "sampling"

    @property
    def ok(self) -> bool:
        """Whether the sampling did not fail; there may be information."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that are failures of the sampling."""
        return tuple(finding for finding in self.findings if finding.failure)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings about the sampling."""
        return tuple(finding for finding in self.findings if finding.warning)

    @property
    def verdict(self) -> str:
        """One line: no problems, the warnings, or the failures."""
        if self.ok and self.warnings:
            return f"{self.subject}: {'; '.join(finding.message for finding in self.warnings)} ({self.figures})"
        if self.ok:
            return f"{self.subject}: no problems found ({self.figures})"
        failed = FAILED if self.subject == "sampling" else f"{self.subject.upper()} FAILED its checks"
        return f"{failed}, do not report: {'; '.join(f.message for f in self.failures)}"

    @property
    def table(self) -> pd.DataFrame:
        """The findings: index `kind`; columns `severity message advice parameters`."""
        columns = ["severity", "message", "advice", "parameters"]
        rows = [[getattr(finding, column) for column in columns] for finding in self.findings]
        index = pd.Index([finding.kind for finding in self.findings], dtype=object, name="kind")
        return pd.DataFrame(rows, index=index, columns=columns)

    def plot(self) -> "Picture":
        """Draw traces and ranks of the parameters, and the energy: see `bayesglmm.plots.diagnostics`.

        Raises
        ------
        OptionError
            For the check of draws alone, as `check(draws)` returns it.
        """
        from bayesglmm.plots.diagnostics import diagnostics

        if self.fit is None:
            raise OptionError("this is the check of draws without their model; draw that of a fit: fit.check().plot()")
        return diagnostics(self.fit)

    def to_text(self) -> str:
        """Return the verdict, then a line a finding."""
        return "\n".join([self.verdict, *(f"  - {finding}" for finding in self.findings)])

    def __str__(self) -> str:
        """Return the same as `to_text`."""
        return self.to_text()

    def __repr__(self) -> str:
        """Return the same as `to_text`."""
        return self.to_text()

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(str(finding))}</li>" for finding in self.findings)
        style = "color:inherit" if self.ok else "color:#fff;background:#b00020;padding:0.5em;font-weight:bold"
        return block(f'<p style="{style}">{escape(self.verdict)}</p>{f"<ul>{items}</ul>" if items else ""}')


def check(draws: xr.DataTree) -> Check:
    """Check the draws of a fit.

    Parameters
    ----------
    draws
        Groups `posterior` and `sample_stats`, as `sample` returns them.

    Returns
    -------
    Check
        With findings for a parameter that never moved, an R-hat above 1.01, a bulk or tail effective
        sample size under 400, divergences (a warning up to 0.5 % of the draws), an E-BFMI under 0.3, a trajectory cut
        at the largest depth, a single chain, an interruption, and for a fit that was sampled again.
    """
    import arviz as az

    posterior = draws["posterior"].to_dataset()
    n_chains = posterior.sizes["chain"]
    findings = _completeness(draws, posterior)
    with np.errstate(divide="ignore", invalid="ignore"):  # draws that never moved have no variance
        r_hat = _flat(az.rhat(posterior)) if n_chains > 1 else {}
        bulk, tail = _flat(az.ess(posterior, method="bulk")), _flat(az.ess(posterior, method="tail"))
    findings += _beyond("r_hat", r_hat, LIMITS["r_hat"], "R-hat", above=True)
    findings += _beyond("ess_bulk", bulk, LIMITS["ess"], "bulk ESS", above=False)
    findings += _beyond("ess_tail", tail, LIMITS["ess"], "tail ESS", above=False)
    statistics = draws["sample_stats"].to_dataset()
    divergences = int(statistics["diverging"].sum())
    findings += _trajectories(statistics, posterior)
    findings.sort(key=lambda finding: finding.warning)
    if draws.attrs.get("mended"):
        findings.append(Finding("mended", str(draws.attrs["mended"]), "mend=False leaves a fit as it is"))
    worst = f"R-hat ≤ {max(r_hat.values()):.3f}, " if r_hat else ""
    least = {"bulk": min(bulk.values(), default=0.0), "tail": min(tail.values(), default=0.0)}
    figures = worst + ", ".join(f"{name} ESS ≥ {size:,.0f}" for name, size in least.items())
    counted = f"{divergences or 'no'} divergence{'s' if divergences != 1 else ''}"
    backend = f"; {draws.attrs['backend']} backend" if "backend" in draws.attrs else ""
    return Check(tuple(findings), f"{figures}, {counted}{backend}")


def _completeness(draws: xr.DataTree, posterior: xr.Dataset) -> list[Finding]:
    """Return findings of an interruption, a single chain, and parameters that never moved."""
    findings: list[Finding] = []
    if draws.attrs.get("interrupted"):
        chains, size = (draws.attrs.get(f"asked_{name}", draws.attrs.get(name)) for name in ("chains", "draws"))
        sampled = f"{posterior.sizes['chain']} × {posterior.sizes['draw']}"
        message = f"interrupted after {sampled} draws of {chains} × {size} (chains × draws)"
        findings.append(Finding("interrupted", message, _ADVICE["interrupted"]))
    if posterior.sizes["chain"] < 2:
        findings.append(Finding("few_chains", "a single chain", _ADVICE["few_chains"]))
    constant = tuple(name for name, sd in _flat(posterior.std(("chain", "draw"))).items() if sd == 0)
    if constant:
        findings.append(Finding("constant", f"{listing(constant, 3)} never moved", _ADVICE["constant"], constant))
    return findings


def _flat(values: xr.Dataset) -> dict[str, float]:
    """Return the finite values by the label of the parameter; of one that never moved R-hat is not finite."""
    flat: dict[str, float] = {}
    for name, variable in values.data_vars.items():
        if variable.ndim == 0:
            flat[str(name)] = float(variable)
            continue
        labels = [np.asarray(variable[dim].values) for dim in variable.dims]
        for position in np.ndindex(variable.shape):
            element = ", ".join(str(label[i]) for label, i in zip(labels, position, strict=True))
            flat[f"{name}[{element}]"] = float(variable.values[position])
    return {name: value for name, value in flat.items() if np.isfinite(value)}


def _beyond(kind: Kind, values: dict[str, float], limit: float, name: str, *, above: bool) -> list[Finding]:
    """Return a finding of the parameters whose value is above a limit, or under it."""
    sign = 1 if above else -1
    bad = sorted((n for n, v in values.items() if sign * v > sign * limit), key=lambda n: -sign * values[n])
    if not bad:
        return []
    figure = f"{values[bad[0]]:.3f}" if above else f"{values[bad[0]]:,.0f}"
    side = "above" if above else "under"
    message = f"{name} {side} {limit:g} for {len(bad)} of {len(values)} parameters (worst {figure}: {listing(bad, 3)})"
    return [Finding(kind, message, _ADVICE[kind], tuple(bad))]


def _trajectories(statistics: xr.Dataset, posterior: xr.Dataset) -> list[Finding]:
    """Return findings of divergences, of E-BFMI and of the depth of the trees."""
    findings: list[Finding] = []
    divergences = int(statistics["diverging"].sum())
    total = statistics["diverging"].size
    if divergences:
        kind: Kind = "divergences" if divergences > LIMITS["divergences"] * total else "few_divergences"
        where, parameters = _concentration(posterior, statistics["diverging"].values)
        message = f"{divergences:,} of {total:,} draws diverged{where}"
        findings.append(Finding(kind, message, _ADVICE[kind], parameters))
    energy = statistics["energy"].values
    bfmi = np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1)
    if (low := bfmi[bfmi < LIMITS["energy"]]).size:
        message = f"E-BFMI under {LIMITS['energy']:g} in {low.size} of {bfmi.size} chains (lowest {low.min():.2f})"
        findings.append(Finding("energy", message, _ADVICE["energy"]))
    if cut := int(statistics["reached_max_treedepth"].sum()):
        message = f"{cut:,} of {total:,} trajectories reached the largest depth"
        findings.append(Finding("tree_depth", message, _ADVICE["tree_depth"]))
    return findings


def _concentration(posterior: xr.Dataset, diverged: NDArray[np.bool_]) -> tuple[str, tuple[str, ...]]:
    """Return at which end of which sd the divergent draws are concentrated, as text, and the sd; empty if at none."""
    candidates: list[tuple[float, str, str]] = []
    for name, variable in posterior.data_vars.items():
        if not str(name).startswith("sd_"):
            continue
        (dim,) = variable.dims[2:]
        for label in variable[dim].values:
            values = variable.sel({dim: label}).values
            divergent = values[diverged]
            parameter = f"{name}[{label}]"
            quantile = float(np.searchsorted(np.sort(values, axis=None), divergent).mean() / values.size)
            end = "small" if quantile < 0.5 else "large"
            medians = f"(median {np.median(divergent):.2g}, of all draws {np.median(values):.2g})"
            candidates.append((abs(quantile - 0.5), f", where {plain(parameter)} is {end} {medians}", parameter))
    distance, text, parameter = max(candidates, default=(0.0, "", ""))
    return (text, (parameter,)) if distance > _CONCENTRATED else ("", ())
