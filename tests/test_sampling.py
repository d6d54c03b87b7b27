import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray as xr

import bayesglmm as bg
from bayesglmm import sampling
from bayesglmm.errors import OptionError, PriorError, SamplingError
from bayesglmm.sampling import Sampler

SHORT = {"draws": 100, "tune": 200, "seed": 3}


@pytest.fixture(scope="module", params=["density", "pymc"])
def compiled(request, seizure_model):
    return sampling._compile(seizure_model, Sampler(backend=request.param))


def test_same_seed_same_draws_on_any_number_of_cores(compiled):
    one, _ = sampling._run(compiled[0], Sampler(**SHORT, cores=1), progress=False)
    two, _ = sampling._run(compiled[0], Sampler(**SHORT, cores=2), progress=False)
    other, _ = sampling._run(compiled[0], Sampler(**{**SHORT, "seed": 4}), progress=False)
    assert one["posterior"].to_dataset().equals(two["posterior"].to_dataset())
    assert not np.allclose(one["posterior"]["beta"], other["posterior"]["beta"])


def test_a_seed_is_chosen_and_recorded():
    chosen = Sampler().seeded()
    assert chosen.seed is not None
    assert chosen.seeded() == chosen


def interrupt_after(seconds: float) -> None:
    def fire() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=fire).start()


def test_interruption_returns_the_draws_so_far(compiled, seizure_model, monkeypatch):
    monkeypatch.setattr(sampling, "_compile", lambda *_: compiled)
    interrupt_after(5.0)
    draws = sampling.sample(seizure_model, Sampler(draws=1_000_000, tune=300, seed=1, cores=2), progress=False)
    fit = bg.Fit(seizure_model, draws)
    assert draws.attrs["interrupted"] == 1
    assert 4 <= draws["posterior"].sizes["draw"] < 1_000_000
    assert np.isfinite(draws["posterior"]["beta"]).all()
    assert fit.check().findings[0].kind == "interrupted"
    assert "interrupted" in str(fit)


def test_interruption_in_warm_up_is_an_interruption(compiled, seizure_model, monkeypatch):
    monkeypatch.setattr(sampling, "_compile", lambda *_: compiled)
    interrupt_after(1.0)
    with pytest.raises(KeyboardInterrupt):
        sampling.sample(seizure_model, Sampler(draws=10, tune=1_000_000, seed=1), progress=False)


def test_interrupted_chains_keep_the_most_draws():
    beta = np.full((4, 10, 1), np.nan)
    for chain, end in enumerate((10, 8, 1, 0)):
        beta[chain, :end] = 1.0
    kept = sampling._complete(xr.Dataset({"beta": (("chain", "draw", "coef"), beta)}))
    assert list(kept["chain"]) == [0, 1]
    assert kept["draw"] == slice(0, 8)
    with pytest.raises(SamplingError, match="no chain"):
        sampling._complete(xr.Dataset({"beta": (("chain", "draw", "coef"), np.full((2, 5, 1), np.nan))}))


def test_draws_have_the_names_dims_and_statistics_of_the_package(seizure_fit):
    posterior, statistics = seizure_fit.posterior, seizure_fit.draws["sample_stats"]
    assert list(posterior.data_vars) == ["beta", "sd_id", "corr_id", "b_id"]
    assert posterior["b_id"].dims == ("chain", "draw", "id", "id_coef")
    assert list(posterior["coef"].values) == ["Intercept", "trt", "time", "trt:time"]
    assert set(statistics.data_vars) == set(sampling._STATISTICS.values())
    assert statistics["diverging"].dtype == bool
    assert seizure_fit.draws["observed_data"]["y"].sum() == bg.datasets.load("seizure")["count"].sum()
    assert seizure_fit.draws["constant_data"]["x"].shape == (295, 4)


def test_draws_record_the_versions_they_were_made_with(seizure_fit, herds_fits):
    versions = dict(entry.split() for entry in seizure_fit.draws.attrs["versions"].split(", "))
    assert {"Python", "bayesglmm", "pymc", "nutpie", "numba", "numpy"} <= set(versions)
    assert versions["numpy"] == np.__version__
    assert "numpyro" not in versions
    assert "numpyro 0." in herds_fits[1].draws.attrs["versions"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("draws", 0),
        ("draws", 2.5),
        ("tune", -1),
        ("chains", True),
        ("cores", 0),
        ("seed", -1),
        ("seed", "one"),
        ("target_accept", 1.0),
        ("target_accept", "high"),
        ("max_treedepth", 99),
        ("prior_only", "yes"),
        ("backend", "stan"),
    ],
)
def test_settings_out_of_range_name_the_setting(option, value):
    with pytest.raises(OptionError, match=option):
        Sampler(**{option: value})


def test_an_improper_prior_is_not_sampled_alone():
    model = bg.glmm("count ~ trt + (1 | id)", bg.datasets.load("seizure"), "poisson", priors="brms")
    with pytest.raises(PriorError, match="improper"):
        sampling.sample(model, Sampler(prior_only=True), progress=False)


def test_silence(compiled, seizure_model, monkeypatch, capfd):
    monkeypatch.setattr(sampling, "_compile", lambda *_: compiled)
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
