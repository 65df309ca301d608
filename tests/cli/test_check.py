"""`mlw check`: each of ten deliberately wrong learners is named, and a sound plugin is not."""

from __future__ import annotations

import json

import pytest
import registered
from plugin_packages import IMPORT, place
from ten_faults import TEN
from wrong_learners import Right

from workbench.plugin.registry import registry


@pytest.fixture
def method(monkeypatch):
    """Return a function that registers a class of learner as `method`."""
    monkeypatch.setattr("workbench.plugin.recipes._read", lambda _: {"method": [{"quick": {}}]})

    def register(target):
        registered.register(monkeypatch, "algorithms", "method", target)

    return register


def rows_of(mlw, *words):
    code, output, _ = mlw("check --json", *words)
    return code, json.loads(output)


def test_there_are_ten():
    assert len(TEN) == 10


@pytest.mark.parametrize("name", TEN)
def test_each_of_ten_wrong_learners_is_named(name, mlw, method):
    method(TEN[name])
    code, rows = rows_of(mlw, "method")
    assert code == 1
    broken = [row for row in rows if row["held"] is False]
    assert [row["check"] for row in broken] == [name]
    assert broken[0]["came"]
    assert broken[0]["mend"]


def test_what_follows_from_a_fault_is_not_asked(mlw, method):
    method(TEN["unchanged"])
    rows = {row["check"]: row for row in rows_of(mlw, "method")[1]}
    for name in ("tasks apart", "deterministic", "query labels", "device"):
        assert rows[name]["held"] is None
        assert rows[name]["came"] == "unchanged did not hold"
    assert rows["resuming"]["held"] is True


def test_a_sound_learner_is_a_table_of_what_held(mlw, method):
    method(Right)
    code, output, errors = mlw("check method")
    assert code == 0
    assert "method · algorithm of tests: 19 held, 2 not asked" in output
    assert "not asked: it does not say batched = True" in output
    assert "how to mend it" not in output
    assert errors == "checking the algorithm method ...\n"


def test_the_table_says_how_to_mend_what_did_not_hold(mlw, method):
    method(TEN["transductive"])
    code, output, _ = mlw("check method")
    assert code == 1
    words = " ".join(output.split())
    assert "18 held, 1 did not hold, 2 not asked" in words
    assert "how to mend it" in words
    assert "did not hold: a prediction depends on the other queries" in words


def test_backbones_and_data_sets(mlw):
    code, output, _ = mlw("check conv4 koch glyphs omniglot")
    assert code == 0
    assert "conv4 · backbone of mlw-vision: 4 held" in output
    assert "koch · backbone of mlw-vision: 4 held" in output  # on images that are large enough
    assert "glyphs · data set of mlw-vision: 4 held" in output
    assert "omniglot · data set of mlw-vision: 1 held, 3 not asked" in output
    assert "not asked: omniglot is not downloaded; run: mlw download omniglot" in output


def test_a_package_is_checked_with_all_that_it_registers(mlw, tmp_path, monkeypatch):
    code = IMPORT + "@hookimpl\ndef register_backbones(register): register('a', 'mlw_a.a:A')"
    place(tmp_path / "site", "mlw-a", code, a="class B: ...")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.cache_clear()
    status, rows = rows_of(mlw, "mlw-a")
    registry.cache_clear()
    assert status == 1
    found = {(row["kind"], row["check"]): row for row in rows}
    assert found["plugin", "loads"]["held"] is True
    assert "which cannot be imported" in found["plugin", "sound"]["came"]
    assert "which cannot be imported" in found["backbone", "constructor"]["came"]
    assert found["backbone", "features"]["held"] is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("protonett", "There is no algorithm, backbone, data set or plugin 'protonett'. Did you"),
        ("protonet:temprature=2", "protonet has no option 'temprature'. Did you mean temperature?"),
        ("conv4:width=0", "Invalid value conv4:width=0: must be at least 1"),
        ("", "mlw check needs a word more, for instance: mlw check protonet"),
        ("protonet,maml", "'protonet,maml' is not one name"),
    ],
)
def test_a_name_that_is_none_is_one_sentence(words, sentence, mlw):
    code, output, errors = mlw(f"check {words}")
    assert (code, output) == (2, "")
    assert sentence in errors
    assert errors.count("\n") == 1
