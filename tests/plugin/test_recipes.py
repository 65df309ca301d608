"""Recipes: which tables apply, in which order they are merged, and published numbers."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from plugin_packages import IMPORT, place

from workbench.errors import PluginError, UsageError
from workbench.plugin import recipes
from workbench.plugin import registry as registries
from workbench.plugin.recipes import (
    Condition,
    matching_number,
    published_numbers,
    recipe_place,
    recipe_settings,
    spread_words,
    ways_and_shots,
)
from workbench.plugin.registry import Registration

TINY = Registration("algorithms", "tiny", "a:Tiny", "tests", "tests", "tests")
TINIER = Registration(
    "algorithms", "tinier", "a:Tiny", "tests", "tests", "tests", {"depth": 1, "wide": False}, "tiny"
)
ONE_SHOT = {"data": "x", "ways": 5, "shots": 1}


@pytest.fixture
def tables(monkeypatch):
    """The content of a recipes.toml, to be filled by a test."""
    content = {}
    monkeypatch.setattr(recipes, "_read", lambda _: content)
    return content


def test_the_file_is_beside_the_module_of_the_entry_point(load, tmp_path):
    code = (
        "@hookimpl\ndef register_algorithms(register): register('a', 'a:A'); register('b', 'a:A')"
    )
    place(tmp_path, "mlw-left", "", hooks=IMPORT + code)
    text = "[[a]]\nquick = { steps = 3 }\n[b]\n"
    (tmp_path / "mlw_left" / "recipes.toml").write_text(text, encoding="utf-8")
    registry = registries.load([EntryPoint("left", "mlw_left.hooks", "mlw")])
    assert recipe_settings(registry.find("algorithms", "a"), "quick", "x", 5, 1) == {"steps": 3}
    with pytest.raises(PluginError, match=r"has \[b\], a single table; write \[\[b\]\]"):
        recipe_settings(registry.find("algorithms", "b"), "quick", "x", 5, 1)


def test_a_specific_table_overrides_a_general_one(tables):
    tables["tiny"] = [
        {**ONE_SHOT, "quick": {"lr": 3}},
        {"quick": {"lr": 1, "steps": 1, "depth": 1}},
        {"data": "x", "quick": {"lr": 2, "steps": 2}},
        {"data": "y", "quick": {"lr": 4}},
    ]
    settings = recipe_settings(TINY, "quick", "x", 5, 1)
    assert settings == {"lr": 3, "steps": 2, "depth": 1}
    assert recipe_settings(TINY, "quick", "x", 5, 5) == {"lr": 2, "steps": 2, "depth": 1}


def test_an_alias_has_the_recipes_of_its_base_then_its_options_then_its_own_recipes(tables):
    tables["tiny"] = [
        {"data": "x", "quick": {"depth": 9, "steps": 5, "lr": 1.0}},
        {"quick": {"steps": 3}},
    ]
    tables["tinier"] = [{"quick": {"lr": 0.5}}]
    options = {"depth": 1, "wide": False}
    assert recipe_settings(TINIER, "quick", "x", 5, 1) == options | {"steps": 5, "lr": 0.5}
    assert recipe_settings(TINIER, "quick", "y", 5, 1) == options | {"steps": 3, "lr": 0.5}
    tables.clear()
    assert recipe_settings(TINIER, "quick", "y", 5, 1) == options


def test_a_missing_paper_recipe_is_an_error_that_says_where_there_is_one(tables):
    tables["tiny"] = [{**ONE_SHOT, "paper": {"lr": 1}}, {"quick": {"lr": 2}}]
    sentence = "tiny has no recipe 'paper' for y 5-way 1-shot; it has one for: x 5-way 1-shot"
    with pytest.raises(UsageError, match=sentence):
        recipe_settings(TINY, "paper", "y", 5, 1)
    assert recipe_settings(TINY, "paper", "y", 5, 1, optional=True) == {}
    with pytest.raises(UsageError, match=r"no recipe 'slow'\. Available: quick, paper"):
        recipe_settings(TINY, "slow", "x", 5, 1)


def test_places_in_words():
    assert recipe_place({}) == "any data set"
    assert recipe_place({"data": "x", "shots": 5}) == "x any-way 5-shot"
    assert ways_and_shots(5, 1) == "5-way 1-shot"
    assert ways_and_shots(None, None) == "varying ways and shots"


def test_published_numbers_of_an_alias_are_those_of_its_base_with_its_options(tables):
    with_options = {"accuracy": 70, "source": "a", "options": "depth=1,wide=false"}
    tables["tiny"] = [
        {**ONE_SHOT, "published": {"accuracy": 60, "source": "a"}},
        {**ONE_SHOT, "published": with_options},
    ]
    tables["tinier"] = [{**ONE_SHOT, "published": {"accuracy": 80, "source": "b"}}]
    assert [number.accuracy for number in published_numbers(TINY)] == [60, 70]
    assert [number.accuracy for number in published_numbers(TINIER)] == [70, 80]
    assert published_numbers(TINIER)[0].options == {}


def test_ways_and_shots_may_be_missing_where_a_protocol_varies_them(tables):
    number = {"accuracy": 60, "source": "a"}
    tables["tiny"] = [{"data": "x", "published": {**number, "drawn": "meta-dataset"}}]
    (found,) = published_numbers(TINY)
    assert (found.ways, found.shots, found.drawn) == (None, None, "meta-dataset")
    assert found.trained_on == ("x",)
    tables["tiny"] = [{"data": "x", "published": number}]
    with pytest.raises(PluginError, match="needs data, ways and shots beside it"):
        published_numbers(TINY)


@pytest.mark.parametrize("given", [{"accuracy": 60}, {"accuracy": 60, "source": "a", "sauce": "b"}])
def test_an_incomplete_published_number_is_an_error(tables, given):
    tables["tiny"] = [{**ONE_SHOT, "published": given}]
    with pytest.raises(PluginError, match="accuracy and source in it"):
        published_numbers(TINY)


@pytest.mark.parametrize("kind", ["interval", "sd", "se", "spread"])
def test_the_key_says_what_the_spread_of_a_published_number_is(tables, kind):
    number = {"accuracy": 60, "source": "a"}
    tables["tiny"] = [{**ONE_SHOT, "published": {**number, kind: 0.5}}]
    (found,) = published_numbers(TINY)
    assert (found.spread, found.spread_kind) == (0.5, kind)
    assert bool(spread_words(kind)) == (kind != "interval")


def test_a_published_number_has_one_spread(tables):
    number = {"accuracy": 60, "source": "a", "sd": 0.5, "interval": 0.6}
    tables["tiny"] = [{**ONE_SHOT, "published": number}]
    with pytest.raises(PluginError, match="only one of interval, sd, se, spread"):
        published_numbers(TINY)


HERE = Condition(("x",), "x", "way-shot", 5, 1)


def accuracy_of(options, condition, backbone="conv4"):
    number = matching_number(TINY, options, condition, backbone)
    return number and number.accuracy


def test_the_number_of_the_options_that_a_result_has_comes_first(tables):
    tables["tiny"] = [
        {**ONE_SHOT, "published": {"accuracy": 60, "source": "a"}},
        {**ONE_SHOT, "published": {"accuracy": 70, "source": "a", "options": "wide=true"}},
    ]
    assert accuracy_of({}, HERE) == 60
    assert accuracy_of({"wide": True, "depth": 2}, HERE) == 70
    assert accuracy_of({"wide": "true"}, HERE) == 70
    assert accuracy_of({"wide": False}, HERE) == 60


def test_a_number_is_that_of_the_same_data_tasks_and_backbone(tables):
    given = {"accuracy": 60, "source": "a", "backbone": "conv4"}
    several = {"accuracy": 50, "source": "a", "train_on": ["y", "z"], "drawn": "meta-dataset"}
    tables["tiny"] = [{**ONE_SHOT, "published": given}, {"data": "x", "published": several}]
    assert accuracy_of({}, HERE) == 60
    assert accuracy_of({}, HERE, "conv4:width=32") is None
    for other in (
        {"trained_on": ("x:size=3",)},
        {"trained_on": ("x", "y")},
        {"test_on": "y"},
        {"protocol": "unbalanced"},
        {"ways": 20},
        {"shots": None},
        {"instance": 2},
    ):
        assert accuracy_of({}, HERE._replace(**other)) is None
    varying = Condition(("y:size=3", "z"), "x", "meta-dataset", None, None)
    assert accuracy_of({}, varying) == 50
    assert accuracy_of({}, varying._replace(trained_on=("z", "y"))) is None


def test_a_number_of_one_question_is_that_of_the_same_question(tables):
    first = {"accuracy": 36, "source": "a", "drawn": "prequential", "instance": 1}
    second = {**first, "accuracy": 83, "instance": 2}
    tables["tiny"] = [{**ONE_SHOT, "published": first}, {**ONE_SHOT, "published": second}]
    sequence = HERE._replace(protocol="prequential")
    found = [accuracy_of({}, sequence._replace(instance=number)) for number in (0, 1, 2, 3)]
    assert found == [None, 36, 83, None]


@pytest.mark.parametrize("instance", [0, -1, True, "2", 1.0])
def test_a_question_is_numbered_from_one(tables, instance):
    number = {"accuracy": 36, "source": "a", "instance": instance}
    tables["tiny"] = [{**ONE_SHOT, "published": number}]
    with pytest.raises(PluginError, match=r"instance = .* must be a whole number from 1"):
        published_numbers(TINY)
