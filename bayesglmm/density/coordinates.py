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
    "effect_root",
    "effects_back",
    "floats",
    "pull_back",
    "words",
    "write_effects",
    "write_values",
]


_SUMS = {"reassoc", "contract", "nsz"}
"""What vector instructions need: sums in any order."""


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
def effect_root(block, values, lower):
    """Return M = diag(sd) L (k, k), with b = M z."""
    k = block[Block.COLUMNS]
    root = np.zeros((k, k))
    for i in range(k):
        for j in range(i + 1):
            root[i, j] = values[block[Block.FIRST_SD] + i] * lower[i, j]
    return root


@njit(error_model="numpy", fastmath=_SUMS)
def write_effects(block, values, x, b, z):
    """Write the random effects b of a block and their standard normals z = M⁻¹ b, both level by level.

    A coordinate that is not centred is z itself; of one that is, b = F x up to its column.
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    root = effect_root(block, values, cholesky(block, values))
    centred, scale = words(block[Block.CENTRED], m), floats(block[Block.SCALE], k * k)
    given, held = np.empty(m), np.empty(m)
    for i in range(k):
        for level in range(m):
            given[level] = scale[i * k + i] * x[level * k + i]
            held[level] = 0.0
        for j in range(i):
            own, other = scale[i * k + j], root[i, j]
            for level in range(m):
                given[level] += own * x[level * k + j]
                held[level] += other * z[level * k + j]
        diagonal = root[i, i]
        inverse = 1.0 / diagonal
        for level in range(m):
            is_centred = centred[level] > i
            coordinate = x[level * k + i]
            b[level * k + i] = given[level] if is_centred else held[level] + diagonal * coordinate
            z[level * k + i] = (given[level] - held[level]) * inverse if is_centred else coordinate


@njit(error_model="numpy", fastmath=_SUMS)
def effects_back(block, values, z, d_b, grad, slopes):
    """Return the log prior of a block's coordinates; write their gradient, and add to that of sds and partials.

    The log prior is −|z|²/2, less log M_ii for every centred coordinate of column i: it has the density of b.
    `d_b` holds the derivatives of the log likelihood with respect to b, and is overwritten.
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    lower = cholesky(block, values)
    root = effect_root(block, values, lower)
    centred, scale = words(block[Block.CENTRED], m), floats(block[Block.SCALE], k * k)
    d_root, d_z, weight = np.zeros((k, k)), np.zeros(m * k), np.empty(m)
    total = 0.0
    for i in range(k - 1, -1, -1):
        diagonal = root[i, i]
        inverse, count, own = 1.0 / diagonal, 0.0, 0.0
        for level in range(m):
            at = level * k + i
            is_centred = centred[level] > i
            slope = d_z[at] - z[at]
            through = slope * inverse
            total -= 0.5 * z[at] * z[at]
            count += 1.0 if is_centred else 0.0
            weight[level] = -through if is_centred else d_b[at]
            own += weight[level] * z[at]
            grad[at] = 0.0 if is_centred else slope + diagonal * d_b[at]
            d_b[at] += through if is_centred else 0.0
        total -= count * math.log(diagonal)
        d_root[i, i] += own - count * inverse
        for j in range(i):
            other, shared = root[i, j], 0.0
            for level in range(m):
                shared += weight[level] * z[level * k + j]
                d_z[level * k + j] += weight[level] * other
            d_root[i, j] += shared
    for i in range(k):
        for j in range(i + 1):
            factor = scale[i * k + j]
            for level in range(m):
                grad[level * k + j] += factor * d_b[level * k + i] if centred[level] > i else 0.0
    for i in range(k):
        for j in range(i + 1):
            slopes[block[Block.FIRST_SD] + i] += d_root[i, j] * lower[i, j]
            d_root[i, j] *= values[block[Block.FIRST_SD] + i]
    if block[Block.CORRELATED]:
        _factor_back(block, values, lower, d_root, slopes)
    return total


@njit(error_model="numpy", fastmath=_SUMS)
def colour(header, w, x):
    """Write the coordinates x of a whitened point w: x − middle is an arrow-shaped linear map of w."""
    c, m, k = header[Header.CORE], header[Header.LEAVES], header[Header.LEAF_COLUMNS]
    core_root, strips = floats(header[Header.CORE_ROOT], c * c), floats(header[Header.STRIPS], c * m * k)
    roots, middle = floats(header[Header.LEAF_ROOTS], k * k * m), floats(header[Header.MIDDLE], w.size)
    places = words(header[Header.PLACES], w.size)
    moved = w.copy()
    for i in range(c):
        total = 0.0
        for j in range(i, c):
            total += core_root[i * c + j] * w[j]
        moved[i] = total
    leaves = moved[c:]
    for i in range(c):
        along, strip = moved[i], strips[i * m * k : (i + 1) * m * k]
        for j in range(m * k):
            leaves[j] -= strip[j] * along
    for i in range(k):
        root = roots[(i * k + i) * m : (i * k + i + 1) * m]
        for leaf in range(m):
            leaves[leaf * k + i] *= root[leaf]
        for j in range(i + 1, k):
            root = roots[(i * k + j) * m : (i * k + j + 1) * m]
            for leaf in range(m):
                leaves[leaf * k + i] += root[leaf] * leaves[leaf * k + j]
    for i in range(w.size):
        x[places[i]] = middle[places[i]] + moved[i]


@njit(error_model="numpy", fastmath=_SUMS)
def pull_back(header, grad):
    """Turn a gradient with respect to x into one with respect to w, in place: the transpose of `colour`."""
    c, m, k = header[Header.CORE], header[Header.LEAVES], header[Header.LEAF_COLUMNS]
    core_root, strips = floats(header[Header.CORE_ROOT], c * c), floats(header[Header.STRIPS], c * m * k)
    roots, places = floats(header[Header.LEAF_ROOTS], k * k * m), words(header[Header.PLACES], grad.size)
    moved = np.empty(grad.size)
    for i in range(grad.size):
        moved[i] = grad[places[i]]
    leaves = moved[c:]
    for j in range(k - 1, -1, -1):
        root = roots[(j * k + j) * m : (j * k + j + 1) * m]
        for leaf in range(m):
            leaves[leaf * k + j] *= root[leaf]
        for i in range(j):
            root = roots[(i * k + j) * m : (i * k + j + 1) * m]
            for leaf in range(m):
                leaves[leaf * k + j] += root[leaf] * leaves[leaf * k + i]
    for i in range(c):
        strip, total = strips[i * m * k : (i + 1) * m * k], 0.0
        for j in range(m * k):
            total += strip[j] * leaves[j]
        moved[i] -= total
    for j in range(c):
        total = 0.0
        for i in range(j + 1):
            total += core_root[i * c + j] * moved[i]
        grad[j] = total
    for j in range(c, grad.size):
        grad[j] = moved[j]
