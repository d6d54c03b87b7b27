"""What two engines of the package's own buy: `exp` and `log` of `special`, and the loader of machine code.

1. `exp` and `log`: the time of a gradient with them, and with those of the C library, which no loop vectorises.
2. The loader (`compiled/cache`, `build`, `load`): the time from the start of a process to its first gradient, with it
   and with numba's own cache, `numba.cfunc(cache=True)`; with an empty cache folder, and with the one that was left.

Each time is of a child process. Prints a table of ratios, the other's time over the package's own, and writes it to
`own_code.csv`.
"""

import argparse
import csv
import inspect
import json
import math
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from statistics import median
from types import ModuleType, SimpleNamespace
from typing import Any

from studies import STUDIES

_OUT = Path(__file__).with_name("own_code.csv")


def use_libm() -> None:
    """Put the C library's functions in the place of those of `special`, before any kernel is compiled."""
    from bayesglmm.specify.families import special

    def exp(x: float) -> float:
        return math.exp(x)

    def log(x: float) -> float:
        return math.log(x)

    def twice_artanh(s: float) -> float:
        return 2.0 * math.atanh(s)

    for function in (exp, log, twice_artanh):
        own = getattr(special, function.__name__)
        for name, module in list(sys.modules.items()):
            if name.startswith("bayesglmm.") and vars(module).get(function.__name__) is own:
                setattr(module, function.__name__, function)


def use_numba_cache(folder: Path) -> None:
    """Compile by `numba.cfunc(cache=True)` in the place of the package's own cache and loader.

    numba keeps no function that a closure makes, so links and families are written as functions of a module.
    """
    import numba

    from bayesglmm.compiled import adapters, cache, kernels

    def address(compiled: cache.Compiled) -> int:
        function = compiled.function
        made = numba.cfunc(compiled.signature, nopython=True, error_model="numpy", cache=True)(function)
        cache._kept.append(made)
        return int(made.address)

    def at_top_level(adapter: Any) -> Any:
        def adapt(kernel: Any) -> Any:
            inner = textwrap.dedent(inspect.getsource(adapter(kernel)))
            return getattr(_module(folder, kernel, inner), adapter(kernel).__name__)

        return adapt

    cache.Compiled.address = property(address)
    kernels.link_rows = at_top_level(adapters.link_rows)
    kernels.family_rows = at_top_level(adapters.family_rows)


def _module(folder: Path, kernel: Any, function: str) -> ModuleType:
    """Write a module with a function that calls a kernel as `rows`, unless it is there, and import it."""
    name = f"adapter_{kernel.__module__.rpartition('.')[2]}_{kernel.__name__}"
    path = folder / f"{name}.py"
    if not path.exists():
        path.write_text(
            f"from {kernel.__module__} import {kernel.__name__} as kernel\n"
            "from bayesglmm.compiled.adapters import _A, _B, _D_ETA, _DA, _DB, further, summing\n"
            f"rows = summing(kernel)\n\n\n{function}",
            encoding="utf-8",
        )
    sys.path.insert(0, str(folder))
    return __import__(name)


def child(task: str, study_name: str, variant: str, started: float) -> None:
    """Measure one thing in this process and print it, in seconds."""
    if variant == "libm":
        use_libm()
    if variant == "numba cache":
        use_numba_cache(Path(os.environ["NUMBA_CACHE_DIR"]))
    study = STUDIES[study_name]
    import bayesglmm as bg

    model = bg.glmm(study.formula, study.load(), study.family)
    if task == "gradient":
        seconds = _gradient(model)
    else:
        _first_gradient(model)
        seconds = time.time() - started
    print(json.dumps(seconds))


def _gradient(model: Any) -> float:
    """Return the seconds of a gradient over the merged rows, in the coordinates of the PyMC graph."""
    from gradient import seconds_per_gradient

    from bayesglmm.logdensity.data_rows import Rows
    from bayesglmm.logdensity.header import Bound
    from bayesglmm.logdensity.logp_kernel import log_density

    bound = Bound.of(model, rows=Rows.best(model))
    timed = SimpleNamespace(compiled_logp_func=log_density, n_dim=bound.dim, user_data=bound.header)
    return seconds_per_gradient(timed)


def _first_gradient(model: Any) -> None:
    """Evaluate the log density once."""
    import numpy as np

    from bayesglmm.logdensity.header import Bound
    from bayesglmm.logdensity.logp_kernel import log_density

    bound = Bound.of(model)
    point, gradient, value = np.zeros(bound.dim), np.empty(bound.dim), np.empty(1)
    addresses = [array.ctypes.data for array in (point, gradient, value, bound.header)]
    if log_density.call(bound.dim, *addresses) != 0:
        raise RuntimeError("the log density is not finite where it is to be timed")


def run(task: str, study: str, variant: str, folder: str) -> float:
    """Return what a child process measures, with a cache folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--child", task, study, variant, str(time.time())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def gradients(studies: list[str], repeats: int) -> list[dict[str, Any]]:
    """Compare gradients; of several processes the fastest."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for study in studies:
            own, other = (
                min(run("gradient", study, variant, folder) for _ in range(repeats)) for variant in ("own", "libm")
            )
            rows.append(_row("gradient", study, "own exp and log", "libm", own, other))
    return rows


def starts(studies: list[str], repeats: int) -> list[dict[str, Any]]:
    """Compare the first gradient of a process; with a warm cache the median of several, in turn."""
    rows = []
    for study in studies:
        with tempfile.TemporaryDirectory() as own_folder, tempfile.TemporaryDirectory() as numba_folder:
            folders = {"own": own_folder, "numba cache": numba_folder}
            cold = {variant: run("start", study, variant, folder) for variant, folder in folders.items()}
            times: dict[str, list[float]] = {variant: [] for variant in folders}
            for _ in range(repeats):
                for variant, folder in folders.items():
                    times[variant].append(run("start", study, variant, folder))
        warm = {variant: median(seconds) for variant, seconds in times.items()}
        for name, seconds in (("first gradient, empty cache", cold), ("first gradient, new process", warm)):
            rows.append(_row(name, study, "own loader", "numba's cache", seconds["own"], seconds["numba cache"]))
    return rows


def _row(what: str, study: str, own_name: str, other_name: str, own: float, other: float) -> dict[str, Any]:
    names = {"what": what, "study": study, "own": own_name, "other": other_name}
    return {**names, "own_seconds": f"{own:.3g}", "other_seconds": f"{other:.3g}", "ratio": f"{other / own:.2f}"}


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="processes of each kind")
    parser.add_argument("--studies", nargs="+", choices=list(STUDIES), default=["seizure", "toenail"])
    parser.add_argument("--out", type=Path, default=_OUT)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        task, study, variant, started = arguments.child
        child(task, study, variant, float(started))
        return
    rows = [*gradients(arguments.studies, arguments.repeats), *starts(arguments.studies, arguments.repeats)]
    with arguments.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print("| what | study | the package's own | in its place | ratio of times |\n| --- | --- | --- | --- | ---: |")
    for row in rows:
        print(f"| {row['what']} | {row['study']} | {row['own']} | {row['other']} | {row['ratio']} |")


if __name__ == "__main__":
    main()
