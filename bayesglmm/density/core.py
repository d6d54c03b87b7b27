"""The log density and its gradient in one pass: written once for any number of blocks, rows and parameters.

A point is the vector of unconstrained coordinates: the globals (centred intercept, slopes, per block its
sds and partial correlations, family parameters), then standard normal z of every block, level by level.
The order and the transforms are those of the PyMC graph.

Everything a model brings (data, sizes, prior constants, which link, family and priors) comes through the
header, an array of addresses; so one compilation serves every model, and numba keeps it on disk.
"""

import math

import numpy as np
from numba import carray, cfunc, njit, types

from bayesglmm.density.abi import EXPAND, LOGP, call_family, call_link, call_prior, pointer

__all__ = ["BLOCK", "CHUNK", "HEADER", "expand", "log_density"]

HEADER = {
    name: position
    for position, name in enumerate(
        (
            "rows", "slopes", "intercept", "globals", "blocks", "parameters", "x", "offset", "y", "trials",
            "centre", "block_table", "prior_calls", "prior_numbers", "transforms", "family", "link",
            "first_parameter", "likelihood",
        )
    )
}  # fmt: skip
"""What stands where in the header: sizes, flags and addresses."""

BLOCK = {
    name: position
    for position, name in enumerate(
        ("columns", "levels", "correlated", "first_sd", "first_partial", "first_z", "index", "z", "intercept_only")
    )
}
"""What stands where in a block's row of the block table."""

CHUNK = 512
"""Rows worked on at a time, so that what is written is still in the cache when it is read."""

_N, _P, _INTERCEPT, _GLOBALS, _BLOCKS, _PARAMETERS = range(6)
_X, _OFFSET, _Y, _TRIALS, _CENTRE, _TABLE, _CALLS, _NUMBERS, _TRANSFORMS = range(6, 15)
_FAMILY, _LINK, _FIRST_PARAMETER, _LIKELIHOOD = range(15, 19)
_K, _M, _CORRELATED, _SD, _PARTIAL, _Z, _INDEX, _COLUMNS, _ONES = range(9)


@njit(inline="always", error_model="numpy")
def _floats(address, n):
    return carray(pointer(address), (n,), types.float64)


@njit(inline="always", error_model="numpy")
def _words(address, n):
    return carray(pointer(address), (n,), types.int64)


@njit(error_model="numpy")
def _constrain(x, lower, upper, kind):
    """Return the value of a coordinate, its derivative, the log Jacobian and its derivative."""
    if kind == 0:
        return x, 1.0, 0.0, 0.0
    if kind == 1:
        value = math.exp(x)
        return value, value, x, 1.0
    width = upper - lower
    p = 1.0 / (1.0 + math.exp(-x)) if x > 0.0 else math.exp(x) / (1.0 + math.exp(x))
    q = 1.0 / (1.0 + math.exp(x)) if x < 0.0 else math.exp(-x) / (1.0 + math.exp(-x))
    jacobian = math.log(width) - abs(x) - 2.0 * math.log1p(math.exp(-abs(x)))
    return lower + width * p, width * p * q, jacobian, q - p


@njit(error_model="numpy")
def _globals(header, x, values):
    """Write the values of the globals."""
    count = header[_GLOBALS]
    numbers = _floats(header[_NUMBERS], 5 * count)
    transforms = _words(header[_TRANSFORMS], count)
    for i in range(count):
        values[i] = _constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])[0]


@njit(error_model="numpy")
def _factor(block, values):
    """Return the Cholesky factor of Ω (k, k), from partial correlations u in (0, 1), r = 2u − 1, if correlated."""
    k = block[_K]
    at = block[_PARTIAL]
    lower = np.eye(k)
    if not block[_CORRELATED]:
        return lower
    for i in range(k):
        left = 1.0
        for j in range(i):
            u = values[at]
            lower[i, j] = (2.0 * u - 1.0) * left
            left *= 2.0 * math.sqrt(u * (1.0 - u))
            at += 1
        lower[i, i] = left
    return lower


@njit(error_model="numpy")
def _factor_back(block, values, lower, d_lower, slopes):
    """Add to `slopes` the derivatives with respect to u of a function with derivatives `d_lower`."""
    k = block[_K]
    at = block[_PARTIAL]
    for i in range(k):
        after = d_lower[i, i] * lower[i, i]  # Σ over later columns of derivative × entry, all ∝ this row's root
        for j in range(i - 1, -1, -1):
            u = values[at + j]
            root = 2.0 * math.sqrt(u * (1.0 - u))
            left = 1.0
            for earlier in range(j):
                v = values[at + earlier]
                left *= 2.0 * math.sqrt(v * (1.0 - v))
            slopes[at + j] += 2.0 * d_lower[i, j] * left + after * 2.0 * (1.0 - 2.0 * u) / (root * root)
            after += d_lower[i, j] * lower[i, j]
        at += i


@njit(error_model="numpy")
def _effects(block, values, x, b):
    """Write the random effects of a block, level by level: b = diag(sd) L z."""
    k, m, first = block[_K], block[_M], block[_Z]
    lower = _factor(block, values)
    for level in range(m):
        at = level * k
        for i in range(k):
            total = 0.0
            for j in range(i + 1):
                total += lower[i, j] * x[first + at + j]
            b[at + i] = values[block[_SD] + i] * total


@njit(error_model="numpy")
def _effects_back(block, values, x, d_b, grad, slopes):
    """Carry derivatives from b to z, sd and the partial correlations."""
    k, m, first = block[_K], block[_M], block[_Z]
    lower = _factor(block, values)
    d_lower = np.zeros((k, k))
    for level in range(m):
        at = level * k
        for i in range(k):
            sd = values[block[_SD] + i]
            d = d_b[at + i]
            total = 0.0
            for j in range(i + 1):
                z = x[first + at + j]
                total += lower[i, j] * z
                d_lower[i, j] += d * sd * z
                grad[first + at + j] += d * sd * lower[i, j]
            slopes[block[_SD] + i] += d * total
    if block[_CORRELATED]:
        _factor_back(block, values, lower, d_lower, slopes)


@njit(fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def _add_columns(eta, matrix, weights, start, count, n, columns):
    for j in range(columns):
        weight = weights[j]
        at = j * n + start
        for i in range(count):
            eta[i] += matrix[at + i] * weight


@njit(fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def _sum_columns(d_eta, matrix, slopes, start, count, n, columns):
    for j in range(columns):
        at = j * n + start
        total = 0.0
        for i in range(count):
            total += matrix[at + i] * d_eta[i]
        slopes[j] += total


@njit(error_model="numpy")
def _add_effects(eta, block, b, start, count, n):
    k = block[_K]
    index = _words(block[_INDEX], n)
    if block[_ONES]:
        for i in range(count):
            eta[i] += b[index[start + i]]
        return
    z = _floats(block[_COLUMNS], n * k)
    for i in range(count):
        at = index[start + i] * k
        for j in range(k):
            eta[i] += b[at + j] * z[j * n + start + i]


@njit(error_model="numpy")
def _sum_effects(d_eta, block, d_b, start, count, n):
    k = block[_K]
    index = _words(block[_INDEX], n)
    if block[_ONES]:
        for i in range(count):
            d_b[index[start + i]] += d_eta[i]
        return
    z = _floats(block[_COLUMNS], n * k)
    for i in range(count):
        at = index[start + i] * k
        for j in range(k):
            d_b[at + j] += d_eta[i] * z[j * n + start + i]


@njit(error_model="numpy")
def _likelihood(header, table, values, b, d_b, slopes):
    """Return the log likelihood; add its derivatives with respect to globals (`slopes`) and effects (`d_b`)."""
    n, p = header[_N], header[_P]
    first = header[_INTERCEPT]
    x, offset = _floats(header[_X], n * p), _floats(header[_OFFSET], n)
    y, trials = header[_Y], header[_TRIALS]
    work = np.empty((6, CHUNK))
    eta, d_eta = work[0], work[5]
    parameters = values[header[_FIRST_PARAMETER] : header[_FIRST_PARAMETER] + header[_PARAMETERS] + 1].copy()
    d_parameters = np.zeros(header[_PARAMETERS] + 1)
    total = 0.0
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        base = values[0] if first else 0.0
        for i in range(count):
            eta[i] = offset[start + i] + base
        _add_columns(eta, x, values[first:], start, count, n, p)
        for number in range(header[_BLOCKS]):
            z = table[number, _Z] - header[_GLOBALS]
            _add_effects(eta, table[number], b[z:], start, count, n)
        call_link(
            header[_LINK], count, eta.ctypes.data, work[1].ctypes.data, work[2].ctypes.data, work[3].ctypes.data,
            work[4].ctypes.data,
        )  # fmt: skip
        total += call_family(
            header[_FAMILY], count, y + 8 * start, trials + 8 * start, work[1].ctypes.data, work[2].ctypes.data,
            work[3].ctypes.data, work[4].ctypes.data, parameters.ctypes.data, d_eta.ctypes.data,
            d_parameters.ctypes.data,
        )  # fmt: skip
        if first:
            for i in range(count):
                slopes[0] += d_eta[i]
        _sum_columns(d_eta, x, slopes[first:], start, count, n, p)
        for number in range(header[_BLOCKS]):
            z = table[number, _Z] - header[_GLOBALS]
            _sum_effects(d_eta, table[number], d_b[z:], start, count, n)
    for j in range(header[_PARAMETERS]):
        slopes[header[_FIRST_PARAMETER] + j] += d_parameters[j]
    return total


@njit(error_model="numpy")
def _priors(header, x, values, slopes, grad):
    """Return the log prior of the globals with their Jacobians, and write their gradient from `slopes`."""
    count = header[_GLOBALS]
    numbers = _floats(header[_NUMBERS], 5 * count)
    transforms, calls = _words(header[_TRANSFORMS], count), _words(header[_CALLS], count)
    slope = np.zeros(1)
    total = 0.0
    for i in range(count):
        _, d_value, jacobian, d_jacobian = _constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])
        total += jacobian + call_prior(
            calls[i], values[i], numbers[5 * i], numbers[5 * i + 1], numbers[5 * i + 2], slope.ctypes.data
        )
        grad[i] = (slopes[i] + slope[0]) * d_value + d_jacobian
    return total


@njit(error_model="numpy")
def _density(header, x, grad):
    """Return the log density at a point and write its gradient."""
    count = header[_GLOBALS]
    values, slopes = np.zeros(count + 1), np.zeros(count + 1)
    _globals(header, x, values)
    effects = x.size - count
    b, d_b = np.zeros(effects), np.zeros(effects)
    table = carray(pointer(header[_TABLE]), (header[_BLOCKS], 9), types.int64)
    total = 0.0
    for i in range(count, x.size):
        grad[i] = -x[i]
        total -= 0.5 * x[i] * x[i]
    for number in range(header[_BLOCKS]):
        _effects(table[number], values, x, b[table[number, _Z] - count :])
    if header[_LIKELIHOOD]:
        total += _likelihood(header, table, values, b, d_b, slopes)
        for number in range(header[_BLOCKS]):
            block = table[number]
            _effects_back(block, values, x, d_b[block[_Z] - count :], grad, slopes)
    return total + _priors(header, x, values, slopes, grad)


@cfunc(LOGP, cache=True, error_model="numpy")
def log_density(dim, point, gradient, value, user_data):
    """Nutpie's log density: write the value and the gradient; 1 where they are not finite."""
    header = carray(user_data, (19,), types.int64)
    x = carray(point, (dim,), types.float64)
    grad = carray(gradient, (dim,), types.float64)
    total = _density(header, x, grad)
    value[0] = total
    fine = math.isfinite(total)
    for i in range(x.size):
        fine = fine and math.isfinite(grad[i])
    return 0 if fine else 1


@cfunc(EXPAND, cache=True, error_model="numpy")
def expand(dim, length, point, variables, user_data):
    """Nutpie's expansion: β, sds, correlations, family parameters and b, in the order of `variable_names`."""
    header = carray(user_data, (19,), types.int64)
    x = carray(point, (dim,), types.float64)
    out = carray(variables, (length,), types.float64)
    count, p, first = header[_GLOBALS], header[_P], header[_INTERCEPT]
    values = np.zeros(count + 1)
    _globals(header, x, values)
    centre = _floats(header[_CENTRE], p)
    for j in range(first + p):
        out[j] = values[j]
    if first:
        for j in range(p):
            out[0] -= centre[j] * values[1 + j]
    at = first + p
    table = carray(pointer(header[_TABLE]), (header[_BLOCKS], 9), types.int64)
    for number in range(header[_BLOCKS]):
        for j in range(table[number, _K]):
            out[at + j] = values[table[number, _SD] + j]
        at += table[number, _K]
    b = np.zeros(x.size - count)
    for number in range(header[_BLOCKS]):
        k = table[number, _K]
        _effects(table[number], values, x, b[table[number, _Z] - count :])
        if table[number, _CORRELATED]:
            lower = _factor(table[number], values)
            for i in range(k):
                for j in range(i):
                    out[at] = 0.0
                    for c in range(j + 1):
                        out[at] += lower[i, c] * lower[j, c]
                    at += 1
    for j in range(header[_PARAMETERS]):
        out[at + j] = values[header[_FIRST_PARAMETER] + j]
    at += header[_PARAMETERS]
    for i in range(b.size):
        out[at + i] = b[i]
    return 0
