"""From coordinates of coefficients and random effects together, given the covariances of the effects, and back.

Given the other globals, the rows say of t = (β, b) about what one normal observation would: a log likelihood
rᵀt − tᵀKt/2 with K and r as at the mode. With b = M z, v = (β, z) and t = T v, v has the precision
Q = P + TᵀKT, P that of the priors, and the mean Q⁻¹Tᵀr. C is lower triangular with CᵀC = Q, and the coordinates are
u = Cv − C⁻ᵀTᵀr: about standard normal whatever the covariances of the effects are, those between blocks and between
effects and coefficients included. `effects.py` does the same for each block by itself.

C is sparse: it is found by eliminating the last variable first, so that the levels of one factor, which do not meet
in rows, cost little. Where its entries stand is found once (`bayesglmm.logdensity.joint_precision`).
"""

import math

from bayesglmm.compiled.abi import doubles, further, indices, integers
from bayesglmm.compiled.functions import log
from bayesglmm.compiled.pieces import summing
from bayesglmm.logdensity.coordinates import block_of, roots_back, write_roots
from bayesglmm.logdensity.layout import PART_SIZE, Block, Header, Joint, Part

__all__ = ["joint_back", "write_joint"]


@summing
def _write_precision(joint, space, factor):
    """Write the entries of Q at or left of its diagonal."""
    d = joint[Joint.VARIABLES]
    precision = doubles(joint[Joint.PRECISION])
    for i in range(d):
        factor[i] = precision[i]
    for i in range(joint[Joint.ENTRIES]):
        factor[d + i] = 0.0
    for number in range(joint[Joint.PARTS]):
        part = further(integers(joint[Joint.PART_TABLE]), number * PART_SIZE)
        k, columns, count = part[Part.ROWS], part[Part.COLUMNS], part[Part.COUNT]
        left, right = further(space, part[Part.AT_LEFT]), further(space, part[Part.AT_RIGHT])
        for i in range(k):
            for j in range(columns):
                places = further(indices(joint[Joint.PLACES]), part[Part.FIRST] + (i * columns + j) * count)
                if places[0] < 0:  # right of the diagonal
                    continue
                for p in range(i, k):
                    for q in range(j, columns):
                        along = left[p * k + i] * right[q * columns + j]
                        own = further(doubles(joint[Joint.INFORMATION]), part[Part.FIRST] + (p * columns + q) * count)
                        for one in range(count):
                            factor[places[one]] += along * own[one]


@summing
def _precision_back(joint, space, d_factor):
    """Add to the derivatives by the roots M of the blocks what Q, of derivatives `d_factor`, gives."""
    for number in range(joint[Joint.PARTS]):
        part = further(integers(joint[Joint.PART_TABLE]), number * PART_SIZE)
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
                        own = further(doubles(joint[Joint.INFORMATION]), part[Part.FIRST] + (p * columns + q) * count)
                        total = 0.0
                        for one in range(count):
                            total += d_factor[places[one]] * own[one]
                        d_left[p * k + i] += total * right[q * columns + j]
                        d_right[q * columns + j] += total * left[p * k + i]


@summing
def _factorise(joint, factor):
    """Turn Q into C, the last row first; each row is taken off those above that it meets."""
    d = joint[Joint.VARIABLES]
    start, first = indices(joint[Joint.ROW_START]), integers(joint[Joint.TARGET_START])
    for i in range(d - 1, -1, -1):
        own = math.sqrt(factor[i])
        factor[i] = own
        n, row, at = start[i + 1] - start[i], further(factor, d + start[i]), 0
        targets, runs = further(indices(joint[Joint.TARGETS]), first[i]), further(indices(joint[Joint.RUNS]), start[i])
        inverse = 1.0 / own
        for j in range(n):
            row[j] *= inverse
            along = row[j]
            if runs[j]:
                target = further(factor, targets[at])
                for other in range(j):
                    target[other] -= along * row[other]
            else:
                for other in range(j):
                    factor[targets[at + other]] -= along * row[other]
            at += j + 1
            factor[targets[at - 1]] -= along * along


@summing
def _factorise_back(joint, factor, d_factor):
    """Turn derivatives by the entries of C into those by the entries of Q, in place."""
    d = joint[Joint.VARIABLES]
    start, first = indices(joint[Joint.ROW_START]), integers(joint[Joint.TARGET_START])
    for i in range(d):
        n, row, d_row = start[i + 1] - start[i], further(factor, d + start[i]), further(d_factor, d + start[i])
        targets, runs = further(indices(joint[Joint.TARGETS]), first[i]), further(indices(joint[Joint.RUNS]), start[i])
        at = 0
        for j in range(n):
            along, total = row[j], 0.0
            if runs[j]:
                slopes = further(d_factor, targets[at])
                for other in range(j):
                    total += slopes[other] * row[other]
                    d_row[other] -= slopes[other] * along
            else:
                for other in range(j):
                    slope = d_factor[targets[at + other]]
                    total += slope * row[other]
                    d_row[other] -= slope * along
            at += j + 1
            d_row[j] -= total + 2.0 * d_factor[targets[at - 1]] * along
        own, d_own = factor[i], d_factor[i]
        inverse = 1.0 / own
        for j in range(n):
            d_row[j] *= inverse
            d_own -= d_row[j] * row[j]
        d_factor[i] = d_own / (2.0 * own)


@summing
def _solve_transposed(joint, factor, right):
    """Solve Cᵀ s = right in place."""
    d = joint[Joint.VARIABLES]
    start, columns = indices(joint[Joint.ROW_START]), indices(joint[Joint.ROW_COLUMNS])
    for i in range(d - 1, -1, -1):
        found = right[i] / factor[i]
        right[i] = found
        for at in range(start[i], start[i + 1]):
            right[columns[at]] -= factor[d + at] * found


@summing
def _solve(joint, factor, right):
    """Solve C v = right in place."""
    d = joint[Joint.VARIABLES]
    start, columns = indices(joint[Joint.ROW_START]), indices(joint[Joint.ROW_COLUMNS])
    for i in range(d):
        total = right[i]
        for at in range(start[i], start[i + 1]):
            total -= factor[d + at] * right[columns[at]]
        right[i] = total / factor[i]


@summing
def write_joint(header, space, x, values, b):
    """Write, from coordinates, the coefficients that are conditioned, the effects b, and what the way back needs."""
    joint = integers(header[Header.JOINT])
    d, coefficients = joint[Joint.VARIABLES], joint[Joint.COEFFICIENTS]
    where, pull = indices(joint[Joint.WHERE]), doubles(joint[Joint.PULL])
    factor, shift = further(space, joint[Joint.AT_FACTOR]), further(space, joint[Joint.AT_SHIFT])
    v = further(space, joint[Joint.AT_VARIABLES])
    space[joint[Joint.AT_ONE]] = 1.0
    for c in range(coefficients):
        shift[c], v[c] = pull[c], x[where[c]]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        write_roots(block, space, values)
        k, at, root = block[Block.COLUMNS], block[Block.FIRST_VARIABLE], further(space, block[Block.AT_ROOT])
        u = further(x, block[Block.FIRST_Z])
        for level in range(block[Block.LEVELS]):
            for i in range(k):
                total = 0.0
                for p in range(i, k):
                    total += root[p * k + i] * pull[at + level * k + p]
                shift[at + level * k + i] = total
                v[at + level * k + i] = u[level * k + i]
    _write_precision(joint, space, factor)
    _factorise(joint, factor)
    _solve_transposed(joint, factor, shift)
    for i in range(d):
        v[i] += shift[i]
    _solve(joint, factor, v)
    for c in range(coefficients):
        values[where[c]] = v[c]
    first = header[Header.GLOBALS]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        k, root = block[Block.COLUMNS], further(space, block[Block.AT_ROOT])
        z, own = further(v, block[Block.FIRST_VARIABLE]), further(b, block[Block.FIRST_Z] - first)
        for level in range(block[Block.LEVELS]):
            for i in range(k):
                total = 0.0
                for j in range(i + 1):
                    total += root[i * k + j] * z[level * k + j]
                own[level * k + i] = total


@summing
def joint_back(header, space, values, d_b, grad, slopes):
    """Return the log prior of the effects' coordinates; write the gradient of coefficients and effects.

    The log prior is −|z|²/2 − Σ log C_ii. `slopes` holds the derivatives of everything else by the coefficients, and
    those by sds and partial correlations are added to it; `d_b` those of the log likelihood by b.
    """
    joint = integers(header[Header.JOINT])
    d, coefficients = joint[Joint.VARIABLES], joint[Joint.COEFFICIENTS]
    where, pull = indices(joint[Joint.WHERE]), doubles(joint[Joint.PULL])
    start, columns = indices(joint[Joint.ROW_START]), indices(joint[Joint.ROW_COLUMNS])
    factor, d_factor = further(space, joint[Joint.AT_FACTOR]), further(space, joint[Joint.AT_D_FACTOR])
    v, shift = further(space, joint[Joint.AT_VARIABLES]), further(space, joint[Joint.AT_SHIFT])
    d_u, d_shift = further(space, joint[Joint.AT_D_VARIABLES]), further(space, joint[Joint.AT_D_SHIFT])
    first, total = header[Header.GLOBALS], 0.0
    for c in range(coefficients):
        d_u[c] = slopes[where[c]]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        k, root = block[Block.COLUMNS], further(space, block[Block.AT_ROOT])
        at, d_root = block[Block.FIRST_VARIABLE], further(space, block[Block.AT_D_ROOT])
        z, d_z, own = further(v, at), further(d_u, at), further(d_b, block[Block.FIRST_Z] - first)
        for i in range(k * k):
            d_root[i] = 0.0
        for level in range(block[Block.LEVELS]):
            for j in range(k):
                along, value = 0.0, z[level * k + j]
                for i in range(j, k):
                    along += root[i * k + j] * own[level * k + i]
                    d_root[i * k + j] += own[level * k + i] * value
                d_z[level * k + j] = along - value
                total -= 0.5 * value * value
    _solve_transposed(joint, factor, d_u)
    for i in range(d):
        d_shift[i] = d_u[i]
    _solve(joint, factor, d_shift)
    for i in range(d):
        total -= log(factor[i])
        d_factor[i] = -d_u[i] * v[i] - shift[i] * d_shift[i] - 1.0 / factor[i]
        for at in range(start[i], start[i + 1]):
            d_factor[d + at] = -d_u[i] * v[columns[at]] - shift[i] * d_shift[columns[at]]
    _factorise_back(joint, factor, d_factor)
    _precision_back(joint, space, d_factor)
    for c in range(coefficients):
        grad[where[c]] = d_u[c]
    for number in range(header[Header.BLOCKS]):
        block = block_of(header, number)
        k, at = block[Block.COLUMNS], block[Block.FIRST_VARIABLE]
        lower, d_root = further(space, block[Block.AT_LOWER]), further(space, block[Block.AT_D_ROOT])
        of_u = further(grad, block[Block.FIRST_Z])
        for level in range(block[Block.LEVELS]):
            for i in range(k):
                of_u[level * k + i] = d_u[at + level * k + i]
                for p in range(i, k):
                    d_root[p * k + i] += pull[at + level * k + p] * d_shift[at + level * k + i]
        roots_back(block, values, lower, d_root, slopes)
    return total
