"""The step between draws: one within the budget, wider beyond it, none where even the fewest draws exceed it."""

import pytest

from bayesglmm.sensitivity.thinning import Budget, step_for_count, step_within

BUDGET = Budget(10_000, 50, 500)


@pytest.mark.parametrize(
    ("total", "cost", "draws", "multiple", "step"),
    [
        (1000, 10, None, 1, 1),  # 10,000 evaluations: within
        (1000, 25, None, 1, 3),  # 25,000: a third of the draws
        (1000, 800, None, 1, 20),  # 50 draws at least, four times the budget
        (1000, 801, None, 1, None),  # more than that
        (1000, 10, 100, 1, 10),  # as many draws as the user wants
        (1000, 25, None, 4, 4),  # only at draws of the coarser step
    ],
)
def test_the_step_keeps_within_the_budget(total, cost, draws, multiple, step) -> None:
    assert step_within(BUDGET, total, cost, draws, multiple) == step


@pytest.mark.parametrize(("cost", "draws", "step"), [(10, None, 2), (100, None, 10), (1000, None, 20), (10, 250, 4)])
def test_the_count_lies_between_the_fewest_and_the_most(cost, draws, step) -> None:
    assert step_for_count(BUDGET, 1000, cost, draws) == step
