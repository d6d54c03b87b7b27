"""From coordinates of coefficients and random effects together, given the covariances of the effects, and back.

Given the other globals, the likelihood of the rows is replaced by that of one normal observation of t = (β, b), with
log likelihood rᵀt − tᵀKt/2, K and r taken at the mode. With b = M z, v = (β, z) and t = T v, v has the precision
Q = P + TᵀKT = CᵀC, P that of the priors, and the mean Q⁻¹Tᵀr, so that

    u = C v − C⁻ᵀTᵀr

is about standard normal whatever the covariances of the effects are, those between blocks and between effects and
coefficients included. `random_effect_kernels` does the same for each block by itself.

C is lower triangular and sparse: the last variable is eliminated first, so that the levels of one factor, which share
no rows, cost little. Where its entries are is found once (`bayesglmm.logdensity.joint_precision`). A factor (d+e,)
is stored as its diagonal, then the entries left of it, row by row.

Arguments of all kernels: `header`, `joint` and `space` are the tables `Header`, `Joint` and the workspace, `x` (dim,)
the coordinates, `values` (g,) and `d_values` (g,) the values of the globals and the derivatives by them, `b` and `d_b`
(dim − g,) the effects of all blocks, level by level, on the scale of the linear predictor, and derivatives by them.
"""

import math

from bayesglmm.compiled.abi import doubles, further, indices, integers
from bayesglmm.compiled.functions import log
from bayesglmm.compiled.pieces import summing
from bayesglmm.logdensity.coordinates import block_of, roots_back, write_roots
from bayesglmm.logdensity.layout import Block, Header, Joint, Part

__all__ = ["joint_back", "write_joint"]

_PART_SIZE = len(Part)


@summing
def _write_precision(joint, space, factor):
    """Write the entries at or left of the diagonal of Q = P + TᵀKT into `factor` (d+e,).

    A part of K between levels of two blocks with roots M and N, or 1 for coefficients, adds

        Q_ij += Σ_{p≥i} Σ_{q≥j} M_pi K_pq N_qj    for each pair of levels.
    """
    d = joint[Joint.VARIABLES]
    precision = doubles(joint[Joint.PRECISION])
    for i in range(d):
        factor[i] = precision[i]
    for i in range(joint[Joint.ENTRIES]):
        factor[d + i] = 0.0
    for number in range(joint[Joint.PARTS]):
        part = further(integers(joint[Joint.PART_TABLE]), number * _PART_SIZE)
        k, columns, count = part[Part.ROWS], part[Part.COLUMNS], part[Part.COUNT]
        left, right = further(space, part[Part.AT_LEFT]), further(space, part[Part.AT_RIGHT])
        for i in range(k):
            for j in range(columns):
                places = further(indices(joint[Joint.PLACES]), part[Part.FIRST] + (i * columns + j) * count)
                if places[0] < 0:  # right of the diagonal
                    continue
                for p in range(i, k):
                    for q in range(j, columns):
                        product = left[p * k + i] * right[q * columns + j]
                        entries = further(
                            doubles(joint[Joint.INFORMATION]), part[Part.FIRST] + (p * columns + q) * count
                        )
                        for pair in range(count):
                            factor[places[pair]] += product * entries[pair]


@summing
def _precision_back(joint, space, d_factor):
    """Add to ∂f/∂M of the blocks the share of f through Q, with derivatives ∂f/∂Q in `d_factor` (d+e,).

    ∂f/∂M_pi += Σ_q ∂f/∂Q_ij K_pq N_qj,    ∂f/∂N_qj += Σ_p ∂f/∂Q_ij K_pq M_pi    over the pairs of levels.
    """
    for number in range(joint[Joint.PARTS]):
        part = further(integers(joint[Joint.PART_TABLE]), number * _PART_SIZE)
        k, columns, count = part[Part.ROWS], part[Part.COLUMNS], part[Part.COUNT]
        left, right = further(space, part[Part.AT_LEFT]), further(space, part[Part.AT_RIGHT])
        d_left, d_right = further(space, part[Part.AT_D_LEFT]), further(space, part[Part.AT_D_RIGHT])
        for i in range(k):
            for j in range(columns):
                places = further(indices(joint[Joint.PLACES]), part[Part.FIRST] + (i * columns + j) * count)
                if places[0] < 0:
                    continue
                for p in range(i, k):
                    for q in range(j, columns):
                        entries = further(
                            doubles(joint[Joint.INFORMATION]), part[Part.FIRST] + (p * columns + q) * count
                        )
                        total = 0.0
                        for pair in range(count):
                            total += d_factor[places[pair]] * entries[pair]
                        d_left[p * k + i] += total * right[q * columns + j]
                        d_right[q * columns + j] += total * left[p * k + i]


@summing
def _factorise(joint, factor):
    """Turn Q into C with CᵀC = Q, in place, (d+e,): the last row first, right-looking.

    For i = d − 1, …, 0:  C_ii = √Q_ii,  C_ij = Q_ij / C_ii,  then  Q_jl −= C_ij C_il  for the entries l ≤ j of row i.
    """
    d = joint[Joint.VARIABLES]
    start, first = indices(joint[Joint.ROW_START]), integers(joint[Joint.TARGET_START])
    for i in range(d - 1, -1, -1):
        diagonal = math.sqrt(factor[i])
        factor[i] = diagonal
        n, row, pair = start[i + 1] - start[i], further(factor, d + start[i]), 0
        targets, contiguous = (
            further(indices(joint[Joint.TARGETS]), first[i]),
            further(indices(joint[Joint.CONTIGUOUS]), start[i]),
        )
        inverse = 1.0 / diagonal
        for j in range(n):
            row[j] *= inverse
            entry = row[j]
            if contiguous[j]:
                target = further(factor, targets[pair])
                for other in range(j):
                    target[other] -= entry * row[other]
            else:
                for other in range(j):
                    factor[targets[pair + other]] -= entry * row[other]
            pair += j + 1
            factor[targets[pair - 1]] -= entry * entry


@summing
def _factorise_back(joint, factor, d_factor):
    """Turn ∂f/∂C into ∂f/∂Q, (d+e,), in place: the steps of `_factorise` backwards, the first row first.

    For i = 0, …, d − 1, with D for the derivatives so far:  D_ij −= Σ_l (1 + [l = j]) D_jl C_il  over the entries l of
    row i (D_jl = D_lj),  D_ij /= C_ii,  D_ii = (D_ii − Σ_j D_ij C_ij) / (2 C_ii).
    """
    d = joint[Joint.VARIABLES]
    start, first = indices(joint[Joint.ROW_START]), integers(joint[Joint.TARGET_START])
    for i in range(d):
        n, row, d_row = start[i + 1] - start[i], further(factor, d + start[i]), further(d_factor, d + start[i])
        targets, contiguous = (
            further(indices(joint[Joint.TARGETS]), first[i]),
            further(indices(joint[Joint.CONTIGUOUS]), start[i]),
        )
        pair = 0
        for j in range(n):
            entry, total = row[j], 0.0
            if contiguous[j]:
                d_targets = further(d_factor, targets[pair])
                for other in range(j):
                    total += d_targets[other] * row[other]
                    d_row[other] -= d_targets[other] * entry
            else:
                for other in range(j):
                    d_target = d_factor[targets[pair + other]]
                    total += d_target * row[other]
                    d_row[other] -= d_target * entry
            pair += j + 1
            d_row[j] -= total + 2.0 * d_factor[targets[pair - 1]] * entry
        diagonal, d_diagonal = factor[i], d_factor[i]
        inverse = 1.0 / diagonal
        for j in range(n):
            d_row[j] *= inverse
            d_diagonal -= d_row[j] * row[j]
        d_factor[i] = d_diagonal / (2.0 * diagonal)


@summing
def _solve_transposed(joint, factor, right):
    """Solve Cᵀ s = right in place, (d,): s_i = (right_i − Σ_{l>i} C_li s_l) / C_ii, the last first."""
    d = joint[Joint.VARIABLES]
    start, columns = indices(joint[Joint.ROW_START]), indices(joint[Joint.ROW_COLUMNS])
    for i in range(d - 1, -1, -1):
        solution = right[i] / factor[i]
        right[i] = solution
        for entry in range(start[i], start[i + 1]):
            right[columns[entry]] -= factor[d + entry] * solution


@summing
def _solve(joint, factor, right):
    """Solve C v = right in place, (d,): v_i = (right_i − Σ_{j<i} C_ij v_j) / C_ii."""
    d = joint[Joint.VARIABLES]
    start, columns = indices(joint[Joint.ROW_START]), indices(joint[Joint.ROW_COLUMNS])
    for i in range(d):
        total = right[i]
        for entry in range(start[i], start[i + 1]):
            total -= factor[d + entry] * right[columns[entry]]
        right[i] = total / factor[i]


@summing
def write_joint(header, space, x, values, b):
    """Write from coordinates u the coefficients β, into `values`, the effects b, and what `joint_back` needs.

    CᵀC = P + TᵀKT,    Cᵀ shift = Tᵀr,    C v = u + shift,    v = (β, z),    b = M z
    """
    joint = integers(header[Header.JOINT])
    d, coefficients = joint[Joint.VARIABLES], joint[Joint.COEFFICIENTS]
    coefficient, r = indices(joint[Joint.COEFFICIENT_GLOBALS]), doubles(joint[Joint.LINEAR])
    factor, shift = further(space, joint[Joint.AT_FACTOR]), further(space, joint[Joint.AT_SHIFT])
    v = further(space, joint[Joint.AT_VARIABLES])
    space[joint[Joint.AT_ONE]] = 1.0
    for c in range(coefficients):
        shift[c], v[c] = r[c], x[coefficient[c]]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        write_roots(block, space, values)
        k, first, root = block[Block.COLUMNS], block[Block.FIRST_VARIABLE], further(space, block[Block.AT_ROOT])
        u = further(x, block[Block.FIRST_COORDINATE])
        for level in range(block[Block.LEVELS]):
            for i in range(k):
                total = 0.0
                for p in range(i, k):
                    total += root[p * k + i] * r[first + level * k + p]
                shift[first + level * k + i] = total
                v[first + level * k + i] = u[level * k + i]
    _write_precision(joint, space, factor)
    _factorise(joint, factor)
    _solve_transposed(joint, factor, shift)
    for i in range(d):
        v[i] += shift[i]
    _solve(joint, factor, v)
    for c in range(coefficients):
        values[coefficient[c]] = v[c]
    _write_effects(header, space, v, b)


@summing
def _write_effects(header, space, v, b):
    """Write b = M z of every block, from z among the variables v (d,)."""
    globals_ = header[Header.GLOBALS]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        k, root = block[Block.COLUMNS], further(space, block[Block.AT_ROOT])
        z, effects = further(v, block[Block.FIRST_VARIABLE]), further(b, block[Block.FIRST_COORDINATE] - globals_)
        for level in range(block[Block.LEVELS]):
            for i in range(k):
                total = 0.0
                for j in range(i + 1):
                    total += root[i * k + j] * z[level * k + j]
                effects[level * k + i] = total


@summing
def joint_back(header, space, values, d_b, gradient, d_values):
    """Return −|z|²/2 − Σ log C_ii; write the gradient by u, (dim,), and add to that by sds and partial correlations.

    This is the log density of z with the Jacobian of v = C⁻¹(u + s), s = C⁻ᵀTᵀr. `d_values` brings the derivatives of
    log likelihood and log prior by the coefficients. With f the log posterior,

        ∂f/∂v = (∂f/∂β, Mᵀ ∂f/∂b − z),    ∂f/∂u = ∂f/∂s = C⁻ᵀ ∂f/∂v,    ∂f/∂(Tᵀr) = C⁻¹ ∂f/∂u,
        ∂f/∂C_ij = −(∂f/∂u)_i v_j − s_i (∂f/∂(Tᵀr))_j − [i = j] / C_ii.
    """
    joint = integers(header[Header.JOINT])
    d, coefficients = joint[Joint.VARIABLES], joint[Joint.COEFFICIENTS]
    coefficient, r = indices(joint[Joint.COEFFICIENT_GLOBALS]), doubles(joint[Joint.LINEAR])
    start, columns = indices(joint[Joint.ROW_START]), indices(joint[Joint.ROW_COLUMNS])
    factor, d_factor = further(space, joint[Joint.AT_FACTOR]), further(space, joint[Joint.AT_D_FACTOR])
    v, shift = further(space, joint[Joint.AT_VARIABLES]), further(space, joint[Joint.AT_SHIFT])
    d_u, d_shift = further(space, joint[Joint.AT_D_U]), further(space, joint[Joint.AT_D_SHIFT])
    globals_, total = header[Header.GLOBALS], 0.0
    for c in range(coefficients):
        d_u[c] = d_values[coefficient[c]]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        k, root = block[Block.COLUMNS], further(space, block[Block.AT_ROOT])
        first, d_root = block[Block.FIRST_VARIABLE], further(space, block[Block.AT_D_ROOT])
        z, d_z = further(v, first), further(d_u, first)
        d_effects = further(d_b, block[Block.FIRST_COORDINATE] - globals_)
        for i in range(k * k):
            d_root[i] = 0.0
        for level in range(block[Block.LEVELS]):
            for j in range(k):
                d_likelihood, z_j = 0.0, z[level * k + j]
                for i in range(j, k):
                    d_likelihood += root[i * k + j] * d_effects[level * k + i]
                    d_root[i * k + j] += d_effects[level * k + i] * z_j
                d_z[level * k + j] = d_likelihood - z_j
                total -= 0.5 * z_j * z_j
    _solve_transposed(joint, factor, d_u)
    for i in range(d):
        d_shift[i] = d_u[i]
    _solve(joint, factor, d_shift)
    for i in range(d):
        total -= log(factor[i])
        d_factor[i] = -d_u[i] * v[i] - shift[i] * d_shift[i] - 1.0 / factor[i]
        for entry in range(start[i], start[i + 1]):
            d_factor[d + entry] = -d_u[i] * v[columns[entry]] - shift[i] * d_shift[columns[entry]]
    _factorise_back(joint, factor, d_factor)
    _precision_back(joint, space, d_factor)
    _coordinates_back(header, space, values, coefficients, coefficient, r, d_shift, d_u, gradient, d_values)
    return total


@summing
def _coordinates_back(header, space, values, coefficients, coefficient, r, d_shift, d_u, gradient, d_values):
    """Copy ∂f/∂u (d,) to its places in `gradient`, and add the share r (∂f/∂(Tᵀr))ᵀ of ∂f/∂M, then on to σ and Ω."""
    for c in range(coefficients):
        gradient[coefficient[c]] = d_u[c]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        k, first = block[Block.COLUMNS], block[Block.FIRST_VARIABLE]
        cholesky, d_root = further(space, block[Block.AT_CHOLESKY]), further(space, block[Block.AT_D_ROOT])
        d_coordinates = further(gradient, block[Block.FIRST_COORDINATE])
        for level in range(block[Block.LEVELS]):
            for i in range(k):
                d_coordinates[level * k + i] = d_u[first + level * k + i]
                for p in range(i, k):
                    d_root[p * k + i] += r[first + level * k + p] * d_shift[first + level * k + i]
        roots_back(block, values, cholesky, d_root, d_values)
