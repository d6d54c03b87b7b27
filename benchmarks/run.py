"""Measure the package beside its peers, and write the table of `benchmarks/README.md`.

    uv run python benchmarks/run.py                      # everything: about half an hour
    uv run python benchmarks/run.py --quick              # does it work: a few minutes, the README stays as it is
    uv run python benchmarks/run.py --studies seizure --without-peers

Every figure comes from child processes (`child.py`, `peers.R`) that this one starts one after the other; it stays
small itself, since Linux counts what a parent holds into the peak memory of its child.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import machine
from studies import STUDIES, Study
from tables import report, write

HERE = Path(__file__).parent
TIMEOUT = 3600.0
PEERS = ("pymc", "bambi", "lme4", "rstanarm")
IN_R = ("lme4", "rstanarm")


@dataclass(frozen=True)
class Plan:
    """How often to measure.

    Parameters
    ----------
    cold
        Processes with an empty cache.
    warm
        Processes with the cache the last cold one left.
    again
        Further fits in the last process.
    """

    cold: int
    warm: int
    again: int


@dataclass(frozen=True)
class Row:
    """What was measured of a study with an engine: seconds, medians; None where there is none.

    Parameters
    ----------
    study, engine
        Which.
    cold, warm, again
        From the start of a process without and with its cache to the posterior, and a later fit in it.
    ess, rhat
        The least bulk ESS and the largest R-hat over coefficients, sds, correlations and family parameters.
    per_second
        ESS over the seconds of a later fit.
    divergences
        The most in a fit.
    gradient
        Time of the log density with its gradient per merged row (ns).
    peak
        Peak memory of a process with a warm cache and one fit (MiB).
    rows, merged, groups
        The size of the study; the rows left where identical ones are merged.
    note
        Why there is no figure.
    """

    study: str
    engine: str
    cold: float | None = None
    warm: float | None = None
    again: float | None = None
    ess: float | None = None
    rhat: float | None = None
    per_second: float | None = None
    divergences: int | None = None
    gradient: float | None = None
    peak: float | None = None
    rows: int | None = None
    merged: int | None = None
    groups: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Job:
    """A study to measure with an engine.

    Parameters
    ----------
    study, engine
        Which.
    plan
        How often.
    settings
        Of the sampler.
    seed
        Of the first fit; the next have the next.
    data
        A CSV file in place of the shipped data.
    """

    study: Study
    engine: str
    plan: Plan
    settings: dict[str, int] = field(default_factory=dict)
    seed: int = 1
    data: str | None = None


def measure(job: Job) -> Row:
    """Measure, or note why not."""
    print(f"{job.study.name}: {job.engine} …", file=sys.stderr, flush=True)
    try:
        return _measure_in_r(job) if job.engine in IN_R else _measure(job)
    except subprocess.TimeoutExpired:
        return Row(job.study.name, job.engine, note=f"not done in {TIMEOUT:.0f} s")
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return Row(job.study.name, job.engine, note=f"failed: {(error.stderr.splitlines() or ['?'])[-1][:100]}")


def _measure(job: Job) -> Row:
    plan, children = job.plan, []
    for number in range(plan.cold):
        last = number == plan.cold - 1
        with _cache() as cache:
            children.append(_child(job, cache, 1 if plan.warm else 1 + plan.again, gradient=not plan.warm))
            if last:
                children += [
                    _child(job, cache, 1 + plan.again if i == plan.warm - 1 else 1, gradient=i == plan.warm - 1)
                    for i in range(plan.warm)
                ]
    cold, warm, last_child = children[: plan.cold], children[plan.cold :], children[-1]
    ess, again = last_child["ess"][1:] or last_child["ess"], last_child["again"]
    return Row(
        job.study.name,
        job.engine,
        cold=statistics.median(child["first"] for child in cold),
        warm=statistics.median(child["first"] for child in warm) if warm else None,
        again=statistics.median(again) if again else None,
        ess=statistics.median(ess),
        rhat=max(max(child["rhat"]) for child in children),
        per_second=statistics.median(e / s for e, s in zip(ess, again, strict=True)) if again else None,
        divergences=max(max(child["divergences"]) for child in children),
        gradient=last_child.get("gradient"),
        peak=statistics.median(child["peak"] for child in warm or cold),
        rows=last_child["rows"],
        merged=last_child.get("merged"),
        groups=last_child["groups"],
    )


def _child(job: Job, cache: Path, fits: int, *, gradient: bool) -> dict[str, Any]:
    """Run `child.py` with a cache folder and return what it measured."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}",
    }
    command = [sys.executable, str(HERE / "child.py"), job.study.name, job.engine, "--fits", str(fits)]
    command += ["--seed", str(job.seed), "--settings", json.dumps(job.settings)]
    command += ["--data", job.data] if job.data else []
    command += ["--gradient"] if gradient and job.engine != "bambi" else []
    command += ["--started", repr(time.time())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _measure_in_r(job: Job) -> Row:
    """Run `peers.R`, where there is R; what it says of time is of the fit alone."""
    row = Row(job.study.name, job.engine)
    if shutil.which("Rscript") is None:
        return replace(row, note="no Rscript on the path")
    probe = ["Rscript", "-e", f'cat(requireNamespace("{job.engine}", quietly = TRUE))']
    if "TRUE" not in subprocess.run(probe, capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout:
        return replace(row, note="not installed")
    settings = {"draws": 1000, "tune": 1000, "chains": 4, **job.settings}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "data.csv"
        job.study.load(job.data).to_csv(table, index=False)
        command = ["Rscript", str(HERE / "peers.R"), job.engine, str(table), job.study.r_formula, job.study.family]
        command += [str(number) for number in (settings["draws"], settings["tune"], settings["chains"], job.seed)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT)
        whole = time.perf_counter() - start
    found = json.loads(done.stdout.splitlines()[-1])
    again = found["again"][0]
    if job.engine == "lme4":
        return replace(row, again=again, note=f"{found['version']}, maximum likelihood: no posterior")
    ess, rhat = found["ess"][0], found["rhat"][0]
    return replace(row, warm=whole, again=again, ess=ess, rhat=rhat, per_second=ess / again, note=found["version"])


@contextmanager
def _cache() -> Iterator[Path]:
    """Give an empty folder for compiled code."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def import_seconds(repeats: int = 5) -> dict[str, float]:
    """Return what importing adds to a process, as written and with all that fitting loads: medians (s)."""

    def process(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    codes = ("pass", "import bayesglmm", "import bayesglmm; bayesglmm.fit")
    nothing, name, whole = (statistics.median(process(code) for _ in range(repeats)) for code in codes)
    return {"import bayesglmm": name - nothing, "from bayesglmm import fit": whole - nothing}


def jobs(given: argparse.Namespace) -> list[Job]:
    """List what to measure, in order."""
    listed = []
    for name in given.studies:
        study = STUDIES[name]
        ours = Plan(given.repeats, given.repeats, given.repeats) if study.short else Plan(1, 0, 0)
        data = given.ohio if name == "ohio" else None
        asked = {key: getattr(given, key) for key in ("draws", "tune", "chains") if getattr(given, key) is not None}
        settings = {**study.settings, **asked}
        listed.append(Job(study, "density", ours, settings, given.seed, data))
        if study.short and not given.without_peers and (given.peers_of is None or name in given.peers_of):
            fair = {"draws": 1000, "tune": 1000, "chains": 4, **settings}
            for engine in PEERS:
                theirs = settings if engine == "pymc" else fair
                listed.append(Job(study, engine, Plan(1, 1, 1), theirs, given.seed, data))
    return listed


def parse() -> argparse.Namespace:
    """Read the command line; `--quick` sets what is not given."""
    parser = argparse.ArgumentParser(description="Measure bayesglmm beside its peers.")
    parser.add_argument("--studies", nargs="+", choices=list(STUDIES), help="default: all but synthetic_1e4")
    parser.add_argument("--quick", action="store_true", help="seizure and synthetic_1e4, each measured once")
    parser.add_argument("--without-peers", action="store_true", help="this package alone")
    parser.add_argument("--peers-of", nargs="+", choices=list(STUDIES), help="peers for these studies alone")
    parser.add_argument("--repeats", type=int, help="of each measurement of a short study (3)")
    parser.add_argument("--ohio", help="a CSV file of the real Ohio deaths, in place of the shipped twin")
    parser.add_argument("--seed", type=int, default=1)
    for name in ("draws", "tune", "chains"):
        parser.add_argument(
            f"--{name}", type=int, help="for all; default: each engine's own, four chains of 1,000 draws"
        )
    parser.add_argument("--out", type=Path, help="the file whose table is replaced; README.md, none with --quick")
    given = parser.parse_args()
    given.repeats = given.repeats or (1 if given.quick else 3)
    quick, full = ["seizure", "synthetic_1e4"], [name for name in STUDIES if name != "synthetic_1e4"]
    given.studies = given.studies or (quick if given.quick else full)
    given.out = given.out or (None if given.quick else HERE / "README.md")
    return given


def main() -> None:
    """Measure and report."""
    given = parse()
    rows = [asdict(measure(job)) for job in jobs(given)]
    results = {
        "machine": machine.describe(),
        "import_seconds": import_seconds(),
        "repeats": given.repeats,
        "real_ohio": given.ohio is not None,
        "rows": rows,
    }
    text = report(results)
    print(text)
    if given.out is not None:
        write(given.out, text)
        given.out.with_name("results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
