"""Imports run one way, heavy libraries wait until they are used, exports are complete."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bayesglmm as bg

PACKAGE = Path(bg.__file__).parent

ROOMS = (
    "common",
    "errors",
    "datasets",
    "specify",
    "compiled",
    "logdensity",
    "sample",
    "posterior",
    "marginalize",
    "likelihood",
    "estimands",
    "sensitivity",
    "comparison",
    "checking",
    "plots",
    "marginal_models",
    "old_names",
    "fitted",
    "fitting",
    "faces",
    "__main__",
)
"""From the bottom up; a module imports from rooms below its own, or from its own."""

HANDED_UP = {
    "checking/curves.py": {"plots"},
    "checking/discrepancy.py": {"plots"},
    "checking/residuals.py": {"plots"},
    "sample/diagnostics.py": {"plots"},
    "specify/model.py": {"estimands", "fitted", "fitting", "logdensity", "sample", "sensitivity"},
    "estimands/coefficients.py": {"plots"},
    "estimands/estimates.py": {"plots"},
    "comparison/compare.py": {"plots"},
    "comparison/bootstrap.py": {"plots"},
    "comparison/likelihood_ratio.py": {"plots"},
    "comparison/profile.py": {"plots"},
    "comparison/side_by_side.py": {"plots"},
    "comparison/wald.py": {"plots"},
    "comparison/loo.py": {"plots"},
    "estimands/group_means.py": {"plots"},
    "estimands/subject_curves.py": {"plots"},
    "estimands/hypothesis.py": {"plots"},
    "estimands/random_effects.py": {"plots"},
    "comparison/bayes_factors.py": {"plots"},
    "comparison/r_squared.py": {"plots"},
    "sensitivity/implied_priors.py": {"plots"},
    "sensitivity/power_scaling/result.py": {"plots"},
    "sensitivity/prior_ladder.py": {"plots"},
    "sensitivity/separation/result.py": {"plots"},
    "sensitivity/zero_sd.py": {"plots"},
}
"""Methods that only hand over to a room above, which they import when called: those of a `Model`, and `.plot()`."""


def depth(module: str) -> int:
    return ROOMS.index(module)


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def top(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path, *, at_once: bool = False) -> set[str]:
    """The package's own modules that a file imports, wherever in the file, or `at_once` when it is imported itself."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "bayesglmm":
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("bayesglmm.")}
    return found


def test_the_rooms_are_those_of_the_folder():
    assert {top(path) for path in modules()} == set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    above = {name for name in imported(path) if name != top(path) and depth(name) >= depth(top(path))}
    assert above == HANDED_UP.get(str(path.relative_to(PACKAGE)), set())
    assert not above & imported(path, at_once=True)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_package_is_imported_as_a_relative_or_star(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert all(alias.name != "*" for alias in node.names)


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nsys.stdout.write(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.split()}


HEAVY = {
    "pymc",
    "pytensor",
    "arviz",
    "arviz_plots",
    "arviz_stats",
    "matplotlib",
    "nutpie",
    "bambi",
    "numba",
    "jax",
    "numpyro",
    "statsmodels",
}


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import bayesglmm") & HEAVY


def test_building_a_model_loads_no_sampler():
    statement = "import bayesglmm as bg\nbg.glmm('count ~ trt + (1 | id)', bg.datasets.load('seizure'), 'poisson')"
    assert not loaded_by(statement) & HEAVY


def test_fit_itself_loads_nothing_heavy():
    code = "import sys\nimport bayesglmm as bg\nbg.fit\nsys.stdout.write(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert not {name.split(".")[0] for name in loaded} & HEAVY
    assert not loaded & {"scipy.stats", "scipy.interpolate", "scipy.optimize"}


def test_exports_are_complete_sorted_and_there():
    assert list(bg.__all__) == sorted(bg.__all__)
    assert set(bg._HOME) | set(bg._MODULES) == set(bg.__all__)
    assert all(getattr(bg, name) is not None for name in bg.__all__)
    assert dir(bg) == list(bg.__all__)
    with pytest.raises(AttributeError, match="glm2"):
        bg.glm2  # noqa: B018


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_names_its_exports_and_has_them(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    named = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    if len(tree.body) > 1 and path.name != "__main__.py":
        assert len(named) == 1
        assert public <= set(named[0])


USERS = {
    "pymc": {
        "logdensity/pymc_graph.py",
        "sample/graph.py",
        "sample/numpyro_nuts.py",
        "sample/pymc_nuts.py",
        "specify/model.py",
        "specify/priors/distributions/truncated_gamma.py",
        "specify/priors/prior.py",
        "specify/priors/tensors.py",
    },
    "pytensor": {
        "logdensity/pymc_graph.py",
        "sample/nutpie_nuts.py",
        "specify/families/beta.py",
        "specify/families/links/link.py",
        "specify/priors/tensors.py",
    },
    "nutpie": {"sample/nutpie_nuts.py"},
    "jax": {"sample/numpyro_nuts.py"},
    "numba": {"compiled"},
    "llvmlite": {"compiled"},
    "matplotlib": {"plots", "faces/report/page.py"},
    "statsmodels": {"marginal_models/solve.py"},
    "formulaic": {"specify/design/matrix.py"},
    "narwhals": {"specify/design/columns.py", "specify/design/convert.py"},
}
"""The modules and rooms that may import a package. `sample/graph.py` and `specify/model.py` name PyMC's type in
annotations only."""


def packages(path: Path) -> set[str]:
    """The packages that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


@pytest.mark.parametrize("package", USERS)
def test_a_package_is_imported_where_it_may_be_and_nowhere_else(package):
    files = {path.relative_to(PACKAGE).as_posix() for path in modules() if package in packages(path)}
    users = {name if name in USERS[package] else name.split("/")[0] for name in files}
    assert users == USERS[package]


@pytest.mark.parametrize("private", ["CompiledPyMCModel", "compile_pymc", "get_arrow_trace"])
def test_private_parts_of_nutpie_are_named_in_one_file(private):
    named = {path.name for path in modules() if private in path.read_text(encoding="utf-8")}
    assert named == {"nutpie_nuts.py"}
