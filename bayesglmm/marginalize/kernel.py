"""The likelihood of each group with its random effects integrated out, compiled once for every model.

With b = L u, G = LLᵀ and u ~ N(0, I), a group contributes log ∫ exp h(u) du − (q/2) log 2π, where
h(u) = Σ log f(y | η + zᵀLu) − |u|²/2. Newton finds the mode û and the curvature R Rᵀ there; in the
coordinates v = Rᵀ(u − û) the integrand is near exp(−|v|²/2), and is summed over a lattice of v: the trapezoid
rule, whose error falls geometrically in 1/step for an analytic integrand, so that the error of a step is about
the square of that of twice the step, and the two sums say how far the step must shrink.
From the mode, sums walk outwards line by line until the terms no longer count, so skewed and one-sided
posteriors (a group of zeros only) cost more terms, not digits.
"""

import enum
import math

import numpy as np
from numba import carray, types

from bayesglmm.compiled.abi import call_family, call_link, floats, words
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.functions import exp
from bayesglmm.compiled.pieces import piece
from bayesglmm.compiled.workspace import CHUNK, WORK, Work

__all__ = ["HEADER_SIZE", "INTEGRATE", "Header", "integrate"]

_STEP = 0.6
"""The first step: it sums a normal integrand to rounding, and twice the step to 2e-6 a dimension."""

_AGREE = 1e-5
"""The sums of a step and of twice the step agree if they differ by less, relatively: the error is near the square."""

_NEGLIGIBLE = 1e-12
"""A term this small relative to that at the mode ends a line."""

_FARTHEST = 20_000
"""Steps a line may have."""

_FURTHER = 12
"""Terms of a line looked at together where nothing is known of its length."""

_NEWTON_STEPS = 200
_SHIFT, _LEAST_SHIFT = 1e-4, 1e-10
"""The step of the differences that give ∂²/∂η², in prior sds of η, and at the least of η itself."""

INTEGRATE = types.int64(types.CPointer(types.int64))
"""Header; 0 always."""


class Header(enum.IntEnum):
    """Where the header holds what: sizes, addresses of functions, addresses of arrays."""

    FIRST = 0
    LAST = 1
    GROUPS = 2
    ROWS = 3
    EFFECTS = 4
    PARAMETERS = 5
    ATTEMPTS = 6
    EVALUATE = 7
    LINK = 8
    FAMILY = 9
    STARTS = 10
    Y = 11
    TRIALS = 12
    ETA = 13
    Z = 14
    ROOT = 15
    PARAMETER_VALUES = 16
    VALUE = 17
    ERROR = 18
    MODE = 19
    SPREAD = 20


HEADER_SIZE = len(Header)


@piece
def _rows(header, first, n, points, work, parameters, spare):
    """Write Σ log f of n rows at each of several points into work[2], and ∂/∂η into work[1].

    The η of the points lie one after another in work[0]. As many points as fill a chunk go through the link
    together; work[3] is what kernels work in.
    """
    eta, slope, sums, space = work
    address = space.ctypes.data
    together = max(CHUNK // n, 1)
    for point in range(0, points, together):
        these = min(together, points - point)
        sums[point : point + these] = 0.0
        for start in range(0, n, CHUNK):
            count, at = min(CHUNK, n - start), first + start
            filled, place = these * count, point * n + start
            for i in range(filled):
                space[CHUNK * Work.ETA + i] = eta[place + i]
            call_link(header[Header.LINK], filled, address)
            for k in range(these):
                sums[point + k] += call_family(
                    header[Header.FAMILY], count, header[Header.Y] + 8 * at, header[Header.TRIALS] + 8 * at,
                    address + 8 * k * count, parameters.ctypes.data, spare.ctypes.data,
                )  # fmt: skip
            for i in range(filled):
                slope[place + i] = space[CHUNK * Work.D_ETA + i]


@piece
def _at(header, first, n, base, columns, u, work, parameters, spare):
    """Return h(u); −inf where the density is not defined."""
    _predict(n, base, columns, u, work[0])
    _rows(header, first, n, 1, work, parameters, spare)
    return _less_half_square(work[2][0], u)


@piece
def _around(header, first, n, base, columns, u, work, parameters, spare):
    """Return h(u), and write ∂/∂η there and a little to either side, which gives the curvature."""
    eta = work[0]
    _predict(n, base, columns, u, eta)
    for i in range(n):
        variance = 0.0
        for c in range(u.size):
            variance += columns[i, c] * columns[i, c]
        shift = _SHIFT * math.sqrt(variance) + _LEAST_SHIFT * abs(eta[i])
        eta[n + i] = eta[i] + shift
        eta[2 * n + i] = eta[i] - shift
    _rows(header, first, n, 3, work, parameters, spare)
    return _less_half_square(work[2][0], u)


@piece
def _predict(n, base, columns, u, eta):
    """Write the linear predictor of n rows."""
    for i in range(n):
        eta[i] = base[i]
        for c in range(u.size):
            eta[i] += columns[i, c] * u[c]


@piece
def _less_half_square(value, u):
    """Return value − |u|²/2; −inf where it is not a number."""
    for c in range(u.size):
        value -= 0.5 * u[c] * u[c]
    return value if value > -math.inf else -math.inf


@piece
def _curvature(n, columns, work, hessian):
    """Write I + Zᵀ W Z, W the curvature of each row by differences of what `_around` wrote, 0 where negative."""
    eta, slope = work[0], work[1]
    hessian[:] = 0.0
    for c in range(hessian.shape[0]):
        hessian[c, c] = 1.0
    for i in range(n):
        weight = (slope[2 * n + i] - slope[n + i]) / (eta[n + i] - eta[2 * n + i])
        if 0.0 < weight < math.inf:
            for c in range(hessian.shape[0]):
                for d in range(hessian.shape[0]):
                    hessian[c, d] += weight * columns[i, c] * columns[i, d]


@piece
def _factor(matrix):
    """Turn a positive definite matrix into its Cholesky factor, lower triangular, in place."""
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            total = matrix[i, j]
            for c in range(j):
                total -= matrix[i, c] * matrix[j, c]
            matrix[i, j] = math.sqrt(total) if i == j else total / matrix[j, j]


@piece
def _solve(lower, right):
    """Solve L Lᵀ x = right in place."""
    for i in range(right.size):
        for c in range(i):
            right[i] -= lower[i, c] * right[c]
        right[i] /= lower[i, i]
    _solve_back(lower, right)


@piece
def _solve_back(lower, right):
    """Solve Lᵀ x = right in place."""
    for i in range(right.size - 1, -1, -1):
        for c in range(i + 1, right.size):
            right[i] -= lower[c, i] * right[c]
        right[i] /= lower[i, i]


@piece
def _mode(header, first, n, base, columns, u, lower, work, parameters, spare):
    """Move u to the mode of h by damped Newton steps; return h there and write the factor R of the curvature."""
    q = u.size
    step, slope, tried = np.empty(q), np.empty(q), np.empty(q)
    value = _around(header, first, n, base, columns, u, work, parameters, spare)
    for _ in range(_NEWTON_STEPS):
        for c in range(q):
            slope[c] = -u[c]
            for i in range(n):
                slope[c] += columns[i, c] * work[1][i]
        step[:] = slope
        _curvature(n, columns, work, lower)
        _factor(lower)
        _solve(lower, step)
        gain = 0.0
        for c in range(q):
            gain += slope[c] * step[c]
        if not gain > 1e-10:
            break
        length = 1.0
        found = value
        for _halving in range(60):
            for c in range(q):
                tried[c] = u[c] + length * step[c]
            found = _around(header, first, n, base, columns, tried, work, parameters, spare)
            if found > value + 1e-4 * length * gain:
                break
            length *= 0.5
        if not found > value:
            break
        value = found
        u[:] = tried
    return value


@piece
def _side(header, first, n, points, start, direction, line, work, parameters, spare):
    """Write exp(h − h(û)) at points of a line of the lattice, from `start` in a direction, into work[2].

    The line has η = at + k · along in row i, and −|u|²/2 − h(û) = c₀ + k (c₁ + k c₂).
    """
    at, along, c = line
    eta, values = work[0], work[2]
    for point in range(points):
        k = float(start + direction * point)
        for i in range(n):
            eta[point * n + i] = at[i] + k * along[i]
    _rows(header, first, n, points, work, parameters, spare)
    for point in range(points):
        k = float(start + direction * point)
        total = values[point] + (c[0] + k * (c[1] + k * c[2]))
        values[point] = exp(min(total, 300.0)) if total > -math.inf else 0.0


@piece
def _line(header, first, n, start, line, reach, work, parameters, spare):
    """Return the sum of the terms of a line, of those at even places, and where its largest is.

    It goes up from its start until a term is negligible and falling, then down. `reach` keeps how many terms each
    way took, which is how many the next line looks at together.
    """
    values = work[2]
    total, even, largest, peak, at_start = 0.0, 0.0, -1.0, start, 0.0
    for way in range(2):
        direction, from_here = 1 - 2 * way, start - way
        before, taken, ended = at_start if way else -1.0, 0, False
        while not ended:
            points = min(reach[way] if taken == 0 else _FURTHER, _most(n))
            _side(header, first, n, points, from_here + direction * taken, direction, line, work, parameters, spare)
            for point in range(points):
                value, place = values[point], from_here + direction * taken
                total += value
                even += 0.0 if place & 1 else value
                if value > largest:
                    largest, peak = value, place
                if way == 0 and taken == 0:
                    at_start = value
                taken += 1
                ended = taken > _FARTHEST or (value < _NEGLIGIBLE and value <= before)
                before = value
                if ended:
                    break
        reach[way] = taken
    return total, even, peak


@piece
def _most(n):
    """Return how many points of n rows are worked on at a time."""
    return max(CHUNK // n, 3)


@piece
def _sum(header, first, n, centre, directions, step, mode, back, peak_value, work, parameters, spare):
    """Return the sum of the terms of the lattice, and of those at even places, the lattice of twice the step.

    The terms are found line by line outwards from where the last line had its largest. A plane is a line of
    lines: it goes up from its start until a line is negligible and falling, then down, and so on.
    `first_peaks` keeps where the inner lines had their largest at the start of an outer one.
    """
    q = mode.size
    lattice, start, peaks = np.zeros(q, dtype=np.int64), np.zeros(q, dtype=np.int64), np.zeros(q, dtype=np.int64)
    direction, first_peaks = np.ones(q, dtype=np.int64), np.zeros((q, q), dtype=np.int64)
    even, reach = 0.0, np.full(2, _FURTHER)
    total, largest, before, at_start = np.zeros(q), np.full(q, -1.0), np.full(q, -1.0), np.zeros(q)
    line = np.empty(n), step * directions[:, q - 1].copy(), np.empty(3)
    while True:
        _through(lattice, centre, directions, step, mode, back, line)
        line[2][0] -= peak_value
        value, value_even, peaks[q - 1] = _line(header, first, n, start[q - 1], line, reach, work, parameters, spare)
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
            far = abs(lattice[level] - start[level]) > _FARTHEST
            if not far and not (value < _NEGLIGIBLE and value <= before[level]):
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
    """Write the line through a point of the lattice along its last direction, from place 0: see `_side`."""
    at, _, c = line
    q = mode.size
    at[:] = centre
    for d in range(q - 1):
        for i in range(at.size):
            at[i] += directions[i, d] * (step * lattice[d])
    c[:] = 0.0
    for e in range(q):
        u, along = mode[e], step * back[e, q - 1]
        for d in range(q - 1):
            u += back[e, d] * (step * lattice[d])
        c[0] -= 0.5 * u * u
        c[1] -= u * along
        c[2] -= 0.5 * along * along


@piece
def _group(header, first, n, base, columns, mode, lower, parameters, work, spare):
    """Return the log likelihood with u integrated out and how far the last two sums differ, relatively."""
    q = mode.size
    mode[:] = 0.0
    peak_value = _mode(header, first, n, base, columns, mode, lower, work, parameters, spare)
    log_volume = -0.5 * q * math.log(2.0 * math.pi)
    for c in range(q):
        log_volume -= math.log(lower[c, c])
    if header[Header.ATTEMPTS] == 0 or not peak_value > -math.inf:
        return peak_value + log_volume + 0.5 * q * math.log(2.0 * math.pi), 0.0
    back, column = np.zeros((q, q)), np.empty(q)
    for d in range(q):
        column[:] = 0.0
        column[d] = 1.0
        _solve_back(lower, column)
        back[:, d] = column
    centre, directions = base[:n].copy(), np.zeros((n, q))
    for i in range(n):
        for c in range(q):
            centre[i] += columns[i, c] * mode[c]
            for d in range(q):
                directions[i, d] += columns[i, c] * back[c, d]
    step, total, apart, shrink = _STEP, 0.0, math.inf, 1.0
    for _attempt in range(header[Header.ATTEMPTS]):
        step *= shrink
        total, even = _sum(header, first, n, centre, directions, step, mode, back, peak_value, work, parameters, spare)
        apart = abs(2.0**q * even / total - 1.0)
        if apart < _AGREE:
            break
        shrink = max(0.4, 0.97 * math.log(min(apart, 0.5)) / math.log(_AGREE))
    return peak_value + log_volume + math.log(total) + q * math.log(step), apart


@compiled(INTEGRATE)
def integrate(address):
    """Write what the header asks for of the draws FIRST to LAST: integrals, or Σ log f of each group at given u."""
    header = carray(address, (HEADER_SIZE,), types.int64)
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
    work = (np.empty(room), np.empty(room), np.empty(CHUNK), np.empty(WORK * CHUNK))
    columns, lower = np.empty((most, q)), np.zeros((q, q))
    mode, spare = np.zeros(q), np.zeros(count + 1)
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
            at = draw * m + group
            if header[Header.EVALUATE]:
                mode[:] = modes[at * q : at * q + q]
                out[at] = _at(header, first, n, base, columns, mode, work, parameters, spare)
                continue
            out[at], error[at] = _group(header, first, n, base, columns, mode, lower, parameters, work, spare)
            modes[at * q : at * q + q] = mode
            for c in range(q):
                for d in range(q):
                    spreads[(at * q + c) * q + d] = lower[c, d] if d <= c else 0.0
    return 0
