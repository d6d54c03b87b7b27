"""Refit the seizure study to fresh responses again and again in one process: time a fit, and memory that must not grow.

Linux only: resident memory is read from /proc.
"""

import argparse
import ctypes
import gc
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from studies import STUDIES

import bayesglmm as bg

_SETTLED = 20  # fits until compiled code and memory pools are there


def resident() -> float:
    """Return the memory the process holds now (MiB)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def in_use() -> float:
    """Return the memory left when the C library has given back what it holds for later (MiB)."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's alone
        trim(0)
    return resident()


def refit(fits: int, seed: int, settings: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Return seconds and memory after each fit (MiB), shape (fits,), and memory in use after some and at the end."""
    study = STUDIES["seizure"]
    data = study.load()
    rng = np.random.default_rng(seed)
    first = bg.fit(study.formula, data, study.family, seed=seed, progress=False, **settings)
    means = first.epred(frame="group").mean(("chain", "draw")).values
    seconds, memory, used = np.empty(fits), np.empty(fits), []
    for i in range(fits):
        start = time.perf_counter()
        first.update(data=data.assign(count=rng.poisson(means)), seed=seed + i, progress=False)
        seconds[i] = time.perf_counter() - start
        gc.collect()
        memory[i] = resident()
        if i in {_SETTLED, fits - 1}:
            used.append(in_use())
    return seconds, memory, used


def main() -> None:
    """Refit, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1000)
    given = parser.parse_args()
    if given.fits <= 2 * _SETTLED:
        parser.error(f"--fits is above {2 * _SETTLED}: memory settles over the first {_SETTLED}")
    seconds, memory, used = refit(given.fits, given.seed, {"draws": given.draws})
    settled = memory[_SETTLED:]
    print(f"{given.fits} fits, {np.median(seconds):.2f} s each (median), {seconds.sum():.0f} s in all")
    print(
        f"memory after fit {_SETTLED}: {settled[0]:.0f} MiB, at the end {settled[-1]:.0f} MiB, most {memory.max():.0f}"
    )
    print(f"in use, without what is held for later: {used[0]:.0f} MiB after fit {_SETTLED}, at the end {used[1]:.0f}")


if __name__ == "__main__":
    main()
