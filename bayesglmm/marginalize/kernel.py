"""The likelihood of each group with its random effects integrated out, compiled once for every model.

With h the log integrand over u ~ N(0, I) (`mode_kernels`), a group contributes log ∫ exp h(u) du − (q/2) log 2π.
Newton finds the mode û and R, RRᵀ = −∂²h/∂u² there; in the coordinates v = Rᵀ(u − û) the integrand is near
exp(h(û) − |v|²/2), and is summed over the lattice v = step · Z^q, so that

    ∫ exp h(u) du ≈ exp h(û) |R|⁻¹ step^q Σ exp(h(û + R⁻ᵀv) − h(û)).

This is the trapezoidal rule, whose error falls geometrically in 1/step for an analytic integrand: the error of a step
is about the square of that of twice the step, whose terms are those at even places, and the difference of the two sums
says how far the step must shrink. From the mode, sums run outwards line by line until the terms are negligible, so that
skewed and one-sided posteriors (an all-zero group) cost more terms, not digits.

The arguments are those of `mode_kernels`; a line has its place in the lattice by integers.
"""

import math

import numpy as np

from bayesglmm.compiled.abi import INTEGRATE, floats, words
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.functions import exp
from bayesglmm.compiled.pieces import piece
from bayesglmm.compiled.workspace import CHUNK, WORK
from bayesglmm.marginalize.layout import Header
from bayesglmm.marginalize.mode_kernels import find_mode, log_integrand, row_likelihoods, solve_transposed

__all__ = ["integrate"]

_HEADER_SIZE = len(Header)

_STEP = 0.6
"""The first step: it sums a normal integrand to rounding, and twice the step to 2e-6 a dimension."""

_AGREE = 1e-5
"""Sums of a step and of twice the step agree if their relative difference is below: the error is near its square."""

_NEGLIGIBLE = 1e-12
"""A line ends at a term this small relative to that at the mode."""

_MOST_STEPS = 20_000
"""The most steps of a line in one direction."""

_BATCH = 12
"""The terms of a line that are computed together, where the length of the line before is not known."""


@piece
def _terms(header, first, n, points, start, direction, line, work, parameters):
    """Write exp(h − h(û)) at points start, start + direction, … of a line of the lattice into work[2] (points,).

    At place k of the line (intercept, slope, c), η = intercept + k · slope, −|u|²/2 − h(û) = c₀ + k (c₁ + k c₂).
    """
    intercept, slope, c = line
    eta, values = work[0], work[2]
    for point in range(points):
        k = float(start + direction * point)
        for i in range(n):
            eta[point * n + i] = intercept[i] + k * slope[i]
    row_likelihoods(header, first, n, points, work, parameters)
    for point in range(points):
        k = float(start + direction * point)
        total = values[point] + (c[0] + k * (c[1] + k * c[2]))
        values[point] = exp(min(total, 300.0)) if total > -math.inf else 0.0


@piece
def _line(header, first, n, start, line, lengths, work, parameters):
    """Return the sum of the terms of a line, of those at even places, and the place of the largest.

    It runs up from its start until a term is negligible and falling, then down. `lengths` (2,) keeps how many terms
    each direction had, which is how many of the next line are computed together.
    """
    values = work[2]
    total, even, largest, peak, at_start = 0.0, 0.0, -1.0, start, 0.0
    for way in range(2):
        direction, origin = 1 - 2 * way, start - way
        before, taken, ended = at_start if way else -1.0, 0, False
        while not ended:
            points = min(lengths[way] if taken == 0 else _BATCH, _most_points(n))
            _terms(header, first, n, points, origin + direction * taken, direction, line, work, parameters)
            for point in range(points):
                value, place = values[point], origin + direction * taken
                total += value
                even += 0.0 if place & 1 else value
                if value > largest:
                    largest, peak = value, place
                if way == 0 and taken == 0:
                    at_start = value
                taken += 1
                ended = taken > _MOST_STEPS or (value < _NEGLIGIBLE and value <= before)
                before = value
                if ended:
                    break
        lengths[way] = taken
    return total, even, peak


@piece
def _most_points(n):
    """Return how many points of n rows fit into the workspace."""
    return max(CHUNK // n, 3)


@piece
def _sum(header, first, n, centre, directions, step, mode, back, peak_value, work, parameters):
    """Return the sum of the terms of the lattice, and of those at even places, the lattice of twice the step.

    A plane is a line of lines, and so on: each runs up from its start until a line of it is negligible and falling,
    then down, and each line starts where the one before had its largest term. `first_peaks` keeps where the inner lines
    had theirs at the start of an outer one. `centre` (n,) is η at û, `directions` (n, q) and `back` = R⁻ᵀ (q, q) how η
    and u change with v.
    """
    q = mode.size
    lattice, start, peaks = np.zeros(q, dtype=np.int64), np.zeros(q, dtype=np.int64), np.zeros(q, dtype=np.int64)
    direction, first_peaks = np.ones(q, dtype=np.int64), np.zeros((q, q), dtype=np.int64)
    even, lengths = 0.0, np.full(2, _BATCH)
    total, largest, before, at_start = np.zeros(q), np.full(q, -1.0), np.full(q, -1.0), np.zeros(q)
    line = np.empty(n), step * directions[:, q - 1].copy(), np.empty(3)
    while True:
        _through(lattice, centre, directions, step, mode, back, line)
        line[2][0] -= peak_value
        value, value_even, peaks[q - 1] = _line(header, first, n, start[q - 1], line, lengths, work, parameters)
        odd = 0
        for c in range(q - 1):
            odd |= lattice[c] & 1
        even += 0.0 if odd else value_even
        level = q - 2
        while level >= 0:
            total[level] += value
            if value > largest[level]:
                largest[level] = value
                peaks[level] = lattice[level]
            if before[level] < 0.0:
                at_start[level] = value
                first_peaks[level] = peaks
            too_far = abs(lattice[level] - start[level]) > _MOST_STEPS
            if not too_far and not (value < _NEGLIGIBLE and value <= before[level]):
                before[level] = value
                lattice[level] += direction[level]
                break
            if direction[level] == 1:
                direction[level] = -1
                before[level] = at_start[level]
                lattice[level] = start[level] - 1
                peaks[level + 1 :] = first_peaks[level, level + 1 :]
                break
            value = total[level]
            level -= 1
        if level < 0:
            return value, even
        for inner in range(level + 1, q):
            lattice[inner] = start[inner] = peaks[inner]
            direction[inner] = 1
            total[inner], largest[inner], before[inner] = 0.0, -1.0, -1.0


@piece
def _through(lattice, centre, directions, step, mode, back, line):
    """Write the line through a point of the lattice in its last direction, from place 0 on: see `_terms`."""
    intercept, _, c = line
    q = mode.size
    intercept[:] = centre
    for d in range(q - 1):
        for i in range(intercept.size):
            intercept[i] += directions[i, d] * (step * lattice[d])
    c[:] = 0.0
    for e in range(q):
        u, slope = mode[e], step * back[e, q - 1]
        for d in range(q - 1):
            u += back[e, d] * (step * lattice[d])
        c[0] -= 0.5 * u * u
        c[1] -= u * slope
        c[2] -= 0.5 * slope * slope


@piece
def _group(header, first, n, base, columns, mode, lower, parameters, work):
    """Return log ∫ exp h(u) du − (q/2) log 2π of a group, and the relative difference of the last two sums.

    Writes û (q,) and R (q, q). Laplace's approximation, h(û) − log |R|, where no step is to be tried.
    """
    q = mode.size
    mode[:] = 0.0
    peak_value = find_mode(header, first, n, base, columns, mode, lower, work, parameters)
    log_volume = -0.5 * q * math.log(2.0 * math.pi)
    for c in range(q):
        log_volume -= math.log(lower[c, c])
    if header[Header.ATTEMPTS] == 0 or not peak_value > -math.inf:
        return peak_value + log_volume + 0.5 * q * math.log(2.0 * math.pi), 0.0
    back, column = np.zeros((q, q)), np.empty(q)
    for d in range(q):
        column[:] = 0.0
        column[d] = 1.0
        solve_transposed(lower, column)
        back[:, d] = column
    centre, directions = base[:n].copy(), np.zeros((n, q))
    for i in range(n):
        for c in range(q):
            centre[i] += columns[i, c] * mode[c]
            for d in range(q):
                directions[i, d] += columns[i, c] * back[c, d]
    step, total, difference, shrink = _STEP, 0.0, math.inf, 1.0
    for _attempt in range(header[Header.ATTEMPTS]):
        step *= shrink
        total, even = _sum(header, first, n, centre, directions, step, mode, back, peak_value, work, parameters)
        difference = abs(2.0**q * even / total - 1.0)
        if difference < _AGREE:
            break
        shrink = max(0.4, 0.97 * math.log(min(difference, 0.5)) / math.log(_AGREE))
    return peak_value + log_volume + math.log(total) + q * math.log(step), difference


@compiled(INTEGRATE)
def integrate(address):
    """Write what the header asks for of the draws FIRST to LAST, group by group: integrals, or h at given u."""
    header = words(address, _HEADER_SIZE)
    last, m, rows = header[Header.LAST], header[Header.GROUPS], header[Header.ROWS]
    q, count = header[Header.EFFECTS], header[Header.PARAMETERS]
    starts = words(header[Header.STARTS], m + 1)
    eta = floats(header[Header.ETA], last * rows)
    z = floats(header[Header.Z], rows * q)
    root = floats(header[Header.ROOT], last * q * q)
    values = floats(header[Header.PARAMETER_VALUES], last * (count + 1))
    out, error = floats(header[Header.VALUE], last * m), floats(header[Header.ERROR], last * m)
    modes, spreads = floats(header[Header.MODE], last * m * q), floats(header[Header.SPREAD], last * m * q * q)
    most = 1
    for group in range(m):
        most = max(most, starts[group + 1] - starts[group])
    room = max(CHUNK, 3 * most)
    work = (np.empty(room), np.empty(room), np.empty(CHUNK), np.empty((WORK + count) * CHUNK))
    columns, lower = np.empty((most, q)), np.zeros((q, q))
    mode = np.zeros(q)
    for draw in range(header[Header.FIRST], last):
        parameters = values[draw * (count + 1) : (draw + 1) * (count + 1)].copy()
        for group in range(m):
            first, n = starts[group], starts[group + 1] - starts[group]
            base = eta[draw * rows + first : draw * rows + first + n]
            for i in range(n):
                for c in range(q):
                    columns[i, c] = 0.0
                    for d in range(q):
                        columns[i, c] += z[(first + i) * q + d] * root[(draw * q + d) * q + c]
            cell = draw * m + group
            if header[Header.EVALUATE]:
                mode[:] = modes[cell * q : cell * q + q]
                out[cell] = log_integrand(header, first, n, base, columns, mode, work, parameters)
                continue
            out[cell], error[cell] = _group(header, first, n, base, columns, mode, lower, parameters, work)
            modes[cell * q : cell * q + q] = mode
            for c in range(q):
                for d in range(q):
                    spreads[(cell * q + c) * q + d] = lower[c, d] if d <= c else 0.0
    return 0
