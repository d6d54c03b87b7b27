import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from handmade import hand_made
from handmade import seizure_fit as made_by_hand

import bayesglmm as bg
from bayesglmm.errors import StorageError
from bayesglmm.posterior.saved import seal
from bayesglmm.specify.priors import Assigned

SAVED = Path(__file__).parents[1] / "saved"
"""Fits that earlier versions saved."""


@pytest.fixture
def saved(seizure_fit, tmp_path):
    return seizure_fit.save(tmp_path / "fit")


def manifest(folder, **changes):
    """Change what `fit.json` says, and give it the checksum of what it says then."""
    path = folder / "fit.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    content = {key: value for key, value in content.items() if value is not None}
    if content.pop("format") == 2 and content.pop("checksum"):
        path.write_bytes(seal(content))
    else:
        path.write_text(json.dumps({"format": changes.get("format", 1), **content}), encoding="utf-8")


def edit(folder, old, new):
    """Change the text of `fit.json`, as an editor does."""
    path = folder / "fit.json"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_loaded_fit_is_the_fit(seizure_fit, saved):
    loaded = bg.load(saved)
    assert loaded.draws.identical(seizure_fit.draws) or loaded.posterior.equals(seizure_fit.posterior)
    assert str(loaded) == str(seizure_fit)
    assert str(loaded.model) == str(seizure_fit.model)
    assert loaded.model.priors == seizure_fit.model.priors
    assert loaded.draws.attrs == seizure_fit.draws.attrs
    pd.testing.assert_frame_equal(loaded.varcorr(), seizure_fit.varcorr())


def test_predictions_after_loading_equal_those_before(seizure_fit, saved):
    new = pd.DataFrame({"trt": [0, 1], "time": [1, 1], "weeks": [2.0, 2.0], "id": [1, 99]})
    loaded = bg.load(saved)
    for frame in ("typical", "population", "new_group"):
        before = seizure_fit.epred(new, frame=frame, seed=1)
        xr.testing.assert_identical(before, loaded.epred(new, frame=frame, seed=1))


def test_saving_again_replaces_and_leaves_no_litter(seizure_fit, saved):
    before = sorted(path.name for path in saved.iterdir())
    seizure_fit.save(saved)
    assert sorted(path.name for path in saved.iterdir()) == before
    assert len(before) == 2


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
def test_a_crash_halfway_leaves_the_old(seizure_fit, saved, monkeypatch, step):
    old, before = bg.load(saved), sorted(saved.iterdir())
    changed = bg.Fit(seizure_fit.model, seizure_fit.draws.map_over_datasets(lambda part: part * 2 if part else part))
    monkeypatch.setattr(os, step, _crash)
    with pytest.raises(StorageError, match=r"could not be written.*disk full"):
        changed.save(saved)
    monkeypatch.undo()
    assert sorted(saved.iterdir()) == before
    assert bg.load(saved).posterior.equals(old.posterior)


def test_a_crash_the_first_time_leaves_nothing_to_load(seizure_fit, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", _crash)
    with pytest.raises(StorageError):
        seizure_fit.save(tmp_path / "new")
    with pytest.raises(StorageError, match="no saved fit"):
        bg.load(tmp_path / "new")
    monkeypatch.undo()
    assert bg.load(seizure_fit.save(tmp_path / "new")).posterior.equals(seizure_fit.posterior)


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
    "a strange formula": (
        lambda folder: manifest(folder, formula="y ~ x z"),
        "stored with the draws differs in formula",
    ),
    "other columns": (lambda folder: manifest(folder, coef=["Intercept"]), "stored with the draws differs in coef"),
    "another prior": (lambda folder: manifest(folder, priors={}), "stored with the draws differs in priors"),
    "another size": (lambda folder: manifest(folder, bytes=3), "checksum"),
    "no arrays": (lambda folder: manifest(folder, contents=[]), "contents is .., not a table"),
    "other arrays": (lambda folder: manifest(folder, contents={}), "other arrays"),
    "an edited formula": (lambda folder: edit(folder, "log(weeks)", "log10(weeks)"), "changed since it was saved"),
    "an edited prior": (lambda folder: edit(folder, "normal(0, 2.5)", "normal(0, 9.5)"), "changed since it was saved"),
    "an edited space": (lambda folder: edit(folder, '"family": ', '"family":  '), "changed since it was saved"),
    "an earlier format": (lambda folder: edit(folder, '"format": 2', '"format": 1'), "changed since it was saved"),
    "no checksum": (lambda folder: edit(folder, '"checksum"', '"check"'), "changed since it was saved"),
    "a key twice": (lambda folder: edit(folder, '"format": 2', '"format": 2, "format": 2'), "not the JSON"),
    "not UTF-8": (lambda folder: (folder / "fit.json").write_bytes(b'{"format": "\xff"}'), "not the JSON"),
    "nested too deep": (lambda folder: (folder / "fit.json").write_text("[" * 10**6), "not the JSON"),
    "a folder": (lambda folder: ((folder / "fit.json").unlink(), (folder / "fit.json").mkdir()), "no saved fit"),
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
    for place in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(StorageError, match="not a saved fit"):
            seizure_fit.save(place)
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


def test_labels_of_every_type_survive(tmp_path):
    data = pd.DataFrame({"y": np.arange(24.0) ** 2 % 7, "x": np.arange(24) % 5})
    columns = {
        "texts": np.resize(["", "é", "µ<b>", "-1"], 24),
        "numbers": np.resize([0.5, -1.0, 3e20, 1e-7], 24),
        "truths": np.resize([True, False], 24),
        "whole": np.resize([2**53 - 1, -5, 0], 24),
        "years": pd.to_datetime("1999-12-31") + pd.to_timedelta(np.resize([0, 1, 40], 24), unit="h"),
    }
    for name, column in columns.items():
        model = bg.glmm(f"y ~ x + (1 | factor({name}))", data.assign(**{name: column}), "gaussian")
        fit = hand_made(model, draws=4, chains=2)
        loaded = bg.load(fit.save(tmp_path / name))
        assert loaded.model.design.blocks[0].levels == model.design.blocks[0].levels
        assert loaded.posterior.equals(fit.posterior)


@pytest.mark.parametrize(("name", "value"), [("format1_seizure", 6.204487604028571), ("format1_columns", None)])
def test_fits_of_the_first_format_read_on(name, value, tmp_path):
    """Written by version 0.1.0, which had no checksum of `fit.json`."""
    loaded = bg.load(SAVED / name)
    if value is not None:  # what that version predicted before it saved the fit
        assert float(loaded.epred(frame="typical").mean()) == pytest.approx(value, rel=1e-12)
    else:
        assert loaded.model.event == "yes"
        assert loaded.model.design.columns.dropped == 1
        assert loaded.model.design.blocks[0].levels[0] == "2024-01-01"
    again = bg.load(loaded.save(tmp_path / "again"))
    assert str(again.model) == str(loaded.model)
    assert again.posterior.equals(loaded.posterior)


OLD_DAMAGE = {
    "formula": ({"formula": "count ~ trt * time + offset(log10(weeks)) + (1 + time | id)"}, "formula of the model"),
    "family": ({"family": "bernoulli", "link": "logit"}, "family of the model"),
    "no sd": ({"priors.sd": None}, "priors.sd is None, not a table"),
    "one sd": ({"priors.sd": {"id": [["exponential(2)", "default"]]}}, "list of 2 priors"),
    "strange sd": ({"priors.sd": {"id": [["normal(0, 1)", ""], ["exponential(2)", ""]]}}, "parameter that is positive"),
    "no such block": ({"priors.sd": {"site": []}}, "for id"),
    "no intercept": ({"priors.intercept": None}, "that of a model with this formula"),
    "centred": ({"priors.centred": "no"}, "true or false"),
    "preset": ({"priors.preset": 3}, "preset=3 is not an option"),
    "given": ({"priors.given": [[["slopes"], 3]]}, "not a text"),
    "dropped": ({"dropped": "some"}, "whole number"),
    "column names": ({"columns": [{"name": "count"}] * 5}, "different names"),
    "a column less": ({"columns": [{"name": "count"}]}, "no column 'trt'"),
    "a column more": ({"columns": [{"name": name} for name in "abcdef"]}, "column5"),
    "a column of dates": ({"columns": [{"name": "count", "dtype": "S1000000000"}]}, "dates or durations"),
    "no table": ({"columns": ["count"]}, "not a table"),
    "levels": ({"columns": [{"name": "count", "levels": [None]}]}, "list of texts"),
    "swapped names": ({"columns": [{"name": n} for n in ("count", "time", "trt", "weeks", "id")]}, "numbers of x"),
    "infinite": ({"dropped": float("inf")}, "not the JSON"),
}


@pytest.mark.parametrize("case", OLD_DAMAGE)
def test_edits_of_the_first_format_are_compared_with_the_draws_and_the_formula(case, tmp_path):
    changes, reason = OLD_DAMAGE[case]
    folder = shutil.copytree(SAVED / "format1_seizure", tmp_path / "fit")
    content = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    for path, value in changes.items():
        *outer, last = path.split(".")
        inner = content[outer[0]] if outer else content
        inner[last] = value
    (folder / "fit.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(StorageError, match=reason):
        bg.load(folder)


def test_draws_of_another_model_are_not_saved_with_this_one(seizure_fit, tmp_path):
    other = bg.glmm("count ~ trt + (1 | id)", bg.datasets.load("seizure"), "poisson")
    with pytest.raises(StorageError, match=r"formula of the model.* and of the draws.*differ"):
        bg.Fit(other, seizure_fit.draws).save(tmp_path / "fit")
    relabelled = seizure_fit.draws.copy()
    relabelled["posterior"] = xr.DataTree(seizure_fit.posterior.assign_coords(coef=list("abcd")))
    with pytest.raises(StorageError, match="labels of coef"):
        bg.Fit(seizure_fit.model, relabelled).save(tmp_path / "fit")
    assert not (tmp_path / "fit").exists()


def test_code_of_the_users_own_is_not_stored(tmp_path):
    fit = made_by_hand(draws=4, chains=2)
    mine = replace(fit.model.family, rows=lambda *_: 0.0)
    with pytest.raises(StorageError, match="'poisson' with the link 'log' is not the package's own"):
        bg.Fit(replace(fit.model, family=mine), fit.draws).save(tmp_path / "fit")
    with pytest.raises(StorageError, match="'mine'"):
        bg.Fit(replace(fit.model, family=replace(mine, name="mine")), fit.draws).save(tmp_path / "fit")

    class Own(bg.priors.Normal):
        text = "own"

    try:
        slopes = (Assigned(Own(0, 1), "mine"),) * 3
        model = replace(fit.model, priors=replace(fit.model.priors, slopes=slopes))
        with pytest.raises(StorageError, match=r"the prior own\(0, 1\) is not one of the package's"):
            bg.Fit(model, fit.draws).save(tmp_path / "fit")
    finally:
        del bg.priors.DISTRIBUTIONS["own"]


def test_a_model_that_would_not_read_back_is_not_saved(tmp_path):
    fit = made_by_hand(draws=4, chains=2)
    changed = replace(fit.model, design=replace(fit.model.design, x=fit.model.design.x * 2))
    with pytest.raises(StorageError, match="its columns would differ"):
        bg.Fit(changed, fit.draws).save(tmp_path / "fit")
    own = fit.draws.copy()
    own["columns"] = xr.DataTree(xr.Dataset({"a": 1}))
    with pytest.raises(StorageError, match="a group of their own called 'columns'"):
        bg.Fit(fit.model, own).save(tmp_path / "fit")


def test_nothing_is_pickled(saved):
    assert not any(b"pickle" in path.read_bytes() or path.suffix == ".pkl" for path in saved.iterdir())
