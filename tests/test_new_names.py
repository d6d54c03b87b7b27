"""Every old method name of a fit leads to a method that exists, and is no method itself."""

from bayesglmm import Fit
from bayesglmm.old_names import OLD_NAMES


def test_the_new_names_exist_and_the_old_ones_do_not() -> None:
    new = ("epred", "group_means", "linpred", "outcomes", "random_effects", "varcorr", "zero_sd")
    assert [name for name in new if not hasattr(Fit, name)] == []
    assert [name for name in OLD_NAMES if hasattr(Fit, name)] == []
