"""From coordinates to the values and effects they stand for, and back for gradients."""

import math

import numpy as np

from bayesglmm.compiled.abi import floats, words
from bayesglmm.compiled.functions import log
from bayesglmm.compiled.pieces import piece, summing
from bayesglmm.density.layout import Block, Header

__all__ = [
    "cholesky",
    "colour",
    "constrain",
    "effect_root",
    "effects_back",
    "pull_back",
    "write_effects",
    "write_values",
]


@piece
def constrain(x, lower, upper, kind):
    """Return the value of a coordinate, its derivative, the log Jacobian and its derivative."""
    if kind == 0:
        return x, 1.0, 0.0, 0.0
    if kind == 1:
        value = math.exp(x)
        return lower + value, value, x, 1.0
    width = upper - lower
    p = 1.0 / (1.0 + math.exp(-x)) if x > 0.0 else math.exp(x) / (1.0 + math.exp(x))
    q = 1.0 / (1.0 + math.exp(x)) if x < 0.0 else math.exp(-x) / (1.0 + math.exp(-x))
    jacobian = math.log(width) - abs(x) - 2.0 * math.log1p(math.exp(-abs(x)))
    return lower + width * p, width * p * q, jacobian, q - p


@piece
def write_values(header, x, values):
    """Write the values of the globals."""
    count = header[Header.GLOBALS]
    numbers = floats(header[Header.PRIOR_NUMBERS], 5 * count)
    transforms = words(header[Header.TRANSFORMS], count)
    for i in range(count):
        values[i] = constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])[0]


@piece
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


@piece
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


@piece
def effect_root(block, values, lower):
    """Return M = diag(sd) L (k, k), with b = M z."""
    k = block[Block.COLUMNS]
    root = np.zeros((k, k))
    for i in range(k):
        for j in range(i + 1):
            root[i, j] = values[block[Block.FIRST_SD] + i] * lower[i, j]
    return root


@summing
def write_effects(block, values, u, b):
    """Write the random effects b of a block, level by level, from coordinates u; return what the way back needs.

    Given the globals, the rows of a level say of its b about what one normal observation would: a log likelihood
    hᵀb − bᵀAb/2, A and h as at the mode. Under it z = M⁻¹ b, the standard normals, have the precision
    I + MᵀAM = CᵀC and the mean (CᵀC)⁻¹ Mᵀh, so that u = Cz − C⁻ᵀMᵀh are about standard normal whatever M is. With
    A = 0 and h = 0, u is z itself (non-centred); where A is large, b hardly depends on M (centred). C is lower
    triangular, and MC⁻¹ with it: of all roots of the covariance of b one that does not turn with M.

    Returns
    -------
    factor, shift, z
        C (k, k, m), C⁻ᵀMᵀh (k, m) and z (k, m).
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    root = effect_root(block, values, cholesky(block, values))
    factor, shift, z = _conditioned(block, root), np.zeros((k, m)), np.empty((k, m))
    h = floats(block[Block.PULL], k * m)
    for i in range(k - 1, -1, -1):
        for p in range(i, k):
            along, own = root[p, i], h[p * m : (p + 1) * m]
            for level in range(m):
                shift[i, level] += along * own[level]
        for j in range(i + 1, k):
            for level in range(m):
                shift[i, level] -= factor[j, i, level] * shift[j, level]
        for level in range(m):
            shift[i, level] /= factor[i, i, level]
    for i in range(k):
        for level in range(m):
            z[i, level] = u[level * k + i] + shift[i, level]
        for j in range(i):
            for level in range(m):
                z[i, level] -= factor[i, j, level] * z[j, level]
        for level in range(m):
            z[i, level] /= factor[i, i, level]
    for i in range(k):
        for level in range(m):
            b[level * k + i] = root[i, i] * z[i, level]
        for j in range(i):
            for level in range(m):
                b[level * k + i] += root[i, j] * z[j, level]
    return factor, shift, z


@summing
def _conditioned(block, root):
    """Return the lower triangular factors C, I + MᵀAM = CᵀC, of every level, (k, k, m)."""
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    information = floats(block[Block.KNOWN], k * k * m)
    factor = np.zeros((k, k, m))
    for i in range(k - 1, -1, -1):
        factor[i, i, :] = 1.0
        for j in range(i, -1, -1):
            for p in range(i, k):
                for q in range(j, k):
                    along, own = root[p, i] * root[q, j], information[(p * k + q) * m : (p * k + q + 1) * m]
                    for level in range(m):
                        factor[i, j, level] += along * own[level]
            for after in range(i + 1, k):
                for level in range(m):
                    factor[i, j, level] -= factor[after, i, level] * factor[after, j, level]
            if i == j:
                for level in range(m):
                    factor[i, i, level] = math.sqrt(factor[i, i, level])
            else:
                for level in range(m):
                    factor[i, j, level] /= factor[i, i, level]
    return factor


@summing
def effects_back(block, values, factor, shift, z, d_b, grad, slopes):
    """Return the log prior of a block's coordinates; write their gradient, and add to that of sds and partials.

    The log prior is −|z|²/2 − Σ log C_ii, that of z with the Jacobian of z = C⁻¹(u + C⁻ᵀMᵀh). `d_b` holds the
    derivatives of the log likelihood with respect to b.
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    lower = cholesky(block, values)
    root = effect_root(block, values, lower)
    h = floats(block[Block.PULL], k * m)
    d_root, d_factor = np.zeros((k, k)), np.empty((k, k, m))
    d_z, d_u, d_shift = np.empty((k, m)), np.empty((k, m)), np.empty((k, m))
    total = 0.0
    for i in range(k):
        for level in range(m):
            total -= 0.5 * z[i, level] * z[i, level] + log(factor[i, i, level])
            d_z[i, level] = -z[i, level]
        for j in range(i, k):
            along, shared = root[j, i], 0.0
            for level in range(m):
                d_z[i, level] += along * d_b[level * k + j]
                shared += d_b[level * k + j] * z[i, level]
            d_root[j, i] += shared
    for i in range(k - 1, -1, -1):  # Cᵀ d_u = d_z
        for level in range(m):
            d_u[i, level] = d_z[i, level]
        for j in range(i + 1, k):
            for level in range(m):
                d_u[i, level] -= factor[j, i, level] * d_u[j, level]
        for level in range(m):
            d_u[i, level] /= factor[i, i, level]
            grad[level * k + i] = d_u[i, level]
    for i in range(k):  # C d_shift = d_u
        for level in range(m):
            d_shift[i, level] = d_u[i, level]
        for j in range(i):
            for level in range(m):
                d_shift[i, level] -= factor[i, j, level] * d_shift[j, level]
        for level in range(m):
            d_shift[i, level] /= factor[i, i, level]
    for i in range(k):
        for j in range(i + 1):
            for level in range(m):
                d_factor[i, j, level] = -d_u[i, level] * z[j, level] - shift[i, level] * d_shift[j, level]
            shared = 0.0
            for level in range(m):
                shared += h[i * m + level] * d_shift[j, level]
            d_root[i, j] += shared
        for level in range(m):
            d_factor[i, i, level] -= 1.0 / factor[i, i, level]
    _conditioned_back(block, root, factor, d_factor, d_root)
    for i in range(k):
        for j in range(i + 1):
            slopes[block[Block.FIRST_SD] + i] += d_root[i, j] * lower[i, j]
            d_root[i, j] *= values[block[Block.FIRST_SD] + i]
    if block[Block.CORRELATED]:
        _factor_back(block, values, lower, d_root, slopes)
    return total


@summing
def _conditioned_back(block, root, factor, d_factor, d_root):
    """Add to `d_root` the derivatives with respect to M of what has derivatives `d_factor`, overwritten, by C."""
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    information = floats(block[Block.KNOWN], k * k * m)
    for i in range(k):  # the steps of the factorisation, backwards
        for j in range(i):
            for level in range(m):
                d_factor[i, j, level] /= factor[i, i, level]
                d_factor[i, i, level] -= d_factor[i, j, level] * factor[i, j, level]
            for after in range(i + 1, k):
                for level in range(m):
                    d_factor[after, i, level] -= d_factor[i, j, level] * factor[after, j, level]
                    d_factor[after, j, level] -= d_factor[i, j, level] * factor[after, i, level]
        for level in range(m):
            d_factor[i, i, level] /= 2.0 * factor[i, i, level]
        for after in range(i + 1, k):
            for level in range(m):
                d_factor[after, i, level] -= 2.0 * d_factor[i, i, level] * factor[after, i, level]
    for j in range(k):
        for i in range(j, k):
            for p in range(i, k):
                for q in range(j, k):
                    own, shared = information[(p * k + q) * m : (p * k + q + 1) * m], 0.0
                    for level in range(m):
                        shared += d_factor[i, j, level] * own[level]
                    d_root[p, i] += shared * root[q, j]
                    d_root[q, j] += shared * root[p, i]


@summing
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


@summing
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
