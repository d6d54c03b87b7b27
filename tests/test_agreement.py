"""The compiled density and the PyMC graph give one posterior, to Monte Carlo error, on the worked studies."""

from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesglmm as bg
from bayesglmm.faces.spec import read_spec
from bayesglmm.specify.variables import variable_names

MODELS = Path(__file__).parents[1] / "models"
STUDIES = ("seizure", "toenail", "crossover", "asthma", "ohio", "rehab")
FALSE_ALARM = 0.001
"""The probability that two right samplers disagree, over all comparisons of two fits together."""

QUANTILES = (0.05, 0.5, 0.95)


def statistics(fit: bg.Fit) -> pd.DataFrame:
    """Estimate and Monte Carlo error of means, sds and quantiles of all but the random effects.

    Positive parameters in logs: on their own scale some have no moments.
    """
    names = [name for name in variable_names(fit.model) if not name.startswith("b_")]
    posterior = fit.posterior[names]
    log = [name for name in names if not name.startswith(("beta", "corr_"))]
    posterior = posterior.assign({name: np.log(posterior[name]) for name in log})
    over = ("chain", "draw")
    found = {
        "mean": (posterior.mean(over), az.mcse(posterior, method="mean")),
        "sd": (posterior.std(over, ddof=1), az.mcse(posterior, method="sd")),
    }
    for q in QUANTILES:
        found[f"{q:.0%}"] = (posterior.quantile(q, over), az.mcse(posterior, method="quantile", prob=q))
    return pd.concat(
        {statistic: pd.DataFrame({"value": flat(v), "error": flat(e)}) for statistic, (v, e) in found.items()},
        names=["statistic", "parameter"],
    )


def flat(dataset) -> pd.Series:
    """One figure a parameter, by name and position."""
    return pd.Series(
        {
            f"{name}[{i}]": value
            for name, array in dataset.data_vars.items()
            for i, value in enumerate(array.values.flat)
        }
    )


def distances(one: bg.Fit, two: bg.Fit) -> pd.Series:
    """Differences of the statistics in their Monte Carlo standard errors."""
    a, b = statistics(one), statistics(two)
    assert a.index.equals(b.index)
    assert np.isfinite(a).all(axis=None)
    return (a["value"] - b["value"]) / np.hypot(a["error"], b["error"])


def limit(comparisons: int) -> float:
    """The largest distance that chance gives among so many but with the probability of a false alarm (Bonferroni)."""
    return float(stats.norm.isf(FALSE_ALARM / (2 * comparisons)))


def worst(one: bg.Fit, two: bg.Fit) -> tuple[float, float, str]:
    """The largest distance, the limit, and what to print."""
    z = distances(one, two)
    largest = z.abs().idxmax()
    bound = limit(len(z))
    return abs(z[largest]), bound, f"{' of '.join(largest)}: |z| = {abs(z[largest]):.2f} of {len(z)}, limit {bound:.2f}"


PRIORS = {
    "intercept": "normal(0, 2)",
    "slopes": "normal(0, 1)",
    "sd": "half_student_t(3, 0, 1)",
    "correlation": "lkj(2)",
    "sigma": "half_student_t(3, 0, 1)",
}


def repeated(groups: int = 10, visits: int = 4) -> pd.DataFrame:
    """Make few groups with few visits each: a posterior that feels every prior."""
    rng = np.random.default_rng(7)
    g, x = np.repeat(np.arange(groups), visits), np.tile(np.linspace(-1, 1, visits), groups)
    b = rng.normal(size=(groups, 2)) * (1.0, 0.7)
    y = 1.5 + b[g, 0] + (1.0 + b[g, 1]) * x + rng.normal(0, 0.8, len(g))
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.fixture(scope="module")
def small():
    """One posterior by either backend, with correlated slopes and a family parameter."""
    ours = bg.fit("y ~ x + (1 + x | g)", repeated(), priors=PRIORS, seed=1, draws=3000, progress=False)
    return ours, ours.update(backend="pymc", seed=2, progress=False)


def test_backends_have_one_posterior(small):
    ours, graph = small
    assert [v.dims for v in graph.posterior.values()] == [v.dims for v in ours.posterior.values()]
    largest, bound, text = worst(ours, graph)
    assert largest < bound, text


@pytest.mark.parametrize(
    "changed",
    [
        {"intercept": "normal(0, 1)"},
        {"slopes": "normal(0, 0.7)"},
        {"sd": "half_student_t(3, 0, 0.7)"},
        {"correlation": "lkj(3)"},
        {"sigma": "half_student_t(3, 0, 0.3)"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_wrong_prior_constant_is_found(small, changed):
    ours, graph = small
    largest, bound, text = worst(ours.update(priors={**PRIORS, **changed}, seed=3, progress=False), graph)
    assert largest > bound, text


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_backends_have_one_posterior_on_the_studies(study):
    spec = read_spec(MODELS / f"{study}.toml")
    settings = {"link": spec.link, "priors": spec.priors, "progress": False}
    ours = bg.fit(spec.formula, spec.load_data(), spec.family, seed=11, draws=4000, **settings)
    graph = ours.update(backend="pymc", seed=12, draws=8000 if study == "crossover" else 2000, progress=False)
    largest, bound, text = worst(ours, graph)
    assert largest < bound, text
