"""Settings are checked when made; a seed is chosen once."""

import pytest

from bayesglmm.errors import OptionError
from bayesglmm.sample.settings import Sampler


def test_a_seed_is_chosen_and_recorded():
    chosen = Sampler().seeded()
    assert chosen.seed is not None
    assert chosen.seeded() == chosen


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("draws", 0),
        ("draws", 2.5),
        ("tune", -1),
        ("chains", True),
        ("cores", 0),
        ("seed", -1),
        ("seed", "one"),
        ("target_accept", 1.0),
        ("target_accept", "high"),
        ("max_treedepth", 99),
        ("prior_only", "yes"),
        ("partial", 1),
        ("backend", "stan"),
    ],
)
def test_settings_out_of_range_name_the_setting(option, value):
    with pytest.raises(OptionError, match=option):
        Sampler(**{option: value})
