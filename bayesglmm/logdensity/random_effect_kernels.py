"""From coordinates of random effects to the effects of every level, given pseudo-data, and back for gradients.

Given the globals, the rows of a level say of its b about what one normal observation would: a log likelihood
hᵀb − bᵀAb/2, A and h as at the mode. Under it z = M⁻¹ b, the standard normals, have the precision
I + MᵀAM = CᵀC and the mean (CᵀC)⁻¹ Mᵀh, so that u = Cz − C⁻ᵀMᵀh are about standard normal whatever M is. With
A = 0 and h = 0, u is z itself (non-centred); where A is large, b hardly depends on M (centred). C is lower
triangular, and MC⁻¹ with it: of all roots of the covariance of b one that does not turn with M.

In the workspace stand C (k, k, m) as `factor`, C⁻ᵀMᵀh (k, m) as `shift`, z (k, m) as `unit`.
"""

import math

from bayesglmm.compiled.abi import doubles, further
from bayesglmm.compiled.functions import log
from bayesglmm.compiled.pieces import summing
from bayesglmm.logdensity.coordinates import roots_back, write_roots
from bayesglmm.logdensity.layout import Block

__all__ = ["effects_back", "write_effects"]


@summing
def _fill(out, value, m):
    for level in range(m):
        out[level] = value


@summing
def _add(out, along, other, m):
    """Add `along` times another array."""
    for level in range(m):
        out[level] += along * other[level]


@summing
def _take(out, one, other, m):
    """Take off the product of two arrays."""
    for level in range(m):
        out[level] -= one[level] * other[level]


@summing
def _divide(out, by, m):
    for level in range(m):
        out[level] /= by[level]


@summing
def _dot(one, other, m):
    total = 0.0
    for level in range(m):
        total += one[level] * other[level]
    return total


@summing
def write_effects(block, space, values, u, b):
    """Write the random effects b of a block, level by level, from coordinates u, and what the way back needs."""
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    write_roots(block, space, values)
    _write_conditioned(block, space)
    root, factor = further(space, block[Block.AT_ROOT]), further(space, block[Block.AT_FACTOR])
    h = doubles(block[Block.PULL])
    for i in range(k - 1, -1, -1):  # Cᵀ shift = Mᵀh
        shift = further(space, block[Block.AT_SHIFT] + i * m)
        _fill(shift, 0.0, m)
        for p in range(i, k):
            _add(shift, root[p * k + i], further(h, p * m), m)
        for j in range(i + 1, k):
            _take(shift, further(factor, (j * k + i) * m), further(space, block[Block.AT_SHIFT] + j * m), m)
        _divide(shift, further(factor, (i * k + i) * m), m)
    for i in range(k):  # C z = u + shift
        z, shift = further(space, block[Block.AT_UNIT] + i * m), further(space, block[Block.AT_SHIFT] + i * m)
        for level in range(m):
            z[level] = u[level * k + i] + shift[level]
        for j in range(i):
            _take(z, further(factor, (i * k + j) * m), further(space, block[Block.AT_UNIT] + j * m), m)
        _divide(z, further(factor, (i * k + i) * m), m)
    for i in range(k):
        for level in range(m):
            b[level * k + i] = 0.0
        for j in range(i + 1):
            along, z = root[i * k + j], further(space, block[Block.AT_UNIT] + j * m)
            for level in range(m):
                b[level * k + i] += along * z[level]


@summing
def _write_conditioned(block, space):
    """Write the lower triangular factors C, I + MᵀAM = CᵀC, of every level, (k, k, m)."""
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    information, root = doubles(block[Block.KNOWN]), further(space, block[Block.AT_ROOT])
    whole = further(space, block[Block.AT_FACTOR])
    for i in range(k - 1, -1, -1):
        own = further(whole, (i * k + i) * m)
        for j in range(i, -1, -1):
            factor = further(whole, (i * k + j) * m)
            _fill(factor, 1.0 if i == j else 0.0, m)
            for p in range(i, k):
                for q in range(j, k):
                    _add(factor, root[p * k + i] * root[q * k + j], further(information, (p * k + q) * m), m)
            for after in range(i + 1, k):
                _take(factor, further(whole, (after * k + i) * m), further(whole, (after * k + j) * m), m)
            if i == j:
                for level in range(m):
                    own[level] = math.sqrt(own[level])
            else:
                _divide(factor, own, m)


@summing
def effects_back(block, space, values, d_b, grad, slopes):
    """Return the log prior of a block's coordinates; write their gradient, and add to that of sds and partials.

    The log prior is −|z|²/2 − Σ log C_ii, that of z with the Jacobian of z = C⁻¹(u + C⁻ᵀMᵀh). `d_b` holds the
    derivatives of the log likelihood with respect to b.
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    lower, root = further(space, block[Block.AT_LOWER]), further(space, block[Block.AT_ROOT])
    d_root, factor = further(space, block[Block.AT_D_ROOT]), further(space, block[Block.AT_FACTOR])
    h, total = doubles(block[Block.PULL]), 0.0
    for i in range(k):
        z, d_z = further(space, block[Block.AT_UNIT] + i * m), further(space, block[Block.AT_D_UNIT] + i * m)
        own = further(factor, (i * k + i) * m)
        for level in range(m):
            total -= 0.5 * z[level] * z[level] + log(own[level])
            d_z[level] = -z[level]
        for j in range(i, k):
            along, shared = root[j * k + i], 0.0
            for level in range(m):
                d_z[level] += along * d_b[level * k + j]
                shared += d_b[level * k + j] * z[level]
            d_root[j * k + i] = shared
    for i in range(k - 1, -1, -1):  # Cᵀ d_u = d_z
        d_u, d_z = further(space, block[Block.AT_D_OWN] + i * m), further(space, block[Block.AT_D_UNIT] + i * m)
        for level in range(m):
            d_u[level] = d_z[level]
        for j in range(i + 1, k):
            _take(d_u, further(factor, (j * k + i) * m), further(space, block[Block.AT_D_OWN] + j * m), m)
        _divide(d_u, further(factor, (i * k + i) * m), m)
        for level in range(m):
            grad[level * k + i] = d_u[level]
    for i in range(k):  # C d_shift = d_u
        d_shift = further(space, block[Block.AT_D_SHIFT] + i * m)
        d_u = further(space, block[Block.AT_D_OWN] + i * m)
        for level in range(m):
            d_shift[level] = d_u[level]
        for j in range(i):
            _take(d_shift, further(factor, (i * k + j) * m), further(space, block[Block.AT_D_SHIFT] + j * m), m)
        _divide(d_shift, further(factor, (i * k + i) * m), m)
    for i in range(k):
        d_u, shift = further(space, block[Block.AT_D_OWN] + i * m), further(space, block[Block.AT_SHIFT] + i * m)
        for j in range(i + 1):
            d_factor = further(space, block[Block.AT_D_FACTOR] + (i * k + j) * m)
            z, d_shift = further(space, block[Block.AT_UNIT] + j * m), further(space, block[Block.AT_D_SHIFT] + j * m)
            for level in range(m):
                d_factor[level] = -d_u[level] * z[level] - shift[level] * d_shift[level]
            d_root[i * k + j] += _dot(further(h, i * m), d_shift, m)
        own, d_factor = further(factor, (i * k + i) * m), further(space, block[Block.AT_D_FACTOR] + (i * k + i) * m)
        for level in range(m):
            d_factor[level] -= 1.0 / own[level]
    _conditioned_back(block, space)
    roots_back(block, values, lower, d_root, slopes)
    return total


@summing
def _conditioned_back(block, space):
    """Add to the derivatives with respect to M of what has derivatives `d_factor`, overwritten, by C."""
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    information, root = doubles(block[Block.KNOWN]), further(space, block[Block.AT_ROOT])
    factor, d_factor = further(space, block[Block.AT_FACTOR]), further(space, block[Block.AT_D_FACTOR])
    d_root = further(space, block[Block.AT_D_ROOT])
    for i in range(k):  # the steps of the factorisation, backwards
        own, d_own = further(factor, (i * k + i) * m), further(d_factor, (i * k + i) * m)
        for j in range(i):
            along = further(d_factor, (i * k + j) * m)
            _divide(along, own, m)
            _take(d_own, along, further(factor, (i * k + j) * m), m)
            for after in range(i + 1, k):
                one, other = (after * k + i) * m, (after * k + j) * m
                _take(further(d_factor, one), along, further(factor, other), m)
                _take(further(d_factor, other), along, further(factor, one), m)
        for level in range(m):
            d_own[level] /= 2.0 * own[level]
        for after in range(i + 1, k):
            one = (after * k + i) * m
            other, d_other = further(factor, one), further(d_factor, one)
            for level in range(m):
                d_other[level] -= 2.0 * d_own[level] * other[level]
    for j in range(k):
        for i in range(j, k):
            for p in range(i, k):
                for q in range(j, k):
                    shared = _dot(further(d_factor, (i * k + j) * m), further(information, (p * k + q) * m), m)
                    d_root[p * k + i] += shared * root[q * k + j]
                    d_root[q * k + j] += shared * root[p * k + i]
