"""The log density and its gradient in one pass: written once for any number of blocks, rows and parameters.

    log p(x) = ℓ(β, b, φ) + Σ over globals of log p(θ) + log |θ′(x)| + Σ over blocks of log p(u | θ),

ℓ the log likelihood (`likelihood_kernels`), θ the globals, u the effects' coordinates. A point x (dim,) is the vector
of unconstrained coordinates: those of the globals (centred intercept, slopes, per block its sds and partial
correlations, family parameters φ), then u of every block, level by level. The order and the transforms are those of
the PyMC graph, and so is u without pseudo-data: standard normal z. With pseudo-data, u is that of
`random_effect_kernels` or `joint_kernels`. With a whitening, the point is w, of which x is a linear map
(`whitening_kernels`).

Everything a model brings (data, sizes, prior constants, which link, family and priors) comes through the header, an
array of addresses; so one compilation serves every model, and is kept on disk.
"""

import math

import numpy as np

from bayesglmm.compiled.abi import EXPAND, LOGP, allocate, call_prior, doubles, further, integers, release
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.pieces import piece
from bayesglmm.compiled.workspace import CHUNK, Work
from bayesglmm.logdensity.coordinates import block_of, constrain, write_values
from bayesglmm.logdensity.joint_kernels import joint_back, write_joint
from bayesglmm.logdensity.layout import Block, Header, Transform
from bayesglmm.logdensity.likelihood_kernels import chunk_size, fill_zero, likelihood, linear_predictor, row_likelihood
from bayesglmm.logdensity.random_effect_kernels import effects_back, write_effects
from bayesglmm.logdensity.whitening_kernels import unwhiten, whiten_gradient

__all__ = ["expand", "information", "log_density"]

_RELATIVE_STEP = 1e-10
"""The relative step of the central difference for ∂²ℓ/∂η², above the rounding error of η.

The absolute step is `Header.DIFFERENCE_STEP`."""

_LARGEST, _SHORTER, _SHORTENINGS = 1e-3, 0.03, 6
"""h is multiplied by the second while h²|W| of a row is above the first; at most the third number of h are tried."""

_ETA, _D_ETA = CHUNK * Work.ETA, CHUNK * Work.D_ETA


@piece
def _priors(header, x, values, d_values, d_prior, gradient):
    """Return Σ log p(θ) + log |θ′(x)| over the globals that are not conditioned; write their gradient by x, (g,).

    ∂f/∂x = (∂ℓ/∂θ + ∂ log p/∂θ) θ′(x) + ∂ log |θ′|/∂x, ∂ℓ/∂θ being `d_values` (g,); an sd with a sign has the prior of
    its absolute value. `d_prior` is one double to work with.
    """
    numbers = doubles(header[Header.PRIOR_NUMBERS])
    transforms, priors = integers(header[Header.TRANSFORMS]), integers(header[Header.PRIORS])
    total = 0.0
    for i in range(header[Header.GLOBALS]):
        if transforms[i] == Transform.CONDITIONED:
            continue
        _, d_value, jacobian, d_jacobian = constrain(x[i], numbers[5 * i + 3], numbers[5 * i + 4], transforms[i])
        value = abs(values[i]) if transforms[i] == Transform.SIGNED else values[i]
        log_prior = call_prior(priors[i], value, numbers[5 * i], numbers[5 * i + 1], numbers[5 * i + 2], d_prior)
        total += jacobian + log_prior
        signed = -d_prior[0] if value != values[i] else d_prior[0]
        gradient[i] = (d_values[i] + signed) * d_value + d_jacobian
    return total


@piece
def _coefficient_priors(header, values, d_values, d_prior):
    """Return Σ log p(β) over the coefficients conditioned with the effects; add its derivatives to `d_values` (g,)."""
    numbers = doubles(header[Header.PRIOR_NUMBERS])
    transforms, priors = integers(header[Header.TRANSFORMS]), integers(header[Header.PRIORS])
    total = 0.0
    for i in range(header[Header.GLOBALS]):
        if transforms[i] == Transform.CONDITIONED:
            total += call_prior(priors[i], values[i], numbers[5 * i], numbers[5 * i + 1], numbers[5 * i + 2], d_prior)
            d_values[i] += d_prior[0]
    return total


@piece
def _write_all_effects(header, space, x, values, b):
    """Write b (dim − g,) of every block from x (dim,), and β of the coefficients that are conditioned with them."""
    if header[Header.JOINT]:
        write_joint(header, space, x, values, b)
        return
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        first = block[Block.FIRST_COORDINATE]
        write_effects(block, space, values, further(x, first), further(b, first - header[Header.GLOBALS]))


@compiled(LOGP)
def log_density(dim, point, gradient, value, header):
    """Write log p at a point (dim,) and its gradient (dim,); return 0, or 1 where they are not finite."""
    size, x, count = np.int64(dim), point, header[Header.GLOBALS]
    space = allocate(header[Header.ALLOCATE], header[Header.SPACE])
    deviation = further(space, header[Header.AT_DEVIATION])
    if header[Header.WHITENED]:
        x = further(space, header[Header.AT_POINT])
        unwhiten(header, size, point, x, deviation)
    values, d_values = further(space, header[Header.AT_VALUES]), further(space, header[Header.AT_D_VALUES])
    b, d_b = further(space, header[Header.AT_EFFECTS]), further(space, header[Header.AT_D_EFFECTS])
    write_values(header, x, values)
    fill_zero(d_values, count)
    fill_zero(d_b, size - count)
    _write_all_effects(header, space, x, values, b)
    total = 0.0
    if header[Header.LIKELIHOOD]:
        total += likelihood(header, space, values, b, d_b, d_values)
    if header[Header.JOINT]:
        total += _coefficient_priors(header, values, d_values, further(space, header[Header.AT_WORK]))
        total += joint_back(header, space, values, d_b, gradient, d_values)
    else:
        for number in range(header[Header.BLOCKS]):
            block = block_of(header, number)
            first = block[Block.FIRST_COORDINATE]
            total += effects_back(block, space, values, further(d_b, first - count), further(gradient, first), d_values)
    total += _priors(header, x, values, d_values, further(space, header[Header.AT_WORK]), gradient)
    if header[Header.WHITENED]:
        whiten_gradient(header, size, gradient, deviation)
    release(header[Header.RELEASE], space)
    value[0] = total
    fine = math.isfinite(total)
    for i in range(size):
        fine = fine and math.isfinite(gradient[i])
    return 0 if fine else 1


@compiled(EXPAND)
def expand(dim, length, point, out, header):
    """Write the posterior's variables at a point (dim,), in the order of `variable_names`; return 0.

    They are β on the original scale (β₀ − Σ_j centre_j β_j), all sds, all correlations, φ and b.
    """
    size, x = np.int64(dim), point
    space = allocate(header[Header.ALLOCATE], header[Header.SPACE])
    if header[Header.WHITENED]:
        x = further(space, header[Header.AT_POINT])
        unwhiten(header, size, point, x, further(space, header[Header.AT_DEVIATION]))
    count, p, first = header[Header.GLOBALS], header[Header.SLOPES], header[Header.INTERCEPT]
    values, b = further(space, header[Header.AT_VALUES]), further(space, header[Header.AT_EFFECTS])
    write_values(header, x, values)
    _write_all_effects(header, space, x, values, b)
    centre, written = doubles(header[Header.CENTRE]), first + p
    for j in range(first + p):
        out[j] = values[j]
    if first:
        for j in range(p):
            out[0] -= centre[j] * values[1 + j]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        for j in range(block[Block.COLUMNS]):
            out[written + j] = abs(values[block[Block.FIRST_SD] + j])
        written += block[Block.COLUMNS]
    for number in range(header[Header.BLOCKS]):
        written = _write_correlations(block_of(header, number), space, values, out, written)
    for j in range(header[Header.PARAMETERS]):
        out[written + j] = values[header[Header.FIRST_PARAMETER] + j]
    written += header[Header.PARAMETERS]
    for i in range(size - count):
        out[written + i] = b[i]
    release(header[Header.RELEASE], space)
    return 0


@piece
def _write_correlations(block, space, values, out, written):
    """Write Ω_ij = ± Σ_c L_ic L_jc, j < i, of a block from place `written` on, and return the place after them.

    The sign is that of σ_i σ_j, where sds have signs.
    """
    k = block[Block.COLUMNS]
    if block[Block.CORRELATED]:
        cholesky, sds = further(space, block[Block.AT_CHOLESKY]), further(values, block[Block.FIRST_SD])
        for i in range(k):
            for j in range(i):
                total = 0.0
                for c in range(j + 1):
                    total += cholesky[i * k + c] * cholesky[j * k + c]
                out[written] = -total if (sds[i] < 0.0) != (sds[j] < 0.0) else total
                written += 1
    return written


@compiled(EXPAND)
def information(dim, length, x, written, header):
    """Write W = −∂²ℓ/∂η² of every row (n,), then M (k, k) of every block, at a point (dim,); return 0.

    The point is not whitened, and the effects are those of `random_effect_kernels`. By central differences,

        W = (∂ℓ/∂η(η − δ) − ∂ℓ/∂η(η + δ)) / 2δ,    δ = 1e-10 |η| + h,

    where h is shortened for a whole chunk while h²|W| of one of its rows is large, since the difference is then far
    from the derivative.
    """
    space = allocate(header[Header.ALLOCATE], header[Header.SPACE])
    count, n = header[Header.GLOBALS], header[Header.ROWS]
    values, b = further(space, header[Header.AT_VALUES]), further(space, header[Header.AT_EFFECTS])
    work = further(space, header[Header.AT_WORK])
    eta, shifted, d_eta = further(space, header[Header.AT_ETA]), further(work, _ETA), further(work, _D_ETA)
    write_values(header, x, values)
    place = n
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        first, root = block[Block.FIRST_COORDINATE], further(space, block[Block.AT_ROOT])
        write_effects(block, space, values, further(x, first), further(b, first - count))
        for i in range(block[Block.COLUMNS] * block[Block.COLUMNS]):
            written[place + i] = root[i]
        place += block[Block.COLUMNS] * block[Block.COLUMNS]
    for start in range(0, n, CHUNK):
        size = chunk_size(n, start)
        linear_predictor(header, values, b, eta, start, size)
        step = doubles(header[Header.DIFFERENCE_STEP])[0]
        for _ in range(_SHORTENINGS):
            for i in range(size):
                written[start + i] = 0.0
            for side in range(2):
                sign = 1.0 - 2.0 * side
                for i in range(size):
                    shifted[i] = eta[i] - sign * (_RELATIVE_STEP * abs(eta[i]) + step)
                row_likelihood(header, work, values, start, size)
                for i in range(size):
                    written[start + i] += sign * d_eta[i] / (2.0 * (_RELATIVE_STEP * abs(eta[i]) + step))
            largest = 0.0
            for i in range(size):
                largest = max(largest, abs(written[start + i]))
            if not largest * step * step > _LARGEST:
                break
            step *= _SHORTER
    release(header[Header.RELEASE], space)
    return 0
