"""Machine code is kept on disk whole, of the present sources and by whom it may be; it is loaded without numba."""

import ctypes
import errno
import os
import re
import subprocess
import sys
import textwrap
import time
import tomllib
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit, types
from packaging.requirements import Requirement
from packaging.version import Version

import bayesglmm as bg
from bayesglmm import errors
from bayesglmm.compiled import cache, kernels
from bayesglmm.compiled import folder as places
from bayesglmm.compiled.build import build
from bayesglmm.compiled.load import load
from bayesglmm.errors import BayesGLMMWarning, FamilyError, InterfaceError, PriorError
from bayesglmm.posterior.log_likelihood import Likelihood
from bayesglmm.specify.families import special

SIGNATURE = types.float64(types.float64, types.float64)
DOUBLE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double)
ONE = types.float64(types.float64)
POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="whose a file is stands in no file of this system")


def ratio(a, b):
    return a / b


def called(address: int, a: float, b: float) -> float:
    return DOUBLE(address)(a, b)


def mills() -> float:
    """Compile a function of the package as a new process would, and return its value at 0."""
    address = cache.compiled(ONE)(special.mills).address
    cache._addresses.clear()
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(address)(0.0)


MILLS = pytest.approx(np.sqrt(2 / np.pi), rel=1e-15)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process that has compiled nothing and said nothing yet."""
    for module, name, value in [
        (cache, "_addresses", {}),
        (cache, "_refused", {}),
        (cache, "_changed", []),
        (errors, "_warned", set()),
    ]:
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def builds(monkeypatch):
    """How often something is compiled."""
    counted = []

    def counting(function, signature):
        counted.append(function)
        return build(function, signature)

    monkeypatch.setattr("bayesglmm.compiled.build.build", counting)
    return counted


# What stands on disk


def test_a_function_of_the_package_is_compiled_once_and_then_taken_from_disk(folder, builds):
    assert [mills(), mills()] == [MILLS, MILLS]
    assert len(builds) == 1
    assert [path.suffix for path in folder.iterdir()] == [".object"]


def test_division_by_zero_is_infinite_as_in_c(folder):
    assert called(cache.compiled(SIGNATURE)(ratio).address, 1.0, 0.0) == float("inf")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda code: code[:-9],
        lambda code: b"",
        lambda code: code.replace(b"cfunc", b"cfunk", 1),
        lambda code: b"\xff\xfe" + code,
        lambda code: code[:64] + b"\n" + code,
    ],
)
def test_a_file_that_is_not_whole_is_compiled_anew(folder, builds, spoil):
    mills()
    (path,) = folder.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    assert mills() == MILLS
    assert len(builds) == 2
    mills()
    assert len(builds) == 2


def test_other_sources_are_compiled_anew_in_the_place_of_the_old(folder, builds, monkeypatch):
    mills()
    monkeypatch.setattr(cache, "sources", lambda modules: "others")
    mills()
    assert len(builds) == 2
    assert len(list(folder.iterdir())) == 1


def test_another_function_of_the_name_takes_the_place_of_the_old_and_of_no_other_file(folder, builds, monkeypatch):
    (folder / "bayesglmm.specify.families.special.mills.mine.object").write_text("mine")
    mills()
    monkeypatch.setattr(special, "_inverse_mills", special.exp)
    mills()
    assert len(builds) == 2
    assert (
        len([path for path in folder.iterdir() if path.name.startswith("bayesglmm.specify.families.special.mills.")])
        == 2
    )
    assert (folder / "bayesglmm.specify.families.special.mills.mine.object").read_text() == "mine"


def test_settings_of_numba_that_change_code_have_files_of_their_own(folder, monkeypatch):
    mills()
    cache._machine.cache_clear()
    monkeypatch.setenv("NUMBA_OPT", "1")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    mills()
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    cache._machine.cache_clear()
    mills()
    assert len(list(folder.iterdir())) == 2
    cache._machine.cache_clear()


def test_without_a_folder_that_can_be_written_all_is_compiled(monkeypatch, builds):
    monkeypatch.setattr(places, "folder", lambda: None)
    assert [mills(), mills()] == [MILLS, MILLS]
    assert len(builds) == 2


def test_code_that_calls_what_is_nowhere_has_numba_loaded_and_works():
    """A division that raises calls Python and numba's own run time."""
    counted = njit(lambda n: sum([float(i) for i in range(n)]))
    built = build(lambda a, b: counted(int(a)) / b, SIGNATURE)
    assert any(name.startswith("NRT") for name in built.needs)
    assert called(load(built), 4.0, 2.0) == 3.0


def test_code_that_calls_what_nobody_has_is_not_handed_to_llvm():
    built = replace(build(ratio, SIGNATURE), needs=("of_another_numba",))
    with pytest.raises(ImportError, match="of_another_numba"):
        load(built)


# Which folder, and who may write there


def test_the_folder_is_the_one_that_is_given(tmp_path):
    code = "from bayesglmm.compiled import folder; print(folder.folder())"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "new")}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str(tmp_path / "new")


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_without_a_home_there_is_no_error(monkeypatch, builds):
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(places, "PACKAGE", Path(os.devnull))
    assert places.folder.__wrapped__() is None
    monkeypatch.setattr(places, "folder", places.folder.__wrapped__)
    assert mills() == MILLS


@pytest.mark.parametrize("home", ["", "relative", os.devnull])
def test_a_home_that_is_none_gets_no_folder(monkeypatch, tmp_path, home):
    monkeypatch.chdir(tmp_path)
    for name in ("NUMBA_CACHE_DIR", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(places, "PACKAGE", Path(os.devnull))
    assert places.folder.__wrapped__() is None
    assert list(tmp_path.iterdir()) == []


@POSIX
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o777])
def test_a_file_that_others_may_write_is_not_loaded(folder, builds, mode):
    mills()
    (path,) = folder.iterdir()
    path.chmod(mode)
    assert mills() == MILLS
    assert len(builds) == 2
    assert path.stat().st_mode & 0o777 == 0o644
    mills()
    assert len(builds) == 2


@POSIX
def test_a_file_of_another_is_not_loaded(folder, builds, monkeypatch):
    mills()
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    mills()
    assert len(builds) == 2


@POSIX
@pytest.mark.parametrize(("mode", "trusted"), [(0o755, True), (0o700, True), (0o775, False), (0o777, False)])
def test_a_folder_that_others_may_write_is_not_read(folder, builds, mode, trusted):
    mills()
    folder.chmod(mode)
    mills()
    assert len(builds) == (1 if trusted else 2)


@POSIX
def test_a_folder_for_everybody_is_read_where_files_stay_their_owners(folder, builds):
    mills()
    folder.chmod(0o1777)
    mills()
    assert len(builds) == 1


@POSIX
def test_a_given_folder_that_others_may_write_is_not_used_and_that_is_said_once(tmp_path, monkeypatch):
    tmp_path.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    with pytest.warns(BayesGLMMWarning, match="others may write") as said:
        assert [places.folder.__wrapped__() for _ in range(2)] == [None, None]
    assert len(said) == 1


@POSIX
def test_what_is_written_is_for_its_owner_alone_to_change(folder):
    before = os.umask(0)
    try:
        mills()
    finally:
        os.umask(before)
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o644


# What may happen while it is written


def test_a_full_disk_leaves_nothing_behind_and_stops_nothing(folder, builds, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert [mills(), mills()] == [MILLS, MILLS]
    assert len(builds) == 2
    assert list(folder.iterdir()) == []


def run(code: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


COMPILE = """
import ctypes, math, os, sys
from bayesglmm.specify.families import special
from bayesglmm.compiled import cache
from numba import types
double = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
def value():
    cache._addresses.clear()
    return double(cache.compiled(types.float64(types.float64))(special.mills).address)(0.0)
def check():
    assert abs(value() - math.sqrt(2 / math.pi)) < 1e-15
"""


@POSIX
def test_a_limit_on_the_size_of_files_stops_nothing(tmp_path):
    code = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))\ncheck()\n"
    run(COMPILE + code, NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").touch()
    run(COMPILE + "check()\n", NUMBA_CACHE_DIR=str(tmp_path / "file" / "folder"))


RACE = """
import time
os.environ["START"] = sys.argv[1]
while time.time() < float(os.environ["START"]):
    pass
for _ in range(5):
    check()
"""


def test_processes_that_compile_at_once_end_with_one_good_file(tmp_path):
    start = str(time.time() + 6)
    command = [sys.executable, "-c", COMPILE + RACE, start]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    running = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(3)]
    for process in running:
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert [path.suffix for path in tmp_path.iterdir()] == [".object"]


KILLS = """
import random, signal, time
value()
folder = sys.argv[1]
chance = random.Random(3)
start = time.perf_counter()
for path in os.listdir(folder):
    os.unlink(os.path.join(folder, path))
value()
usual = time.perf_counter() - start
for kill in range(int(sys.argv[2])):
    for path in os.listdir(folder):
        if path.endswith(".object"):
            os.unlink(os.path.join(folder, path))
    child = os.fork()
    if child == 0:
        value()
        os._exit(0)
    time.sleep(chance.random() * 1.2 * usual)
    os.kill(child, int(sys.argv[3]))
    os.waitpid(child, 0)
    check()
"""


@POSIX
@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_processes_killed_while_they_compile_leave_nothing_that_is_read(tmp_path, times):
    run(COMPILE + KILLS, str(tmp_path), str(times), "9", NUMBA_CACHE_DIR=str(tmp_path))
    assert len([path for path in tmp_path.iterdir() if path.suffix == ".object"]) == 1


def test_what_a_killed_process_was_writing_is_taken_away_once_it_is_old(folder):
    old, new, foreign = (folder / name for name in ("tmpabc.writing", "tmpdef.writing", "tmpghi"))
    for path in (old, new, foreign):
        path.touch()
    for path in (old, foreign):
        os.utime(path, (0, 0))
    mills()
    assert not old.exists()
    assert new.exists()
    assert foreign.exists()


# Functions that are not the package's own


FAMILY = """
from numba import njit
SHIFT = {shift}
@njit
def less(value, shift):
    return value - shift
@njit
def moved(value):
    return less(value, SHIFT)
def rows(n, y, trials, at, ll, d):
    mu, d_eta = at[0][0], d[0]
    for i in range(n):
        d_eta[i] = moved(y[i]) - mu[i]
        ll[i] = -0.5 * d_eta[i] * d_eta[i]
"""


def at_zero(rows) -> float:
    """The log likelihood of outcomes 1, 2, 3 at η = 0 under a family with given rows and no parameters."""
    family = replace(bg.families.FAMILIES["gaussian"], name="mine", rows=rows, parameters=())
    model = bg.glmm("y ~ 1", {"y": [1.0, 2.0, 3.0]}, family)
    return float(Likelihood.of(model).at(np.zeros((1, 3)), np.zeros((1, 0)))[0])


def defined(**values: object) -> dict:
    namespace: dict = {"__name__": "mine"}
    exec(FAMILY.format(**values), namespace)
    return namespace


def expected(shift: float) -> float:
    return pytest.approx(-0.5 * sum((y - shift) ** 2 for y in (1.0, 2.0, 3.0)), abs=1e-12)


def test_a_family_of_ones_own_is_compiled_as_it_stands_now(folder):
    """An edited function, an edited helper and a constant set anew, as in a notebook."""
    mine = defined(shift=1.0)
    assert at_zero(mine["rows"]) == expected(1.0)
    mine["SHIFT"] = 2.0
    assert at_zero(mine["rows"]) == expected(2.0)
    mine["moved"] = defined(shift=3.0)["moved"]
    assert at_zero(mine["rows"]) == expected(3.0)
    assert at_zero(defined(shift=4.0)["rows"]) == expected(4.0)
    assert at_zero(njit(defined(shift=5.0)["rows"])) == expected(5.0)
    assert [path.name for path in folder.iterdir() if not path.name.startswith("bayesglmm.")] == []


def test_a_prior_and_a_link_of_ones_own_are_compiled_as_they_stand_now(folder):
    slope = np.zeros(1)
    prior = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * 4, ctypes.c_void_p)
    for scale in (1.0, 2.0):
        namespace: dict = {"scale": scale}
        exec("def density(x, a, b, c, slope):\n    slope[0] = -scale\n    return -scale * x", namespace)
        address = kernels.prior_address(SimpleNamespace(density=namespace["density"]))
        assert prior(address)(3.0, 0.0, 0.0, 0.0, slope.ctypes.data) == -3.0 * scale
        assert slope[0] == -scale
        exec("def rows(n, eta, a, b, da, db):\n    for i in range(n):\n        a[i] = scale * eta[i]", namespace)
        work = np.zeros((6, 1032))
        work[0, :2] = [1.0, 2.0]
        kernels.link_call(namespace["rows"])(2, work.ctypes.data)
        assert work[1, :2].tolist() == [scale, 2 * scale]
    assert list(folder.iterdir()) == []


ACROSS = """
import sys
sys.path.insert(0, sys.argv[1])
import ctypes, numpy as np, family
from types import SimpleNamespace
from bayesglmm.compiled.kernels import family_call
from bayesglmm.compiled.workspace import CHUNK, WORK, Work
work, y = np.zeros((WORK, CHUNK)), np.ones(1)
mine = SimpleNamespace(rows=family.rows, parameters=())
family_call(mine)(1, *(array.ctypes.data for array in (y, y, work, y)))
print(work[Work.LL, 0])
"""


def test_a_family_edited_between_two_processes_is_compiled_anew(tmp_path):
    found = []
    for shift in (1.0, 6.0):
        (tmp_path / "family.py").write_text(FAMILY.format(shift=shift))
        found.append(float(run(ACROSS, str(tmp_path), NUMBA_CACHE_DIR=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")))
    assert found == [0.0, -12.5]
    assert [path.name for path in tmp_path.iterdir()] == ["family.py"]


def test_a_family_or_prior_that_does_not_compile_is_named():
    def rows(n, y, trials, at, ll, d):
        return open("file")

    with pytest.raises(FamilyError, match=r"rows \(TypingError: .*open.*backend=\"pymc\"") as refused:
        at_zero(rows)
    assert "test_cache" in str(refused.value)
    with pytest.raises(PriorError, match="a prior of your own"):
        kernels.prior_address(SimpleNamespace(density=lambda x, a, b, c, slope: [x, "text"]))


# Numba as it is not


def broken(*_, **__):
    raise AttributeError("type object 'CPUCodeLibrary' has no attribute '_optimize_final_module'")


def test_where_numbas_inner_parts_have_changed_its_public_interface_compiles(folder, monkeypatch):
    monkeypatch.setattr("bayesglmm.compiled.build.build", broken)
    with pytest.warns(BayesGLMMWarning, match=r"_optimize_final_module.*numba\.cfunc.*every process"):
        assert mills() == MILLS
    assert mills() == MILLS  # and no second warning, which would be an error
    assert called(cache.compiled(SIGNATURE)(ratio).address, 1.0, 0.0) == float("inf")
    assert list(folder.iterdir()) == []


def test_what_llvm_no_longer_loads_is_compiled_by_numbas_public_interface(folder, monkeypatch):
    monkeypatch.setattr(cache, "load", broken)
    with pytest.warns(BayesGLMMWarning, match=r"numba\.cfunc") as said:
        assert [mills(), mills()] == [MILLS, MILLS]
    assert len(said) == 1


@pytest.fixture
def no_c_functions(monkeypatch):
    """Numba without both."""
    monkeypatch.setattr("bayesglmm.compiled.build.build", broken)
    monkeypatch.setattr("numba.cfunc", broken)
    monkeypatch.setattr(places, "folder", lambda: None)


def test_where_nothing_makes_c_functions_the_error_names_the_function(no_c_functions):
    with pytest.raises(
        InterfaceError, match=r"numba cannot compile bayesglmm\.specify\.families\.special\.mills \(AttributeError"
    ) as one:
        mills()
    assert one.value.dependency == "numba"
    with pytest.raises(InterfaceError):  # not the family's fault
        kernels.family_address(SimpleNamespace(rows=defined(shift=1.0)["rows"], parameters=()))


def test_likelihoods_need_no_c_functions(no_c_functions):
    """The same to rounding, with one warning, for a family of the package and of one's own."""
    model = bg.glmm("count ~ trt + (1 | id)", bg.datasets.load("seizure"), "negative_binomial")
    with pytest.warns(BayesGLMMWarning, match="one model at a time"):
        plain = Likelihood.of(model)
    mine = defined(shift=1.0)
    for shift in (1.0, 2.0):
        mine["SHIFT"] = shift
        assert at_zero(mine["rows"]) == expected(shift)
    eta, phi = np.random.default_rng(2).normal(size=(3, plain.rows.n)), np.array([[0.5], [2.0], [30.0]])
    found = plain.at(eta, phi)
    with pytest.MonkeyPatch.context() as usual:
        usual.setattr("bayesglmm.compiled.build.build", build)
        usual.setattr(cache, "_refused", {})
        np.testing.assert_allclose(found, Likelihood.of(model).at(eta, phi), rtol=1e-13)


GONE = """
import json, sys, warnings
import numba.experimental
exec(sys.argv[1])
import numpy as np, bayesglmm as bg
q = {"seed": 1, "draws": 500, "chains": 4, "progress": False}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    fit = bg.fit("incidence ~ period + (1 | herd)", bg.datasets.load("cbpp"), "poisson", **q)
    summary = fit.summary()
    integral = fit.update(prior_only=False, draws=4, chains=1, tune=4, progress=False).group_log_likelihood()
    fit.epred(frame="population")
    fit.prior_sensitivity()
    fit.zero_sd()
    fit.separation()
ours = [str(w.message) for w in said if issubclass(w.category, bg.errors.BayesGLMMWarning)]
print(json.dumps({
    "backend": fit.draws.attrs["backend"],
    "said": ours,
    "mean": summary["mean"].tolist(), "sd": summary["sd"].tolist(), "ess": summary["ess_bulk"].tolist(),
    "finite": bool(np.isfinite(integral).all()),
}))
"""

CODE_LIBRARY = "import numba.core.codegen as c; del c.JITCodeLibrary"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gone", "backend", "words"),
    [
        (CODE_LIBRARY, "density", r"numba\.cfunc"),
        (CODE_LIBRARY + "; del numba.cfunc", "pymc", "one model at a time"),
        ("import numba.core.ccallback as b; del b.CFunc._compile_uncached", "pymc", "one model at a time"),
        ("import nutpie.compile_pymc as n; n.CompiledPyMCModel.__init__ = None", "pymc", "nutpie"),
    ],
)
def test_a_fit_and_all_that_integrates_works_without_private_names(tmp_path, gone, backend, words):
    """One warning, the posterior within five Monte Carlo standard errors of the usual one."""
    import json

    found, usual = (
        json.loads(run(GONE, names, NUMBA_CACHE_DIR=str(tmp_path / str(number))).splitlines()[-1])
        for number, names in enumerate((gone, ""))
    )
    assert found["backend"] == backend
    assert found["finite"]
    assert len(found["said"]) == 1
    assert re.search(words, found["said"][0])
    ours, theirs = ({name: np.array(one[name]) for name in ("mean", "sd", "ess")} for one in (found, usual))
    error = np.hypot(ours["sd"] / np.sqrt(ours["ess"]), theirs["sd"] / np.sqrt(theirs["ess"]))
    assert (np.abs(ours["mean"] - theirs["mean"]) < 5 * error).all()


def test_inner_parts_of_numba_are_imported_where_a_stand_in_is_behind_them_and_nowhere_else():
    package = Path(cache.__file__).parents[1]
    users = {path.name for path in package.rglob("*.py") if re.search(r"numba\.(core|np|cpython)\b", path.read_text())}
    assert users == {"build.py", "load.py"}
    compilers = re.compile(r"^\s*(import|from) (numba|llvmlite)", re.MULTILINE)
    assert {path.parent.name for path in package.rglob("*.py") if compilers.search(path.read_text())} == {"compiled"}


@pytest.mark.parametrize("name", ["numba", "llvmlite", "nutpie"])
def test_what_is_used_privately_has_a_ceiling_just_above_what_is_tested(name):
    texts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["dependencies"]
    needed = next(needed for needed in map(Requirement, texts) if needed.name == name)
    tested = Version(version(name))
    assert tested in needed.specifier
    assert Version(f"{tested.major}.{tested.minor + 1}") not in needed.specifier


def test_a_warning_is_given_once_for_each_thing_it_is_about():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for about in ("a", "b", "a"):
            errors.warn_once(about, f"of {about}")
    assert [str(warning.message) for warning in said] == ["of a", "of b"]
