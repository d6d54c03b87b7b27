"""From coordinates of random effects to the effects of every level, given pseudo-data, and back for gradients.

Given the globals, the likelihood of the rows of a level is replaced by that of one normal observation of b, with log
likelihood hᵀb − bᵀAb/2, A and h taken at the mode. Under it z = M⁻¹b ~ N(0, I) has the precision
I + MᵀAM = CᵀC and the mean (CᵀC)⁻¹Mᵀh, so that

    u = C z − C⁻ᵀMᵀh

is about standard normal whatever M is. With A = 0 and h = 0, u is z itself (non-centred); where A is large, b hardly
depends on M (centred). C is lower triangular, and so is MC⁻¹, the root of the covariance of b: the lower-triangular
root varies continuously with M (no rotation of the coordinates).

Arguments of all kernels, for a block of k columns and m levels: `block` is its row of the block table, `space` the
workspace, `values` (g,) and `d_values` (g,) the values of the globals and the derivatives by them. Coordinates u and
effects b, on the scale of the linear predictor, lie level by level, (m, k); arrays in the workspace have levels last.
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
def _add_multiple(out, factor, x, m):
    for level in range(m):
        out[level] += factor * x[level]


@summing
def _subtract_product(out, x, y, m):
    for level in range(m):
        out[level] -= x[level] * y[level]


@summing
def _divide(out, divisor, m):
    for level in range(m):
        out[level] /= divisor[level]


@summing
def _dot(x, y, m):
    total = 0.0
    for level in range(m):
        total += x[level] * y[level]
    return total


@summing
def write_effects(block, space, values, u, b):
    """Write b = M z (m, k) from coordinates u (m, k), and what `effects_back` needs.

    Cᵀ shift = Mᵀh,    C z = u + shift
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    write_roots(block, space, values)
    _write_factors(block, space)
    root, factor = further(space, block[Block.AT_ROOT]), further(space, block[Block.AT_FACTOR])
    h = doubles(block[Block.LINEAR])
    for i in range(k - 1, -1, -1):  # Cᵀ shift = Mᵀh
        shift = further(space, block[Block.AT_SHIFT] + i * m)
        _fill(shift, 0.0, m)
        for p in range(i, k):
            _add_multiple(shift, root[p * k + i], further(h, p * m), m)
        for j in range(i + 1, k):
            _subtract_product(shift, further(factor, (j * k + i) * m), further(space, block[Block.AT_SHIFT] + j * m), m)
        _divide(shift, further(factor, (i * k + i) * m), m)
    for i in range(k):  # C z = u + shift
        z, shift = further(space, block[Block.AT_Z] + i * m), further(space, block[Block.AT_SHIFT] + i * m)
        for level in range(m):
            z[level] = u[level * k + i] + shift[level]
        for j in range(i):
            _subtract_product(z, further(factor, (i * k + j) * m), further(space, block[Block.AT_Z] + j * m), m)
        _divide(z, further(factor, (i * k + i) * m), m)
    for i in range(k):
        for level in range(m):
            b[level * k + i] = 0.0
        for j in range(i + 1):
            entry, z = root[i * k + j], further(space, block[Block.AT_Z] + j * m)
            for level in range(m):
                b[level * k + i] += entry * z[level]


@summing
def _write_factors(block, space):
    """Write C of every level, (k, k, m), lower triangular with CᵀC = Q = I + MᵀAM, the last row first.

    C_ij = (Q_ij − Σ_{l>i} C_li C_lj) / C_ii,    C_ii = √(Q_ii − Σ_{l>i} C_li²).
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    information, root = doubles(block[Block.INFORMATION]), further(space, block[Block.AT_ROOT])
    factor = further(space, block[Block.AT_FACTOR])
    for i in range(k - 1, -1, -1):
        diagonal = further(factor, (i * k + i) * m)
        for j in range(i, -1, -1):
            entry = further(factor, (i * k + j) * m)
            _fill(entry, 1.0 if i == j else 0.0, m)
            for p in range(i, k):
                for q in range(j, k):
                    _add_multiple(entry, root[p * k + i] * root[q * k + j], further(information, (p * k + q) * m), m)
            for row in range(i + 1, k):
                _subtract_product(entry, further(factor, (row * k + i) * m), further(factor, (row * k + j) * m), m)
            if i == j:
                for level in range(m):
                    diagonal[level] = math.sqrt(diagonal[level])
            else:
                _divide(entry, diagonal, m)


@summing
def effects_back(block, space, values, d_b, gradient, d_values):
    """Return Σ over levels of −|z|²/2 − Σ log C_ii; write the gradient (m, k) by u and add to that by the globals.

    This is the log prior of u: that of z with the Jacobian of z = C⁻¹(u + s), s = C⁻ᵀMᵀh. With f the log posterior
    and `d_b` (m, k) the derivatives of the log likelihood by b,

        ∂f/∂z = Mᵀ ∂f/∂b − z,    ∂f/∂u = ∂f/∂s = C⁻ᵀ ∂f/∂z,    ∂f/∂(Mᵀh) = C⁻¹ ∂f/∂u,
        ∂f/∂C_ij = −(∂f/∂u)_i z_j − s_i (∂f/∂(Mᵀh))_j − [i = j] / C_ii,
        ∂f/∂M_ij = Σ over levels of (∂f/∂b)_i z_j + h_i (∂f/∂(Mᵀh))_j + the share through C.
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    cholesky, root = further(space, block[Block.AT_CHOLESKY]), further(space, block[Block.AT_ROOT])
    d_root, factor = further(space, block[Block.AT_D_ROOT]), further(space, block[Block.AT_FACTOR])
    h, total = doubles(block[Block.LINEAR]), 0.0
    for i in range(k):
        z, d_z = further(space, block[Block.AT_Z] + i * m), further(space, block[Block.AT_D_Z] + i * m)
        diagonal = further(factor, (i * k + i) * m)
        for level in range(m):
            total -= 0.5 * z[level] * z[level] + log(diagonal[level])
            d_z[level] = -z[level]
        for j in range(i, k):
            entry, d_entry = root[j * k + i], 0.0
            for level in range(m):
                d_z[level] += entry * d_b[level * k + j]
                d_entry += d_b[level * k + j] * z[level]
            d_root[j * k + i] = d_entry
    for i in range(k - 1, -1, -1):  # Cᵀ d_u = d_z
        d_u, d_z = further(space, block[Block.AT_D_U] + i * m), further(space, block[Block.AT_D_Z] + i * m)
        for level in range(m):
            d_u[level] = d_z[level]
        for j in range(i + 1, k):
            _subtract_product(d_u, further(factor, (j * k + i) * m), further(space, block[Block.AT_D_U] + j * m), m)
        _divide(d_u, further(factor, (i * k + i) * m), m)
        for level in range(m):
            gradient[level * k + i] = d_u[level]
    for i in range(k):  # C d_shift = d_u
        d_shift = further(space, block[Block.AT_D_SHIFT] + i * m)
        d_u = further(space, block[Block.AT_D_U] + i * m)
        for level in range(m):
            d_shift[level] = d_u[level]
        for j in range(i):
            _subtract_product(
                d_shift, further(factor, (i * k + j) * m), further(space, block[Block.AT_D_SHIFT] + j * m), m
            )
        _divide(d_shift, further(factor, (i * k + i) * m), m)
    for i in range(k):
        d_u, shift = further(space, block[Block.AT_D_U] + i * m), further(space, block[Block.AT_SHIFT] + i * m)
        for j in range(i + 1):
            d_factor = further(space, block[Block.AT_D_FACTOR] + (i * k + j) * m)
            z, d_shift = further(space, block[Block.AT_Z] + j * m), further(space, block[Block.AT_D_SHIFT] + j * m)
            for level in range(m):
                d_factor[level] = -d_u[level] * z[level] - shift[level] * d_shift[level]
            d_root[i * k + j] += _dot(further(h, i * m), d_shift, m)
        diagonal, d_factor = (
            further(factor, (i * k + i) * m),
            further(space, block[Block.AT_D_FACTOR] + (i * k + i) * m),
        )
        for level in range(m):
            d_factor[level] -= 1.0 / diagonal[level]
    _factors_back(block, space)
    roots_back(block, values, cholesky, d_root, d_values)
    return total


@summing
def _factors_back(block, space):
    """Add to ∂f/∂M the share of f through C, whose derivatives ∂f/∂C, (k, k, m), become those by Q = CᵀC.

    The steps of the factorisation backwards; then, for entries j ≤ i of Q = I + MᵀAM,

        ∂f/∂M_pi += Σ_q ∂f/∂Q_ij A_pq M_qj,    ∂f/∂M_qj += Σ_p ∂f/∂Q_ij A_pq M_pi.
    """
    k, m = block[Block.COLUMNS], block[Block.LEVELS]
    information, root = doubles(block[Block.INFORMATION]), further(space, block[Block.AT_ROOT])
    factor, d_factor = further(space, block[Block.AT_FACTOR]), further(space, block[Block.AT_D_FACTOR])
    d_root = further(space, block[Block.AT_D_ROOT])
    for i in range(k):
        diagonal, d_diagonal = further(factor, (i * k + i) * m), further(d_factor, (i * k + i) * m)
        for j in range(i):
            d_entry = further(d_factor, (i * k + j) * m)
            _divide(d_entry, diagonal, m)
            _subtract_product(d_diagonal, d_entry, further(factor, (i * k + j) * m), m)
            for row in range(i + 1, k):
                column_i, column_j = (row * k + i) * m, (row * k + j) * m
                _subtract_product(further(d_factor, column_i), d_entry, further(factor, column_j), m)
                _subtract_product(further(d_factor, column_j), d_entry, further(factor, column_i), m)
        for level in range(m):
            d_diagonal[level] /= 2.0 * diagonal[level]
        for row in range(i + 1, k):
            entry, d_entry = further(factor, (row * k + i) * m), further(d_factor, (row * k + i) * m)
            for level in range(m):
                d_entry[level] -= 2.0 * d_diagonal[level] * entry[level]
    for j in range(k):
        for i in range(j, k):
            for p in range(i, k):
                for q in range(j, k):
                    d_precision = _dot(further(d_factor, (i * k + j) * m), further(information, (p * k + q) * m), m)
                    d_root[p * k + i] += d_precision * root[q * k + j]
                    d_root[q * k + j] += d_precision * root[p * k + i]
