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

from bayesglmm.compiled.abi import (
    EXPAND,
    LOGP,
    allocate,
    call_family,
    call_link,
    call_prior,
    doubles,
    further,
    indices,
    integers,
    release,
)
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.pieces import piece, summing
from bayesglmm.compiled.workspace import CHUNK, Work
from bayesglmm.logdensity.coordinates import CONDITIONED, SIGNED, block_of, constrain, write_values
from bayesglmm.logdensity.joint_kernels import joint_back, write_joint
from bayesglmm.logdensity.layout import Block, Header
from bayesglmm.logdensity.random_effect_kernels import effects_back, write_effects
from bayesglmm.logdensity.whitening_kernels import colour, pull_back

__all__ = ["expand", "information", "log_density"]


_OF_ETA = 1e-10
"""How far apart slopes by η are taken for their difference, of η: or rounding would be seen."""

_WIDE, _CLOSER, _TRIES = 1e-3, 0.03, 6
"""A row whose information is thought to be more than this by the square of that distance is looked at from closer."""

_ETA, _D_ETA = CHUNK * Work.ETA, CHUNK * Work.D_ETA


@summing
def _zero(out, n):
    for i in range(n):
        out[i] = 0.0


@piece
def _size(n, start):
    """Return how many of n rows the chunk from `start` has."""
    return CHUNK if n - start > CHUNK else n - start


@summing
def _add_columns(eta, matrix, weights, start, count, n, columns):
    for j in range(columns):
        weight, column = weights[j], further(matrix, j * n + start)
        for i in range(count):
            eta[i] += column[i] * weight


@summing
def _sum_columns(d_eta, matrix, slopes, start, count, n, columns):
    for j in range(columns):
        column, total = further(matrix, j * n + start), 0.0
        for i in range(count):
            total += column[i] * d_eta[i]
        slopes[j] += total


@summing
def _add_effects(eta, block, b, start, count, n):
    k, index = block[Block.COLUMNS], further(indices(block[Block.INDEX]), start)
    if block[Block.INTERCEPT_ONLY]:
        for i in range(count):
            eta[i] += b[index[i]]
        return
    for j in range(k):
        column = further(doubles(block[Block.Z]), j * n + start)
        for i in range(count):
            eta[i] += b[index[i] * k + j] * column[i]


@summing
def _sum_effects(d_eta, block, d_b, start, count, n):
    k, index = block[Block.COLUMNS], further(indices(block[Block.INDEX]), start)
    if block[Block.INTERCEPT_ONLY]:
        for i in range(count):
            d_b[index[i]] += d_eta[i]
        return
    for j in range(k):
        column = further(doubles(block[Block.Z]), j * n + start)
        for i in range(count):
            d_b[index[i] * k + j] += d_eta[i] * column[i]


@summing
def _linear_predictor(header, values, b, eta, start, count):
    """Write η of `count` rows from `start`."""
    n, p, first = header[Header.ROWS], header[Header.SLOPES], header[Header.INTERCEPT]
    offset = further(doubles(header[Header.OFFSET]), start * header[Header.OFFSET_VARIES])
    base = values[0] if first else 0.0
    for i in range(count):
        eta[i] = offset[i] + base
    _add_columns(eta, doubles(header[Header.X]), further(values, first), start, count, n, p)
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        _add_effects(eta, block, further(b, block[Block.FIRST_Z] - header[Header.GLOBALS]), start, count, n)


@piece
def _rows(header, work, values, d_parameters, start, count):
    """Return the log likelihood of rows whose η is in the workspace, and write there its derivatives by η."""
    call_link(header[Header.LINK], count, work)
    return call_family(
        header[Header.FAMILY],
        count,
        header[Header.Y] + 8 * start,
        header[Header.TRIALS] + 8 * start * header[Header.TRIALS_VARY],
        work,
        further(values, header[Header.FIRST_PARAMETER]),
        d_parameters,
    )


@summing
def _sum_rows(header, d_eta, d_b, slopes, start, count):
    """Add what rows with derivatives `d_eta` by η give to those by coefficients and effects."""
    n, p, first = header[Header.ROWS], header[Header.SLOPES], header[Header.INTERCEPT]
    if first:
        total = 0.0
        for i in range(count):
            total += d_eta[i]
        slopes[0] += total
    _sum_columns(d_eta, doubles(header[Header.X]), further(slopes, first), start, count, n, p)
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        _sum_effects(d_eta, block, further(d_b, block[Block.FIRST_Z] - header[Header.GLOBALS]), start, count, n)


@piece
def _likelihood(header, space, values, b, d_b, slopes):
    """Return the log likelihood; add its derivatives with respect to globals (`slopes`) and effects (`d_b`)."""
    work, d_parameters = further(space, header[Header.AT_WORK]), further(space, header[Header.AT_D_PARAMETERS])
    _zero(d_parameters, header[Header.PARAMETERS])
    total = 0.0
    for start in range(0, header[Header.ROWS], CHUNK):
        count = _size(header[Header.ROWS], start)
        _linear_predictor(header, values, b, further(work, _ETA), start, count)
        total += _rows(header, work, values, d_parameters, start, count)
        _sum_rows(header, further(work, _D_ETA), d_b, slopes, start, count)
    for j in range(header[Header.PARAMETERS]):
        slopes[header[Header.FIRST_PARAMETER] + j] += d_parameters[j]
    return total


@piece
def _priors(header, x, values, slopes, slope, grad):
    """Return the log prior of the globals with their Jacobians, and write their gradient from `slopes`."""
    numbers = doubles(header[Header.PRIOR_NUMBERS])
    transforms, calls = integers(header[Header.TRANSFORMS]), integers(header[Header.PRIOR_CALLS])
    total = 0.0
    for i in range(header[Header.GLOBALS]):
        if transforms[i] == CONDITIONED:
            continue
        _, d_value, jacobian, d_jacobian = constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])
        value = abs(values[i]) if transforms[i] == SIGNED else values[i]
        total += jacobian + call_prior(calls[i], value, numbers[5 * i], numbers[5 * i + 1], numbers[5 * i + 2], slope)
        d_prior = -slope[0] if value != values[i] else slope[0]
        grad[i] = (slopes[i] + d_prior) * d_value + d_jacobian
    return total


@piece
def _coefficient_priors(header, values, slopes, slope):
    """Return the log prior of the coefficients conditioned with the effects; add its derivatives to `slopes`."""
    numbers = doubles(header[Header.PRIOR_NUMBERS])
    transforms, calls = integers(header[Header.TRANSFORMS]), integers(header[Header.PRIOR_CALLS])
    total = 0.0
    for i in range(header[Header.GLOBALS]):
        if transforms[i] == CONDITIONED:
            total += call_prior(calls[i], values[i], numbers[5 * i], numbers[5 * i + 1], numbers[5 * i + 2], slope)
            slopes[i] += slope[0]
    return total


@piece
def _write_all_effects(header, space, x, values, b):
    """Write the random effects of every block, and the coefficients that are conditioned with them."""
    if header[Header.JOINT]:
        write_joint(header, space, x, values, b)
        return
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        at = block[Block.FIRST_Z]
        write_effects(block, space, values, further(x, at), further(b, at - header[Header.GLOBALS]))


@compiled(LOGP)
def log_density(dim, point, gradient, value, header):
    """Nutpie's log density: write the value and the gradient; 1 where they are not finite."""
    size, x, count = np.int64(dim), point, header[Header.GLOBALS]
    space = allocate(header[Header.ALLOCATE], header[Header.SPACE])
    moved = further(space, header[Header.AT_MOVED])
    if header[Header.WHITENED]:
        x = further(space, header[Header.AT_POINT])
        colour(header, size, point, x, moved)
    values, slopes = further(space, header[Header.AT_VALUES]), further(space, header[Header.AT_SLOPES])
    b, d_b = further(space, header[Header.AT_EFFECTS]), further(space, header[Header.AT_D_EFFECTS])
    write_values(header, x, values)
    _zero(slopes, count)
    _zero(d_b, size - count)
    _write_all_effects(header, space, x, values, b)
    total = 0.0
    if header[Header.LIKELIHOOD]:
        total += _likelihood(header, space, values, b, d_b, slopes)
    if header[Header.JOINT]:
        total += _coefficient_priors(header, values, slopes, further(space, header[Header.AT_WORK]))
        total += joint_back(header, space, values, d_b, gradient, slopes)
    else:
        for number in range(header[Header.BLOCKS]):
            block = block_of(header, number)
            at = block[Block.FIRST_Z]
            total += effects_back(block, space, values, further(d_b, at - count), further(gradient, at), slopes)
    total += _priors(header, x, values, slopes, further(space, header[Header.AT_WORK]), gradient)
    if header[Header.WHITENED]:
        pull_back(header, size, gradient, moved)
    release(header[Header.RELEASE], space)
    value[0] = total
    fine = math.isfinite(total)
    for i in range(size):
        fine = fine and math.isfinite(gradient[i])
    return 0 if fine else 1


@compiled(EXPAND)
def expand(dim, length, point, out, header):
    """Nutpie's expansion: β, sds, correlations, family parameters and b, in the order of `variable_names`."""
    size, x = np.int64(dim), point
    space = allocate(header[Header.ALLOCATE], header[Header.SPACE])
    if header[Header.WHITENED]:
        x = further(space, header[Header.AT_POINT])
        colour(header, size, point, x, further(space, header[Header.AT_MOVED]))
    count, p, first = header[Header.GLOBALS], header[Header.SLOPES], header[Header.INTERCEPT]
    values, b = further(space, header[Header.AT_VALUES]), further(space, header[Header.AT_EFFECTS])
    write_values(header, x, values)
    _write_all_effects(header, space, x, values, b)
    centre, at = doubles(header[Header.CENTRE]), first + p
    for j in range(first + p):
        out[j] = values[j]
    if first:
        for j in range(p):
            out[0] -= centre[j] * values[1 + j]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        for j in range(block[Block.COLUMNS]):
            out[at + j] = abs(values[block[Block.FIRST_SD] + j])
        at += block[Block.COLUMNS]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        k = block[Block.COLUMNS]
        if block[Block.CORRELATED]:
            lower = further(space, block[Block.AT_LOWER])
            sds = further(values, block[Block.FIRST_SD])
            for i in range(k):
                for j in range(i):
                    total = 0.0
                    for c in range(j + 1):
                        total += lower[i * k + c] * lower[j * k + c]
                    out[at] = -total if (sds[i] < 0.0) != (sds[j] < 0.0) else total
                    at += 1
    for j in range(header[Header.PARAMETERS]):
        out[at + j] = values[header[Header.FIRST_PARAMETER] + j]
    at += header[Header.PARAMETERS]
    for i in range(size - count):
        out[at + i] = b[i]
    release(header[Header.RELEASE], space)
    return 0


@compiled(EXPAND)
def information(dim, length, x, written, header):
    """Write minus the rows' second derivatives of the log likelihood by η, then M of every block."""
    space = allocate(header[Header.ALLOCATE], header[Header.SPACE])
    count, n = header[Header.GLOBALS], header[Header.ROWS]
    values, b = further(space, header[Header.AT_VALUES]), further(space, header[Header.AT_EFFECTS])
    work, d_parameters = further(space, header[Header.AT_WORK]), further(space, header[Header.AT_D_PARAMETERS])
    eta, moved, slope = further(space, header[Header.AT_ETA]), further(work, _ETA), further(work, _D_ETA)
    write_values(header, x, values)
    at = n
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        place, root = block[Block.FIRST_Z], further(space, block[Block.AT_ROOT])
        write_effects(block, space, values, further(x, place), further(b, place - count))
        for i in range(block[Block.COLUMNS] * block[Block.COLUMNS]):
            written[at + i] = root[i]
        at += block[Block.COLUMNS] * block[Block.COLUMNS]
    for start in range(0, n, CHUNK):
        size = _size(n, start)
        _linear_predictor(header, values, b, eta, start, size)
        apart = doubles(header[Header.APART])[0]
        for _ in range(_TRIES):
            for i in range(size):
                written[start + i] = 0.0
            for side in range(2):
                sign = 1.0 - 2.0 * side
                for i in range(size):
                    moved[i] = eta[i] - sign * (_OF_ETA * abs(eta[i]) + apart)
                _zero(d_parameters, header[Header.PARAMETERS])
                _rows(header, work, values, d_parameters, start, size)
                for i in range(size):
                    written[start + i] += sign * slope[i] / (2.0 * (_OF_ETA * abs(eta[i]) + apart))
            widest = 0.0
            for i in range(size):
                widest = max(widest, abs(written[start + i]))
            if not widest * apart * apart > _WIDE:
                break
            apart *= _CLOSER
    release(header[Header.RELEASE], space)
    return 0
