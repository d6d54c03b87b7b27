import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import bayesglmm as bg
from bayesglmm import errors
from bayesglmm.errors import BayesGLMMWarning, InterfaceError, OptionError, PriorError
from bayesglmm.sample import sampling
from bayesglmm.sample.settings import Sampler

SHORT = {"draws": 100, "tune": 200, "seed": 3}


@pytest.fixture(scope="module", params=["density", "pymc"])
def compiled(request, seizure_model):
    return request.param, *sampling._prepared(request.param, seizure_model, Sampler())


def test_same_seed_same_draws_on_any_number_of_cores(compiled):
    one, _ = sampling._run(*compiled[:2], Sampler(**SHORT, cores=1), progress=False)
    two, _ = sampling._run(*compiled[:2], Sampler(**SHORT, cores=2), progress=False)
    other, _ = sampling._run(*compiled[:2], Sampler(**{**SHORT, "seed": 4}), progress=False)
    assert one["posterior"].to_dataset().equals(two["posterior"].to_dataset())
    assert not np.allclose(one["posterior"]["beta"], other["posterior"]["beta"])


def interrupt_after(seconds: float) -> None:
    def fire() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=fire).start()


def test_interruption_returns_the_draws_so_far_if_asked_to(compiled, seizure_model, monkeypatch):
    monkeypatch.setattr(sampling, "_prepared", lambda *_: compiled[1:])
    interrupt_after(5.0)
    sampler = Sampler(draws=1_000_000, tune=300, seed=1, cores=2, partial=True)
    draws = sampling.sample(seizure_model, sampler, progress=False)
    fit = bg.Fit(seizure_model, draws)
    assert draws.attrs["interrupted"] == 1
    assert 4 <= draws["posterior"].sizes["draw"] < 1_000_000
    assert draws.attrs["draws"] == draws["posterior"].sizes["draw"]
    assert draws.attrs["chains"] == draws["posterior"].sizes["chain"]
    assert (draws.attrs["asked_draws"], draws.attrs["asked_chains"]) == (1_000_000, 4)
    assert "of 4 × 1000000" in fit.check().findings[0].message
    assert np.isfinite(draws["posterior"]["beta"]).all()
    assert fit.check().findings[0].kind == "interrupted"
    assert "interrupted" in str(fit)


@pytest.mark.parametrize(
    "settings", [{"draws": 1_000_000, "tune": 10}, {"draws": 10, "tune": 1_000_000, "partial": True}], ids=str
)
def test_interruption_is_an_interruption_unless_asked_otherwise_and_always_in_warm_up(
    compiled, seizure_model, monkeypatch, settings
):
    monkeypatch.setattr(sampling, "_prepared", lambda *_: compiled[1:])
    interrupt_after(1.0)
    with pytest.raises(KeyboardInterrupt):
        sampling.sample(seizure_model, Sampler(**settings, seed=1), progress=False)


def test_an_interruption_while_draws_are_put_in_order_loses_none_if_asked_to(seizure_model, monkeypatch):
    label, calls = sampling.labelled, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return label(*arguments)

    monkeypatch.setattr(sampling, "labelled", interrupted)
    draws = sampling.sample(seizure_model, Sampler(**SHORT, partial=True), progress=False)
    assert draws["posterior"].sizes["draw"] == draws.attrs["draws"] == 100
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        sampling.sample(seizure_model, Sampler(**SHORT), progress=False)


MOMENTS = """
import os, signal, sys, threading, time
import numpy as np
import bayesglmm as bg
moments, partial = int(sys.argv[1]), sys.argv[2] == "partial"
data = bg.datasets.load("cbpp")
def fit():
    settings = {"draws": 20_000, "tune": 300, "chains": 2, "cores": 1, "seed": 1, "progress": False}
    return bg.fit("incidence ~ period + (1 | herd)", data, "poisson", **settings, partial=partial)
fit()
start = time.perf_counter()
usual = fit()
seconds = time.perf_counter() - start
for moment in range(moments):
    timer = threading.Timer(seconds * (moment + 0.5) / moments, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        got = fit()
        done = got.draws.attrs
        timer.cancel()
        timer.join()
        time.sleep(0.05)  # for an interruption that is on its way
    except KeyboardInterrupt:
        timer.join()
        print("raised")
    else:
        sizes = got.posterior.sizes
        assert (done["draws"], done["chains"]) == (sizes["draw"], sizes["chain"])
        assert (done["asked_draws"], done["asked_chains"]) == (20_000, 2)
        assert np.isfinite(got.posterior["beta"]).all()
        whole = sizes["draw"] == 20_000 and sizes["chain"] == 2
        assert whole or (partial and done["interrupted"] == 1)
        same = usual.posterior["beta"].isel(chain=slice(0, sizes["chain"]), draw=slice(0, sizes["draw"]))
        assert sizes["chain"] < 2 or np.array_equal(got.posterior["beta"], same)
        print("whole" if whole else "part")
assert threading.active_count() == 1
assert usual.posterior.equals(fit().posterior)
"""


@pytest.mark.parametrize("moments", [6, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("partial", ["partial", "raises"])
def test_an_interruption_at_any_moment_raises_or_returns_what_was_drawn(moments, partial):
    """A fit after it is that of a process that was never interrupted."""
    done = subprocess.run([sys.executable, "-c", MOMENTS, str(moments), partial], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    assert len(said) == moments
    assert ("part" in said) == (partial == "partial")
    assert ("raised" in said) or partial == "partial"


def test_a_fit_that_was_cut_short_is_updated_to_what_was_asked(seizure_model):
    draws = sampling.sample(seizure_model, Sampler(**SHORT, chains=2), progress=False)
    fit = bg.Fit(seizure_model, draws.isel(draw=slice(0, 10)))
    fit.draws.attrs |= {"draws": 10, "interrupted": 1}
    again = fit.update(progress=False)
    assert again.posterior.sizes["draw"] == again.draws.attrs["draws"] == 100
    assert again.posterior.equals(draws["posterior"].to_dataset())


def test_draws_record_the_versions_they_were_made_with(seizure_fit, herds_fits):
    versions = dict(entry.split() for entry in seizure_fit.draws.attrs["versions"].split(", "))
    assert {"Python", "bayesglmm", "pymc", "nutpie", "numba", "numpy"} <= set(versions)
    assert versions["numpy"] == np.__version__
    assert "numpyro" not in versions
    assert "numpyro 0." in herds_fits[1].draws.attrs["versions"]


def test_an_improper_prior_is_not_sampled_alone():
    model = bg.glmm("count ~ trt + (1 | id)", bg.datasets.load("seizure"), "poisson", priors="brms")
    with pytest.raises(PriorError, match="improper"):
        sampling.sample(model, Sampler(prior_only=True), progress=False)


def test_silence(compiled, seizure_model, monkeypatch, capfd):
    monkeypatch.setattr(sampling, "_prepared", lambda *_: compiled[1:])
    sampling.sample(seizure_model, Sampler(**SHORT), progress=False)
    assert capfd.readouterr() == ("", "")


CHILD = """
import sys, hashlib
import bayesglmm as bg
settings = {"draws": 50, "tune": 50, "seed": 1, "progress": False, "backend": sys.argv[1]}
f = bg.fit("incidence ~ herd + (1 | period)", bg.datasets.load("cbpp"), "poisson", **settings)
digest = hashlib.sha256(f.posterior["beta"].values.tobytes())
if sys.argv[1] == "density":
    f = bg.fit("outcome ~ trt*period + (1 + period | id)", bg.datasets.load("crossover"), "bernoulli", **settings)
    digest.update(f.posterior["beta"].values.tobytes())
    digest.update(f.group_log_likelihood().values.tobytes())
sys.stdout.write(digest.hexdigest())
"""


@pytest.mark.parametrize("backend", ["density", pytest.param("pymc", marks=pytest.mark.slow)])
def test_same_seed_same_draws_on_a_cold_and_a_warm_cache(tmp_path, backend):
    environment = {**os.environ, "PYTENSOR_FLAGS": f"base_compiledir={tmp_path}", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", CHILD, backend]
    cold, warm = (subprocess.run(command, env=environment, capture_output=True, check=True).stdout for _ in range(2))
    assert cold == warm
    assert len(cold) == 64


def test_identical_rows_are_merged_and_the_posterior_is_the_same():
    """cbpp as single animals: rows of one herd and period merge, and nothing but the time it takes changes."""
    herds = bg.datasets.load("cbpp")
    animals = herds.loc[herds.index.repeat(herds["size"])].assign(
        sick=np.concatenate(
            [np.arange(size) < sick for sick, size in zip(herds["incidence"], herds["size"], strict=True)]
        )
    )
    settings = {"draws": 2000, "seed": 4, "progress": False}
    merged = bg.fit("sick ~ C(period) + (1 | herd)", animals, "bernoulli", **settings)
    counts = bg.fit("p(incidence, size) ~ C(period) + (1 | herd)", herds, "binomial", **settings)
    assert merged.draws.attrs["merged_rows"] == len(herds)
    assert f"{len(animals)} rows → {len(herds)}" in str(merged)
    assert merged.draws["observed_data"].sizes["row"] == len(animals)
    ours, theirs = merged.summary(), counts.summary()
    error = np.hypot(ours["sd"] / np.sqrt(ours["ess_bulk"]), theirs["sd"] / np.sqrt(theirs["ess_bulk"]))
    assert (np.abs(ours["mean"] - theirs["mean"]) < 5 * error).all()


@pytest.fixture(scope="module")
def herds_fits():
    """One posterior through NumPyro and through the package's own density."""
    settings = {"seed": 5, "progress": False}
    ours = bg.fit("incidence ~ period + (1 + period || herd)", bg.datasets.load("cbpp"), "poisson", **settings)
    return ours, ours.update(backend="numpyro", progress=False)


def test_numpyro_has_the_same_posterior_and_statistics(herds_fits):
    """Within five Monte Carlo standard errors of the difference, under the same names, in double precision."""
    ours, theirs = herds_fits
    assert theirs.posterior.sizes == ours.posterior.sizes
    for name, variable in ours.posterior.items():
        assert theirs.posterior[name].dims == variable.dims
        assert theirs.posterior[name].dtype == np.float64
    a, b = ours.summary(), theirs.summary()
    error = np.hypot(a["sd"] / np.sqrt(a["ess_bulk"]), b["sd"] / np.sqrt(b["ess_bulk"]))
    assert (np.abs(a["mean"] - b["mean"]) < 5 * error).all()
    statistics = theirs.draws["sample_stats"].to_dataset()
    assert set(statistics) == set(ours.draws["sample_stats"].to_dataset())
    assert all(isinstance(v.data, np.ndarray) for v in statistics.values())
    assert statistics["diverging"].dtype == statistics["reached_max_treedepth"].dtype == bool


def test_numpyro_is_named_where_its_fit_is_shown(herds_fits):
    _, fit = herds_fits
    assert "numpyro backend" in str(fit)
    assert "numpyro backend" in fit.check().figures


def test_numpyro_repeats_itself_from_the_seed_and_keeps_to_the_depth(herds_fits):
    _, fit = herds_fits
    short = {"draws": 20, "tune": 20, "max_treedepth": 2, "cores": 1, "progress": False}
    one, two, other = fit.update(**short), fit.update(**{**short, "cores": 2}), fit.update(**short, seed=6)
    assert one.posterior.equals(two.posterior)
    assert not np.allclose(one.posterior["beta"], other.posterior["beta"])
    statistics = one.draws["sample_stats"]
    assert int(statistics["n_steps"].max()) == 3
    assert statistics["reached_max_treedepth"].values.sum() == (statistics["n_steps"].values == 3).sum()


def test_numpyro_reports_the_log_density_as_the_graph_does(herds_fits):
    """Energy is kinetic energy less the log density; the sign of the latter is easily lost."""
    statistics = herds_fits[1].draws["sample_stats"]
    kinetic = statistics["energy"] + statistics["lp"]
    degrees = 2 + 2 + 2 * 15
    assert abs(float(kinetic.mean()) - degrees / 2) < 0.1 * degrees


def test_numpyro_absent_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(OptionError, match=r"numpyro, which is not installed; install bayesglmm\[numpyro\]"):
        bg.fit("incidence ~ period + (1 | herd)", bg.datasets.load("cbpp"), "poisson", backend="numpyro")


@pytest.fixture
def fresh(monkeypatch):
    """A process that has warned of nothing yet."""
    monkeypatch.setattr(errors, "_warned", set())


@pytest.mark.parametrize(
    ("works", "dependency", "words"),
    [
        ("pymc", "numba", "numba failed.*sampled by nutpie.*a minute"),
        ("pymc_nuts", "numba", "numba failed.*PyMC's own NUTS"),
        ("pymc", "nutpie", "nutpie failed.*sampled by nutpie.*a minute"),
        ("pymc_nuts", "nutpie", "nutpie failed.*PyMC's own NUTS"),
    ],
)
def test_auto_goes_on_by_the_next_method_that_works_and_says_so_once(
    fresh, monkeypatch, seizure_model, works, dependency, words
):
    tried = []

    def sample_by(method, model, sampler, progress, joint=None):
        tried.append(method)
        if method != works:
            raise InterfaceError(f"{dependency} failed", dependency)
        return method, {}

    monkeypatch.setattr(sampling, "_sample_by", sample_by)
    with pytest.warns(BayesGLMMWarning, match=words):
        assert sampling._sampled(seizure_model, Sampler(), progress=False) == (works, {})
    assert tried == ["density", "pymc", "pymc_nuts"][: len(tried)]
    sampling._sampled(seizure_model, Sampler(), progress=False)  # a second warning would be an error
    with pytest.raises(InterfaceError, match=f"{dependency} failed"):
        sampling._sampled(seizure_model, Sampler(backend="density"), progress=False)


@pytest.mark.slow
def test_a_fit_on_the_graph_in_place_of_the_density_says_what_it_is(fresh, monkeypatch, seizure_model):
    """With the draws of backend="pymc" from the seed, and what integrates on top of it."""

    def unable(*_, **__):
        raise InterfaceError("numba failed", "numba")

    monkeypatch.setattr("bayesglmm.logdensity.compile.compile_density", unable)
    with pytest.warns(BayesGLMMWarning, match="numba failed"):
        found = sampling.sample(seizure_model, Sampler(**SHORT, chains=2), progress=False)
    asked = sampling.sample(seizure_model, Sampler(**SHORT, chains=2, backend="pymc"), progress=False)
    assert (found.attrs["backend"], found.attrs["asked_backend"]) == ("pymc", "auto")
    assert found["posterior"].equals(asked["posterior"])


@pytest.mark.slow
def test_pymcs_own_sampler_has_the_same_posterior_and_statistics(herds_fits):
    ours, _ = herds_fits
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(sampling, "_METHODS", {"auto": ("pymc_nuts",)})
        theirs = ours.update(draws=500, progress=False)
    assert theirs.draws.attrs["backend"] == "pymc"
    a, b = ours.summary(), theirs.summary()
    error = np.hypot(a["sd"] / np.sqrt(a["ess_bulk"]), b["sd"] / np.sqrt(b["ess_bulk"]))
    assert (np.abs(a["mean"] - b["mean"]) < 5 * error).all()
    assert set(theirs.draws["sample_stats"].data_vars) == set(ours.draws["sample_stats"].data_vars)


RNG = np.random.default_rng(1)
Z = RNG.normal(size=240)
SHARE = 1 / (1 + np.exp(-0.1 * Z))
LARGE_COUNTS = {
    "poisson": ("y ~ z", RNG.poisson(4e9 * np.exp(0.1 * Z))),
    "negative_binomial": ("y ~ z", RNG.poisson(4e9 * np.exp(0.1 * Z) * RNG.gamma(50, 0.02, 240))),
    "binomial": ("p(y, n) ~ z", RNG.binomial(2**40, SHARE)),
}


@pytest.mark.parametrize("family", LARGE_COUNTS)
def test_counts_beyond_32_bits(family):
    formula, y = LARGE_COUNTS[family]
    data = {"y": y, "z": Z, "n": np.full(240, 2**40)}
    fit = bg.fit(formula, data, family, seed=1, draws=200, tune=200, chains=2, progress=False)
    assert fit.draws["observed_data"]["y"].values.max() == y.max() > 2**31
    assert fit.posterior["beta"].values[..., 1].mean() == pytest.approx(0.1, abs=0.05)
    drawn = fit.outcomes(seed=1).values
    assert (drawn == np.floor(drawn)).all()
    assert drawn.mean() == pytest.approx(y.mean(), rel=0.05)
