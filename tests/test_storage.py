import json
import os

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesglmm as bg
from bayesglmm import storage
from bayesglmm.errors import StorageError


@pytest.fixture
def saved(seizure_fit, tmp_path):
    return seizure_fit.save(tmp_path / "fit")


def manifest(folder, **changes):
    path = folder / "fit.json"
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_a_loaded_fit_is_the_fit(seizure_fit, saved):
    loaded = bg.load(saved)
    assert loaded.draws.identical(seizure_fit.draws) or loaded.posterior.equals(seizure_fit.posterior)
    assert str(loaded) == str(seizure_fit)
    assert str(loaded.model) == str(seizure_fit.model)
    assert loaded.model.priors == seizure_fit.model.priors
    assert loaded.draws.attrs == seizure_fit.draws.attrs
    pd.testing.assert_frame_equal(loaded.covariance(), seizure_fit.covariance())


def test_predictions_after_loading_equal_those_before(seizure_fit, saved):
    new = pd.DataFrame({"trt": [0, 1], "time": [1, 1], "weeks": [2.0, 2.0], "id": [1, 99]})
    loaded = bg.load(saved)
    for frame in ("typical", "population", "new_group"):
        before = seizure_fit.predict(new, frame=frame, seed=1)
        xr.testing.assert_identical(before, loaded.predict(new, frame=frame, seed=1))


def test_saving_again_replaces_and_leaves_no_litter(seizure_fit, saved):
    before = sorted(path.name for path in saved.iterdir())
    seizure_fit.save(saved)
    assert sorted(path.name for path in saved.iterdir()) == before
    assert len(before) == 2


@pytest.mark.parametrize("step", ["_write_arrays", "_replace"])
def test_a_crash_halfway_leaves_the_old(seizure_fit, saved, monkeypatch, step):
    old = bg.load(saved)
    changed = bg.Fit(seizure_fit.model, seizure_fit.draws.map_over_datasets(lambda part: part * 2 if part else part))
    monkeypatch.setattr(os, "replace" if step == "_replace" else "fsync", _crash)
    with pytest.raises(StorageError, match="could not be written"):
        changed.save(saved)
    monkeypatch.undo()
    assert bg.load(saved).posterior.equals(old.posterior)


def test_a_crash_the_first_time_leaves_nothing_to_load(seizure_fit, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_replace", _crash)
    with pytest.raises(StorageError):
        seizure_fit.save(tmp_path / "new")
    with pytest.raises(StorageError, match="no saved fit"):
        bg.load(tmp_path / "new")


def _crash(*_):
    raise OSError("disk full")


DAMAGE = {
    "flipped byte": (lambda folder: _flip(next(folder.glob("draws-*.nc"))), "checksum"),
    "missing draws": (lambda folder: next(folder.glob("draws-*.nc")).unlink(), "missing"),
    "not json": (lambda folder: (folder / "fit.json").write_text("{"), "not the JSON"),
    "a list": (lambda folder: (folder / "fit.json").write_text("[]"), "not the JSON"),
    "a later format": (lambda folder: manifest(folder, format=99), "format 99"),
    "a key lost": (lambda folder: manifest(folder, priors=None), "lacks priors"),
    "a path out of the folder": (lambda folder: manifest(folder, arrays="../draws.nc"), "missing"),
    "a strange formula": (lambda folder: manifest(folder, formula="y ~ x z"), "cannot be read"),
    "other columns": (lambda folder: manifest(folder, coef=["Intercept"]), "coded its columns otherwise"),
}


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_refused_with_its_reason(saved, case):
    damage, reason = DAMAGE[case]
    damage(saved)
    with pytest.raises(StorageError, match=reason):
        bg.load(saved)


def test_a_folder_of_something_else_is_left_alone(seizure_fit, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match="not a saved fit"):
        seizure_fit.save(tmp_path)
    with pytest.raises(StorageError, match="no saved fit"):
        bg.load(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_every_kind_of_column_survives(tmp_path):
    rng = np.random.default_rng(1)
    n = 48
    data = pd.DataFrame(
        {
            "y": rng.choice(["no", "yes"], n),
            "flag": rng.random(n) < 0.5,
            "dose": pd.Categorical(rng.choice(["low", "high"], n), categories=["low", "high", "never"]),
            "whole": rng.integers(0, 5, n),
            "x": rng.normal(size=n),
            "tag": pd.Categorical(rng.integers(1, 4, n)),
            "day": pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 6, n), unit="D"),
        }
    )
    data.loc[3, "x"] = np.nan
    model = bg.glmm("y ~ flag + dose + whole + poly(x, 2) + tag + (1 | day)", data, "bernoulli", missing="drop")
    draws = xr.DataTree.from_dict({"posterior": xr.Dataset({"beta": (("chain", "draw"), np.zeros((1, 2)))})})
    loaded = bg.load(bg.Fit(model, draws).save(tmp_path / "fit")).model
    assert str(loaded) == str(model)
    assert loaded.event == "yes"
    for ours, theirs in (
        (loaded.design, model.design),
        (loaded.design.on(data.head(3)), model.design.on(data.head(3))),
    ):
        np.testing.assert_array_equal(ours.x, theirs.x)
        np.testing.assert_array_equal(ours.blocks[0].index, theirs.blocks[0].index)
        assert ours.blocks[0].levels == theirs.blocks[0].levels
    np.testing.assert_array_equal(loaded.design.columns.rows, model.design.columns.rows)


def test_nothing_is_pickled(saved):
    assert not any(b"pickle" in path.read_bytes() or path.suffix == ".pkl" for path in saved.iterdir())
