import subprocess
import sys

import bayesglmm as bg

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

    from bayesglmm import sampling
    from bayesglmm.nutpie_nuts import run_nutpie

    compiled, _ = sampling._compile(seizure_model, bg.Sampler())
    options = {"draws": 40, "tune": 60, "chains": 2, "seed": 5, "target_accept": 0.8}
    theirs = nutpie.sample(compiled, **options, maxdepth=10, cores=1, save_warmup=False, progress_bar=False)
    ours, interrupted = run_nutpie(compiled, **options, cores=2, max_treedepth=10, progress=False, fewest=4)
    assert not interrupted
    assert ours["posterior"].to_dataset().equals(theirs["posterior"].to_dataset())
    for name, values in ours["sample_stats"].data_vars.items():
        assert values.equals(theirs["sample_stats"][name])
