import subprocess
import sys

import pytest

import bayesglmm as bg
from bayesglmm import errors
from bayesglmm.errors import BayesGLMMWarning, InterfaceError
from bayesglmm.sample import nutpie_nuts
from bayesglmm.sample.labelling import STATISTICS

FIT = (
    "import sys, bayesglmm as bg\n"
    "data = bg.datasets.load('seizure')\n"
    "bg.fit('count ~ trt + (1 | id)', data, 'poisson', draws=50, tune=100, chains=1, seed=1, progress=False)\n"
)


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_a_fit_waits_for_no_import_of_figures_and_diagnostics():
    loaded = run(FIT + "print(*sys.modules)").split()
    assert "nutpie" in loaded
    assert not {"arviz", "arviz_stats", "arviz_plots", "matplotlib", "pymc", "pytensor"} & set(loaded)


def test_arviz_and_nutpie_are_whole_after_a_fit():
    code = FIT + "import arviz\nprint(arviz.from_dict is sys.modules['nutpie.sample'].arviz.from_dict, arviz.__file__)"
    same, file = run(code).split()
    assert same == "True"
    assert file.endswith("__init__.py")


def test_the_draws_are_those_of_nutpies_own_conversion(seizure_model):
    """The raw trace read here, and the one nutpie converts itself, from one seed."""
    import nutpie

    from bayesglmm.sample import sampling
    from bayesglmm.sample.nutpie_nuts import run_nutpie

    compiled, _ = sampling._prepared("density", seizure_model, bg.Sampler())
    options = {"draws": 40, "tune": 60, "chains": 2, "seed": 5, "target_accept": 0.8}
    theirs = nutpie.sample(compiled, **options, maxdepth=10, cores=1, save_warmup=False, progress_bar=False)
    ours, interrupted = run_nutpie(compiled, bg.Sampler(**options, cores=2), progress=False)
    assert not interrupted
    assert ours["posterior"].to_dataset().equals(theirs["posterior"].to_dataset())
    assert tuple(ours["sample_stats"].data_vars) == STATISTICS
    for name, values in ours["sample_stats"].data_vars.items():
        assert values.equals(theirs["sample_stats"][nutpie_nuts._NUTPIE_NAMES.get(name, name)])


@pytest.fixture
def fresh(monkeypatch):
    """A process that has read no trace and warned of nothing yet."""
    monkeypatch.setattr(errors, "_warned", set())
    monkeypatch.setattr(nutpie_nuts, "_unreadable", [])


@pytest.mark.parametrize("gone", ["get_arrow_trace", "tuning"])
def test_where_the_raw_trace_has_changed_nutpie_converts_it_to_the_same_draws(fresh, monkeypatch, seizure_model, gone):
    from bayesglmm.sample import sampling

    column = nutpie_nuts._column

    def changed(batch, name):
        if gone == "get_arrow_trace":
            raise AttributeError(gone)
        return column(batch, name.replace(gone, "warming"))

    settings = {"draws": 40, "tune": 60, "chains": 2, "seed": 5}
    usual = sampling.sample(seizure_model, bg.Sampler(**settings), progress=False)
    monkeypatch.setattr(nutpie_nuts, "_column", changed)
    with pytest.warns(BayesGLMMWarning, match="trace of nutpie"):
        found = sampling.sample(seizure_model, bg.Sampler(**settings), progress=False)
    again = sampling.sample(seizure_model, bg.Sampler(**settings), progress=False)  # without a second warning
    for tree in (found, again):
        assert tree["posterior"].to_dataset().drop_attrs().equals(usual["posterior"].to_dataset().drop_attrs())
        assert tree["sample_stats"].to_dataset().equals(usual["sample_stats"].to_dataset())


@pytest.mark.parametrize("change", ["absent", "other fields"])
def test_an_object_that_nutpie_no_longer_has_or_takes_is_said_to_be_nutpies(monkeypatch, seizure_model, change):
    import nutpie.compile_pymc

    from bayesglmm.sample import sampling

    if change == "absent":
        monkeypatch.delattr(nutpie.compile_pymc, "CompiledPyMCModel")
    else:
        monkeypatch.setattr(nutpie.compile_pymc, "CompiledPyMCModel", lambda function: function)
    with pytest.raises(InterfaceError, match="nutpie is not the one") as refused:
        sampling._prepared("density", seizure_model, bg.Sampler())
    assert refused.value.dependency == "nutpie"


def test_an_object_that_nutpie_does_not_sample_is_said_to_be_nutpies(monkeypatch, seizure_model):
    import nutpie.compile_pymc

    from bayesglmm.sample import sampling

    compiled, _ = sampling._prepared("density", seizure_model, bg.Sampler())
    monkeypatch.delattr(nutpie.compile_pymc.CompiledPyMCModel, "_make_model")
    with pytest.raises(InterfaceError, match="its start fails"):
        sampling._run("density", compiled, bg.Sampler(tune=10, seed=1), progress=False)
