"""From coordinates to the values and effects they stand for, and back for gradients."""

import math

import numpy as np
from numba import carray, njit, types

from bayesglmm.density.abi import pointer
from bayesglmm.density.layout import Block, Header

__all__ = [
    "cholesky",
    "colour",
    "constrain",
    "effects_back",
    "floats",
    "pull_back",
    "words",
    "write_effects",
    "write_values",
]


@njit(inline="always", error_model="numpy")
def floats(address, n):
    """View n doubles at an address."""
    return carray(pointer(address), (n,), types.float64)


@njit(inline="always", error_model="numpy")
def words(address, n):
    """View n integers at an address."""
    return carray(pointer(address), (n,), types.int64)


@njit(error_model="numpy")
def constrain(x, lower, upper, kind):
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
def write_values(header, x, values):
    """Write the values of the globals."""
    count = header[Header.GLOBALS]
    numbers = floats(header[Header.PRIOR_NUMBERS], 5 * count)
    transforms = words(header[Header.TRANSFORMS], count)
    for i in range(count):
        values[i] = constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])[0]


@njit(error_model="numpy")
def cholesky(block, values):
    """Return the Cholesky factor of Ω (k, k), from partial correlations u in (0, 1), r = 2u − 1, if correlated."""
    k = block[Block.COLUMNS]
    at = block[Block.FIRST_PARTIAL]
    lower = np.eye(k)
    if not block[Block.CORRELATED]:
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
    k = block[Block.COLUMNS]
    at = block[Block.FIRST_PARTIAL]
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
def write_effects(block, values, x, b):
    """Write the random effects of a block, level by level: b = diag(sd) L z, or of a centred level b = F u."""
    k, m, first = block[Block.COLUMNS], block[Block.LEVELS], block[Block.FIRST_Z]
    lower = cholesky(block, values)
    centred, scale = words(block[Block.CENTRED], m), floats(block[Block.SCALE], k * k)
    for level in range(m):
        at = level * k
        for i in range(k):
            total = 0.0
            for j in range(i + 1):
                total += (scale[i * k + j] if centred[level] else lower[i, j]) * x[first + at + j]
            b[at + i] = total if centred[level] else values[block[Block.FIRST_SD] + i] * total


@njit(error_model="numpy")
def effects_back(block, values, x, b, d_b, grad, slopes):
    """Return the log prior of a block's coordinates; write their gradient, and add to that of sds and partials.

    A centred level's coordinates u have the prior of b = F u, that is N(0, G): with r = b / sd and
    L z = r its log is −|z|²/2 − Σ log(sd_i L_ii), up to a constant.
    """
    k, m, first = block[Block.COLUMNS], block[Block.LEVELS], block[Block.FIRST_Z]
    lower = cholesky(block, values)
    centred, scale = words(block[Block.CENTRED], m), floats(block[Block.SCALE], k * k)
    d_lower, z, v = np.zeros((k, k)), np.zeros(k), np.zeros(k)
    total = 0.0
    for level in range(m):
        at = level * k
        if centred[level]:
            total += _centred_prior(block, values, lower, b[at : at + k], z, v, d_lower, slopes)
            for j in range(k):
                grad[first + at + j] = 0.0
                for i in range(j, k):
                    grad[first + at + j] += scale[i * k + j] * (d_b[at + i] - v[i])
            continue
        for i in range(k):
            grad[first + at + i] = -x[first + at + i]
            total -= 0.5 * x[first + at + i] * x[first + at + i]
        for i in range(k):
            sd, d = values[block[Block.FIRST_SD] + i], d_b[at + i]
            standard = 0.0
            for j in range(i + 1):
                standard += lower[i, j] * x[first + at + j]
                d_lower[i, j] += d * sd * x[first + at + j]
                grad[first + at + j] += d * sd * lower[i, j]
            slopes[block[Block.FIRST_SD] + i] += d * standard
    if block[Block.CORRELATED]:
        _factor_back(block, values, lower, d_lower, slopes)
    return total


@njit(error_model="numpy")
def _centred_prior(block, values, lower, b, z, v, d_lower, slopes):
    """Return the log prior of one b; write v = ∂(|z|²/2)/∂b, and add to the derivatives of L and sd."""
    k, at = block[Block.COLUMNS], block[Block.FIRST_SD]
    total = 0.0
    for i in range(k):  # L z = b / sd
        z[i] = b[i] / values[at + i]
        for j in range(i):
            z[i] -= lower[i, j] * z[j]
        z[i] /= lower[i, i]
        total -= 0.5 * z[i] * z[i] + math.log(values[at + i] * lower[i, i])
    for i in range(k - 1, -1, -1):  # Lᵀ v = z
        v[i] = z[i]
        for j in range(i + 1, k):
            v[i] -= lower[j, i] * v[j]
        v[i] /= lower[i, i]
    for i in range(k):
        for j in range(i + 1):
            d_lower[i, j] += v[i] * z[j]
        d_lower[i, i] -= 1.0 / lower[i, i]
        slopes[at + i] += (v[i] * b[i] / values[at + i] - 1.0) / values[at + i]
        v[i] /= values[at + i]
    return total


@njit(error_model="numpy")
def colour(header, table, w, x):
    """Write the coordinates x of a whitened point w: x − x̂ is an arrow-shaped linear map of w."""
    count = header[Header.GLOBALS]
    point, root = floats(header[Header.CENTRE_POINT], w.size), floats(header[Header.GLOBAL_ROOT], count * count)
    for i in range(count):
        x[i] = 0.0
        for j in range(i, count):
            x[i] += root[i * count + j] * w[j]
    for number in range(header[Header.BLOCKS]):
        block = table[number]
        k, m, first = block[Block.COLUMNS], block[Block.LEVELS], block[Block.FIRST_Z]
        roots, strips = floats(block[Block.ROOTS], m * k * k), floats(block[Block.STRIPS], m * k * count)
        rest = np.empty(k)
        for level in range(m):
            for i in range(k):
                rest[i] = w[first + level * k + i]
                for j in range(count):
                    rest[i] -= strips[(level * k + i) * count + j] * x[j]
            for i in range(k):
                total = 0.0
                for j in range(i, k):
                    total += roots[(level * k + i) * k + j] * rest[j]
                x[first + level * k + i] = total
    for i in range(w.size):
        x[i] += point[i]


@njit(error_model="numpy")
def pull_back(header, table, grad):
    """Turn a gradient with respect to x into one with respect to w, in place: the transpose of `colour`."""
    count = header[Header.GLOBALS]
    root = floats(header[Header.GLOBAL_ROOT], count * count)
    for number in range(header[Header.BLOCKS]):
        block = table[number]
        k, m, first = block[Block.COLUMNS], block[Block.LEVELS], block[Block.FIRST_Z]
        roots, strips = floats(block[Block.ROOTS], m * k * k), floats(block[Block.STRIPS], m * k * count)
        for level in range(m):
            at = first + level * k
            for j in range(k - 1, -1, -1):
                total = 0.0
                for i in range(j + 1):
                    total += roots[(level * k + i) * k + j] * grad[at + i]
                grad[at + j] = total
            for i in range(k):
                for j in range(count):
                    grad[j] -= strips[(level * k + i) * count + j] * grad[at + i]
    for j in range(count - 1, -1, -1):
        total = 0.0
        for i in range(j + 1):
            total += root[i * count + j] * grad[i]
        grad[j] = total
