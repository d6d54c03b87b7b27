"""A program for the tests of faults: it kills its own children while they save or run, and looks at what they leave.

    python tests/faults.py saves 5        five children killed while they save over a fit
    python tests/faults.py first 5        five killed in a first save
    python tests/faults.py runs 2         two killed during `bayesglmm run`
    python tests/faults.py races 5        five pairs of savers at once, with a reader
    python tests/faults.py memory 8       saves and loads under eight limits of memory
    python tests/faults.py sizes 8        saves under eight limits of the size of a file
    python tests/faults.py rights 1       saves and loads without rights to the folder

It forks, so that a child starts in milliseconds; it prints what it saw, and ends with 0 if all was as it should be.
"""

import ctypes
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handmade import SEIZURE, hand_made, seizure_like

import bayesglmm as bg
from bayesglmm import Fit, Model, glmm
from bayesglmm.errors import StorageError
from bayesglmm.faces import cli

STUDY = f"""
title = "Seizures"
data = "seizure.csv"
formula = "{SEIZURE}"
family = "poisson"
figures = ["coefficients"]
[sampler]
draws = 40
chains = 2
"""

REFUSED = 7
"""How a child ends that was refused what it asked."""


def two_fits(draws: int = 400) -> tuple[Fit, Fit]:
    """Return two fits that differ in formula, priors and draws."""
    data = seizure_like()
    first = glmm(SEIZURE, data, "poisson")
    second = glmm("count ~ trt + offset(log(weeks)) + (1 | id)", data, "poisson", priors={"slopes": "normal(0, 1)"})
    return hand_made(first, draws=draws), hand_made(second, draws=draws, seed=2)


def same(one: Fit, other: Fit) -> bool:
    return str(one.model) == str(other.model) and one.posterior.equals(other.posterior)


def started(work: Callable[[], Any]) -> int:
    """Start a child that does something and ends; return its process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def finished(work: Callable[[], Any]) -> int:
    """Let a child do something; return how it ended."""
    return os.waitpid(started(work), 0)[1]


def killed(work: Callable[[], Any], after: float) -> None:
    """Start a child that does something again and again, and kill it after so many seconds."""

    def forever() -> None:
        while True:
            work()

    child = started(forever)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def saves(times: int, folder: Path) -> None:
    folder = folder / "fit"
    fits = two_fits()
    (fits[0].save(folder) / "notes.txt").write_text("mine")
    (folder / "draws-mine.nc").write_text("mine")
    long = seconds(lambda: [fit.save(folder) for fit in fits])
    litter, seen = 0, [0, 0]
    for _ in range(times):
        killed(lambda: [fit.save(folder) for fit in fits], random.uniform(0, 1.5 * long))
        litter += len(names(folder)) > 4
        there = bg.load(folder)
        seen[[same(there, fit) for fit in fits].index(True)] += 1
    fits[0].save(folder)
    assert len(names(folder)) == 4, names(folder)
    assert (folder / "draws-mine.nc").read_text() == (folder / "notes.txt").read_text() == "mine"
    assert same(bg.load(folder), fits[0])
    say(f"{times} killed, {litter} left litter, then the fits were there {seen} times")


def first(times: int, folder: Path) -> None:
    fit, other = two_fits()
    long = seconds(lambda: fit.save(folder / "whole"))
    whole = 0
    for k in range(times):
        place = folder / f"fit{k}"
        killed(lambda place=place: fit.save(place), random.uniform(0.1, 2.0) * long)
        try:
            whole += same(bg.load(place), fit)
        except StorageError as error:
            assert "no saved fit" in str(error), error  # noqa: PT017
        other.save(place)
        assert len(names(place)) == 2, names(place)
        assert same(bg.load(place), other)
    say(f"{times} killed in a first save, {whole} of them had saved; all folders can be saved to again")


def races(times: int, folder: Path) -> None:
    fits = two_fits(50)
    for k in range(times):
        place = fits[k % 2].save(folder / f"fit{k}")
        children = [started(lambda fit=fit, place=place: [fit.save(place) for _ in range(4)]) for fit in fits]
        while children:
            assert sum(same(there, fit) for there in [bg.load(place)] for fit in fits) == 1
            done, status = os.waitpid(-1, os.WNOHANG)
            if done:
                assert status == 0, status
                children.remove(done)
        assert len(names(place)) == 2, names(place)
        assert any(same(bg.load(place), fit) for fit in fits)
    say(f"{times} races, in each of which a reader always found a whole fit")


def runs(times: int, folder: Path) -> None:
    home = Path.cwd()
    os.chdir(folder)
    seizure_like().to_csv("seizure.csv", index=False)
    Path("study.toml").write_text(STUDY, encoding="utf-8")
    Model.fit = lambda model, **given: hand_made(
        model, draws=given["draws"], chains=given["chains"], seed=given["seed"]
    )

    def run(seed: int, out: str) -> None:
        assert cli.main(["run", "study.toml", "--quiet", "--seed", str(seed), "--out", out]) in (0, 3)

    whole = {}
    for seed in (1, 2):
        run(seed, f"whole{seed}")
        whole[seed] = {p.name: p.read_bytes() for p in Path(f"whole{seed}").rglob("*") if p.is_file()}
    long = seconds(lambda: run(1, "results"))
    kinds = {"old": 0, "new": 0, "both": 0}
    for k in range(times):
        seed = 2 - k % 2
        run(3 - seed, "results")
        killed(lambda seed=seed: run(seed, "results"), random.uniform(0.05, 1.1) * long)
        found = {p.name: p.read_bytes() for p in Path("results").rglob("*") if p.is_file()}
        of = {name: [s for s in (1, 2) if whole[s].get(name) == data] for name, data in found.items()}
        strange = [name for name, seeds in of.items() if not seeds and not name.startswith((".writing-", "draws-"))]
        assert set(strange) <= {"unfinished.txt"}, strange
        bg.load("results/fit")
        new = [seed in seeds for name, seeds in of.items() if seeds and len(seeds) == 1]
        kind = "new" if all(new) else "both" if any(new) else "old"
        assert kind != "both" or "unfinished.txt" in found, of
        kinds[kind] += 1
    run(1, "results")
    assert {p.name: p.read_bytes() for p in Path("results").rglob("*") if p.is_file()} == whole[1]
    os.chdir(home)
    say(f"{times} runs killed; then the files were {kinds}, each of them whole")


def memory(times: int, folder: Path) -> None:
    """Limit the address space to what is used and a little more; what is asked must be done or refused in words.

    Whatever is large is done in children: memory that the process keeps would be there beyond the limit.
    """
    folder = folder / "fit"
    ctypes.CDLL(None).mallopt(-3, 2**16)  # M_MMAP_THRESHOLD: arrays are given back to the system at once
    small, fits = two_fits(20), two_fits(4_000)
    assert same(bg.load(small[0].save(folder)), small[0])

    def whole() -> None:
        there = bg.load(folder)
        assert any(same(there, fit) for fit in fits)

    assert finished(lambda: fits[0].save(folder)) == 0
    ends = {"done": 0, "refused": 0}
    for k in range(times):
        extra = int(1.2e7 * (k + 0.5) / times)
        for what in (lambda: fits[1].save(folder), lambda: bg.load(folder)):
            status = finished(lambda what=what, extra=extra: limited(what, extra))
            assert status in (0, REFUSED << 8), (extra, status)
            ends["refused" if status else "done"] += 1
            assert finished(whole) == 0
    assert all(ends.values()), ends
    say(f"{2 * times} limits of memory: {ends}")


def limited(work: Callable[[], Any], extra: int) -> None:
    """Do something with so many bytes beyond those that are used, once what the process keeps in reserve is filled."""
    ballast = []
    for block in (2**20, 2**17):
        before = address_space()
        while address_space() == before:
            ballast.append(bytearray(block))
    limit = address_space() + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        work()
    except StorageError:
        os._exit(REFUSED)


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def sizes(times: int, folder: Path) -> None:
    """Limit the size of a file, as a quota does: the old fit stays."""
    folder = folder / "fit"
    fits = two_fits(100)
    fits[0].save(folder)
    largest = max(path.stat().st_size for path in folder.iterdir())
    for k in range(times):

        def work(limit: int = int(largest * k / times)) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            try:
                fits[1].save(folder)
            except StorageError:
                os._exit(REFUSED)

        status = finished(work)
        assert status in (0, REFUSED << 8), status
        there = bg.load(folder)
        assert same(there, fits[0] if status else fits[1])
        fits[0].save(folder)
        assert len(names(folder)) == 2, names(folder)
    say(f"{times} limits of the size of a file")


def rights(times: int, folder: Path) -> None:
    """Take away rights to the folder; root, who has every right, becomes somebody else for that."""
    fits = two_fits(20)
    folder.chmod(0o777)
    folder = folder / "fit"
    fits[1].save(folder)
    bg.load(folder)
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, 65534, 65534)

    def refused(work: Callable[[], Any]) -> bool:
        try:
            work()
        except StorageError as error:
            return "Permission denied" in str(error)
        return False

    def look() -> None:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        for mode in (0o500, 0o400, 0o300, 0o100, 0o000):
            folder.chmod(mode)
            assert refused(lambda: fits[0].save(folder)), oct(mode)
            assert refused(lambda: bg.load(folder)) == (not mode & 0o100), oct(mode)
            folder.chmod(0o700)
            assert same(bg.load(folder), fits[1])
        fits[0].save(folder)
        assert same(bg.load(folder), fits[0])
        (folder / "fit.json").chmod(0o000)
        assert refused(lambda: bg.load(folder))
        assert refused(lambda: fits[1].save(folder))

    for _ in range(times):
        assert finished(look) == 0
    say("whoever lacks a right is told so")


PROGRAMS = {
    "saves": saves,
    "first": first,
    "runs": runs,
    "races": races,
    "memory": memory,
    "sizes": sizes,
    "rights": rights,
}

if __name__ == "__main__":
    for program, count in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        with tempfile.TemporaryDirectory() as temporary:
            PROGRAMS[program](int(count), Path(temporary))
