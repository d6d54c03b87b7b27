"""The log density and its gradient in one pass: written once for any number of blocks, rows and parameters.

A point is the vector of unconstrained coordinates: the globals (centred intercept, slopes, per block its
sds and partial correlations, family parameters), then the effects' of every block, level by level. The order and
the transforms are those of the PyMC graph, and so are the effects' coordinates without pseudo-data: standard normal
z. With pseudo-data they are those of `write_effects`. With a whitening, the point is w instead, an arrow-shaped
linear map away.

Everything a model brings (data, sizes, prior constants, which link, family and priors) comes through the
header, an array of addresses; so one compilation serves every model, and numba keeps it on disk.
"""

import math

import numpy as np
from numba import carray, types

from bayesglmm.compiled.abi import EXPAND, LOGP, call_family, call_link, call_prior, floats, pointer, words
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.pieces import piece, summing
from bayesglmm.compiled.workspace import CHUNK, WORK, Work
from bayesglmm.density.coordinates import (
    cholesky,
    colour,
    constrain,
    effect_root,
    effects_back,
    pull_back,
    write_effects,
    write_values,
)
from bayesglmm.density.layout import BLOCK_SIZE, HEADER_SIZE, Block, Header

__all__ = ["expand", "information", "log_density"]


_APART, _LEAST_APART = 1e-4, 1e-6
"""How far apart slopes by η are taken for their difference: of η, and at the least."""


@summing
def _add_columns(eta, matrix, weights, start, count, n, columns):
    for j in range(columns):
        weight, column = weights[j], matrix[j * n + start : j * n + start + count]
        for i in range(count):
            eta[i] += column[i] * weight


@summing
def _sum_columns(d_eta, matrix, slopes, start, count, n, columns):
    for j in range(columns):
        column, total = matrix[j * n + start : j * n + start + count], 0.0
        for i in range(count):
            total += column[i] * d_eta[i]
        slopes[j] += total


@summing
def _add_effects(eta, block, b, start, count, n):
    k = block[Block.COLUMNS]
    index = words(block[Block.INDEX], n)[start : start + count]
    if block[Block.INTERCEPT_ONLY]:
        for i in range(count):
            eta[i] += b[np.uint64(index[i])]
        return
    z = floats(block[Block.Z], n * k)
    for j in range(k):
        column = z[j * n + start : j * n + start + count]
        for i in range(count):
            eta[i] += b[np.uint64(index[i] * k + j)] * column[i]


@summing
def _sum_effects(d_eta, block, d_b, start, count, n):
    k = block[Block.COLUMNS]
    index = words(block[Block.INDEX], n)[start : start + count]
    if block[Block.INTERCEPT_ONLY]:
        for i in range(count):
            d_b[np.uint64(index[i])] += d_eta[i]
        return
    z = floats(block[Block.Z], n * k)
    for j in range(k):
        column = z[j * n + start : j * n + start + count]
        for i in range(count):
            d_b[np.uint64(index[i] * k + j)] += d_eta[i] * column[i]


@summing
def _linear_predictor(header, table, values, b, eta, start, count):
    """Write η of `count` rows from `start`."""
    n, p, first = header[Header.ROWS], header[Header.SLOPES], header[Header.INTERCEPT]
    offset = floats(header[Header.OFFSET], n)[start : start + count]
    base = values[0] if first else 0.0
    for i in range(count):
        eta[i] = offset[i] + base
    _add_columns(eta, floats(header[Header.X], n * p), values[first:], start, count, n, p)
    for number in range(header[Header.BLOCKS]):
        at = table[number, Block.FIRST_Z] - header[Header.GLOBALS]
        _add_effects(eta, table[number], b[at:], start, count, n)


@piece
def _rows(header, work, values, d_parameters, start, count):
    """Return the log likelihood of rows whose η is in the workspace, and write there its derivatives by η."""
    address = work.ctypes.data
    call_link(header[Header.LINK], count, address)
    parameters = values[header[Header.FIRST_PARAMETER] :]
    return call_family(
        header[Header.FAMILY], count, header[Header.Y] + 8 * start, header[Header.TRIALS] + 8 * start, address,
        parameters.ctypes.data, d_parameters.ctypes.data,
    )  # fmt: skip


@summing
def _sum_rows(header, table, d_eta, d_b, slopes, start, count):
    """Add what rows with derivatives `d_eta` by η give to those by coefficients and effects."""
    n, p, first = header[Header.ROWS], header[Header.SLOPES], header[Header.INTERCEPT]
    if first:
        total = 0.0
        for i in range(count):
            total += d_eta[i]
        slopes[0] += total
    _sum_columns(d_eta, floats(header[Header.X], n * p), slopes[first:], start, count, n, p)
    for number in range(header[Header.BLOCKS]):
        at = table[number, Block.FIRST_Z] - header[Header.GLOBALS]
        _sum_effects(d_eta, table[number], d_b[at:], start, count, n)


@piece
def _likelihood(header, table, values, b, d_b, slopes):
    """Return the log likelihood; add its derivatives with respect to globals (`slopes`) and effects (`d_b`)."""
    work = np.empty((WORK, CHUNK))
    d_parameters = np.zeros(header[Header.PARAMETERS] + 1)
    total = 0.0
    for start in range(0, header[Header.ROWS], CHUNK):
        count = min(CHUNK, header[Header.ROWS] - start)
        _linear_predictor(header, table, values, b, work[Work.ETA], start, count)
        total += _rows(header, work, values, d_parameters, start, count)
        _sum_rows(header, table, work[Work.D_ETA], d_b, slopes, start, count)
    for j in range(header[Header.PARAMETERS]):
        slopes[header[Header.FIRST_PARAMETER] + j] += d_parameters[j]
    return total


@piece
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


@piece
def _density(header, table, x, grad):
    """Return the log density at coordinates x and write its gradient."""
    count = header[Header.GLOBALS]
    values, slopes = np.zeros(count + 1), np.zeros(count + 1)
    write_values(header, x, values)
    effects = x.size - count
    b, d_b = np.empty(effects), np.zeros(effects)
    total = 0.0
    ways = []
    for number in range(header[Header.BLOCKS]):
        at = table[number, Block.FIRST_Z] - count
        ways.append(write_effects(table[number], values, x[count + at :], b[at:]))
    if header[Header.LIKELIHOOD]:
        total += _likelihood(header, table, values, b, d_b, slopes)
    for number in range(header[Header.BLOCKS]):
        at = table[number, Block.FIRST_Z] - count
        factor, shift, z = ways[number]
        total += effects_back(table[number], values, factor, shift, z, d_b[at:], grad[count + at :], slopes)
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
        colour(header, x, coordinates)
        total = _density(header, table, coordinates, grad)
        pull_back(header, grad)
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
        colour(header, w, x)
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
    b = np.empty(x.size - count)
    for number in range(header[Header.BLOCKS]):
        k, first = table[number, Block.COLUMNS], table[number, Block.FIRST_Z]
        write_effects(table[number], values, x[first:], b[first - count :])
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


@compiled(EXPAND)
def information(dim, length, point, out, user_data):
    """Write minus the rows' second derivatives of the log likelihood by η, then M of every block."""
    header = carray(user_data, (HEADER_SIZE,), types.int64)
    x = carray(point, (dim,), types.float64)
    written = carray(out, (length,), types.float64)
    table = carray(pointer(header[Header.BLOCK_TABLE]), (header[Header.BLOCKS], BLOCK_SIZE), types.int64)
    count, n = header[Header.GLOBALS], header[Header.ROWS]
    values = np.zeros(count + 1)
    write_values(header, x, values)
    b = np.empty(x.size - count)
    at = n
    for number in range(header[Header.BLOCKS]):
        k, first = table[number, Block.COLUMNS], table[number, Block.FIRST_Z]
        write_effects(table[number], values, x[first:], b[first - count :])
        root = effect_root(table[number], values, cholesky(table[number], values))
        for i in range(k):
            for j in range(k):
                written[at] = root[i, j]
                at += 1
    work, eta = np.empty((WORK, CHUNK)), np.empty(CHUNK)
    d_parameters = np.zeros(header[Header.PARAMETERS] + 1)
    for start in range(0, n, CHUNK):
        size = min(CHUNK, n - start)
        _linear_predictor(header, table, values, b, eta, start, size)
        for i in range(size):
            work[Work.ETA, i] = eta[i] - (_APART * abs(eta[i]) + _LEAST_APART)
        _rows(header, work, values, d_parameters, start, size)
        for i in range(size):
            written[start + i] = work[Work.D_ETA, i]
            work[Work.ETA, i] = eta[i] + (_APART * abs(eta[i]) + _LEAST_APART)
        _rows(header, work, values, d_parameters, start, size)
        for i in range(size):
            apart = _APART * abs(eta[i]) + _LEAST_APART
            written[start + i] = (written[start + i] - work[Work.D_ETA, i]) / (2.0 * apart)
    return 0
