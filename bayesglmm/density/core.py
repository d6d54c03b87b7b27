"""The log density and its gradient in one pass: written once for any number of blocks, rows and parameters.

A point is the vector of unconstrained coordinates: the globals (centred intercept, slopes, per block its
sds and partial correlations, family parameters), then standard normal z of every block, level by level.
The order and the transforms are those of the PyMC graph, but that the z of a centred level are u, with b = F u
for a fixed F. With a whitening, the point is w instead, an arrow-shaped linear map away.

Everything a model brings (data, sizes, prior constants, which link, family and priors) comes through the
header, an array of addresses; so one compilation serves every model, and numba keeps it on disk.
"""

import math

import numpy as np
from numba import carray, njit, types

from bayesglmm.density.abi import EXPAND, LOGP, call_family, call_link, call_prior, pointer
from bayesglmm.density.cache import compiled
from bayesglmm.density.coordinates import (
    cholesky,
    colour,
    constrain,
    effects_back,
    floats,
    pull_back,
    words,
    write_effects,
    write_values,
)
from bayesglmm.density.layout import BLOCK_SIZE, HEADER_SIZE, Block, Header

__all__ = ["CHUNK", "expand", "log_density"]

CHUNK = 512
"""Rows worked on at a time, so that what is written is still in the cache when it is read."""


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
    k = block[Block.COLUMNS]
    index = words(block[Block.INDEX], n)
    if block[Block.INTERCEPT_ONLY]:
        for i in range(count):
            eta[i] += b[index[start + i]]
        return
    z = floats(block[Block.Z], n * k)
    for i in range(count):
        at = index[start + i] * k
        for j in range(k):
            eta[i] += b[at + j] * z[j * n + start + i]


@njit(error_model="numpy")
def _sum_effects(d_eta, block, d_b, start, count, n):
    k = block[Block.COLUMNS]
    index = words(block[Block.INDEX], n)
    if block[Block.INTERCEPT_ONLY]:
        for i in range(count):
            d_b[index[start + i]] += d_eta[i]
        return
    z = floats(block[Block.Z], n * k)
    for i in range(count):
        at = index[start + i] * k
        for j in range(k):
            d_b[at + j] += d_eta[i] * z[j * n + start + i]


@njit(error_model="numpy")
def _likelihood(header, table, values, b, d_b, slopes):
    """Return the log likelihood; add its derivatives with respect to globals (`slopes`) and effects (`d_b`)."""
    n, p = header[Header.ROWS], header[Header.SLOPES]
    first = header[Header.INTERCEPT]
    x, offset = floats(header[Header.X], n * p), floats(header[Header.OFFSET], n)
    y, trials = header[Header.Y], header[Header.TRIALS]
    work = np.empty((6, CHUNK))
    eta, d_eta = work[0], work[5]
    parameters = values[
        header[Header.FIRST_PARAMETER] : header[Header.FIRST_PARAMETER] + header[Header.PARAMETERS] + 1
    ].copy()
    d_parameters = np.zeros(header[Header.PARAMETERS] + 1)
    total = 0.0
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        base = values[0] if first else 0.0
        for i in range(count):
            eta[i] = offset[start + i] + base
        _add_columns(eta, x, values[first:], start, count, n, p)
        for number in range(header[Header.BLOCKS]):
            z = table[number, Block.FIRST_Z] - header[Header.GLOBALS]
            _add_effects(eta, table[number], b[z:], start, count, n)
        call_link(
            header[Header.LINK], count, eta.ctypes.data, work[1].ctypes.data, work[2].ctypes.data, work[3].ctypes.data,
            work[4].ctypes.data,
        )  # fmt: skip
        total += call_family(
            header[Header.FAMILY], count, y + 8 * start, trials + 8 * start, work[1].ctypes.data, work[2].ctypes.data,
            work[3].ctypes.data, work[4].ctypes.data, parameters.ctypes.data, d_eta.ctypes.data,
            d_parameters.ctypes.data,
        )  # fmt: skip
        if first:
            for i in range(count):
                slopes[0] += d_eta[i]
        _sum_columns(d_eta, x, slopes[first:], start, count, n, p)
        for number in range(header[Header.BLOCKS]):
            z = table[number, Block.FIRST_Z] - header[Header.GLOBALS]
            _sum_effects(d_eta, table[number], d_b[z:], start, count, n)
    for j in range(header[Header.PARAMETERS]):
        slopes[header[Header.FIRST_PARAMETER] + j] += d_parameters[j]
    return total


@njit(error_model="numpy")
def _priors(header, x, values, slopes, grad):
    """Return the log prior of the globals with their Jacobians, and write their gradient from `slopes`."""
    count = header[Header.GLOBALS]
    numbers = floats(header[Header.PRIOR_NUMBERS], 5 * count)
    transforms, calls = words(header[Header.TRANSFORMS], count), words(header[Header.PRIOR_CALLS], count)
    slope = np.zeros(1)
    total = 0.0
    for i in range(count):
        _, d_value, jacobian, d_jacobian = constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])
        total += jacobian + call_prior(
            calls[i], values[i], numbers[5 * i], numbers[5 * i + 1], numbers[5 * i + 2], slope.ctypes.data
        )
        grad[i] = (slopes[i] + slope[0]) * d_value + d_jacobian
    return total


@njit(error_model="numpy")
def _density(header, table, x, grad):
    """Return the log density at coordinates x and write its gradient."""
    count = header[Header.GLOBALS]
    values, slopes = np.zeros(count + 1), np.zeros(count + 1)
    write_values(header, x, values)
    effects = x.size - count
    b, d_b = np.zeros(effects), np.zeros(effects)
    total = 0.0
    for number in range(header[Header.BLOCKS]):
        write_effects(table[number], values, x, b[table[number, Block.FIRST_Z] - count :])
    if header[Header.LIKELIHOOD]:
        total += _likelihood(header, table, values, b, d_b, slopes)
    for number in range(header[Header.BLOCKS]):
        at = table[number, Block.FIRST_Z] - count
        total += effects_back(table[number], values, x, b[at:], d_b[at:], grad, slopes)
    return total + _priors(header, x, values, slopes, grad)


@compiled(LOGP)
def log_density(dim, point, gradient, value, user_data):
    """Nutpie's log density: write the value and the gradient; 1 where they are not finite."""
    header = carray(user_data, (HEADER_SIZE,), types.int64)
    x = carray(point, (dim,), types.float64)
    grad = carray(gradient, (dim,), types.float64)
    table = carray(pointer(header[Header.BLOCK_TABLE]), (header[Header.BLOCKS], BLOCK_SIZE), types.int64)
    if header[Header.WHITENED]:
        coordinates = np.empty(x.size)
        colour(header, table, x, coordinates)
        total = _density(header, table, coordinates, grad)
        pull_back(header, table, grad)
    else:
        total = _density(header, table, x, grad)
    value[0] = total
    fine = math.isfinite(total)
    for i in range(x.size):
        fine = fine and math.isfinite(grad[i])
    return 0 if fine else 1


@compiled(EXPAND)
def expand(dim, length, point, variables, user_data):
    """Nutpie's expansion: β, sds, correlations, family parameters and b, in the order of `variable_names`."""
    header = carray(user_data, (HEADER_SIZE,), types.int64)
    w = carray(point, (dim,), types.float64)
    table = carray(pointer(header[Header.BLOCK_TABLE]), (header[Header.BLOCKS], BLOCK_SIZE), types.int64)
    x = w
    if header[Header.WHITENED]:
        x = np.empty(w.size)
        colour(header, table, w, x)
    out = carray(variables, (length,), types.float64)
    count, p, first = header[Header.GLOBALS], header[Header.SLOPES], header[Header.INTERCEPT]
    values = np.zeros(count + 1)
    write_values(header, x, values)
    centre = floats(header[Header.CENTRE], p)
    for j in range(first + p):
        out[j] = values[j]
    if first:
        for j in range(p):
            out[0] -= centre[j] * values[1 + j]
    at = first + p
    for number in range(header[Header.BLOCKS]):
        for j in range(table[number, Block.COLUMNS]):
            out[at + j] = values[table[number, Block.FIRST_SD] + j]
        at += table[number, Block.COLUMNS]
    b = np.zeros(x.size - count)
    for number in range(header[Header.BLOCKS]):
        k = table[number, Block.COLUMNS]
        write_effects(table[number], values, x, b[table[number, Block.FIRST_Z] - count :])
        if table[number, Block.CORRELATED]:
            lower = cholesky(table[number], values)
            for i in range(k):
                for j in range(i):
                    out[at] = 0.0
                    for c in range(j + 1):
                        out[at] += lower[i, c] * lower[j, c]
                    at += 1
    for j in range(header[Header.PARAMETERS]):
        out[at + j] = values[header[Header.FIRST_PARAMETER] + j]
    at += header[Header.PARAMETERS]
    for i in range(b.size):
        out[at + i] = b[i]
    return 0
