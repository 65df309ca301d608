"""Recipes: training settings and published numbers of algorithms, in a plugin's `recipes.toml`.

    [[protonet]]                       # for any data set, ways and shots
    quick = { backbone = "conv4", train_ways = 20, lr = 1e-3 }

    [[protonet]]                       # overrides the table above where it applies
    data = "omniglot"
    ways = 5
    shots = 1
    paper = { train_ways = 60, steps = 20000 }
    published = { accuracy = 98.8, source = "arXiv 1703.05175, table 1", protocol = "..." }

`quick` takes minutes on two CPU cores; `paper` is what the authors did. Their keys are options of
the algorithm, training settings, and `backbone`, a spec, or "none" for a method without one.

A recipe is merged from all tables that apply, later ones overriding earlier ones:

1. for an alias (a name registered with options), the tables of its base, from general to specific;
2. for an alias, the options that its name sets;
3. the algorithm's own tables, from general to specific.

What a published number's ± is, its key says: `interval` (of 95%), `sd` (the standard deviation over
trainings), `se` (the standard error of the mean), or `spread` where the source does not say.

A published number may have the `options` of the algorithm that it was measured with
("first_order=true"), the data sets that the algorithm was trained on if they are others
(`train_on`), and the protocol that drew the test tasks (`drawn`). With `drawn`, the table may omit
`ways` and `shots`: they vary. Where the protocol asks several times within a task, `instance` is
the number of the question.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from workbench.errors import PluginError, UsageError
from workbench.plugin.nearest import nearest_spec
from workbench.plugin.options import option_text, parse_options, parse_spec
from workbench.plugin.packages import package_folders
from workbench.plugin.recipe_form import check_table
from workbench.plugin.registry import DEFAULT_PROTOCOL, Registration

Table = dict[str, Any]  # one [[algorithm]] of a recipes.toml

RECIPES = ("quick", "paper")
_PLACE = ("data", "ways", "shots")  # keys that say where a table applies
# settings that name things
RECIPE_NAMES = {"backbone": "backbones", "init": "algorithms", "teachers": "algorithms"}
_REQUIRED = {"accuracy", "source"}
# What the ± of a published number is, by its key in a recipes.toml.
SPREADS = {
    "interval": "95% interval",
    "sd": "standard deviation over trainings",
    "se": "standard error of the mean",
    "spread": "the source does not say of what",
}
_OPTIONAL = {*SPREADS, "backbone", "protocol", "options", "train_on", "drawn", "instance"}


class Published(NamedTuple):
    """A number from the literature, in percent as printed."""

    data: str  # the test data set
    ways: int | None  # None where they vary
    shots: int | None  # None where they vary
    accuracy: float
    spread: float | None  # the number behind ±
    spread_kind: str  # what it is: a key of `SPREADS`; "" without one
    source: str
    backbone: str  # a spec; "" for any
    protocol: str  # how the authors' procedure differs
    options: dict[str, str]  # of the algorithm, as in a spec
    trained_on: tuple[str, ...]  # the training data sets
    drawn: str  # the protocol that drew the test tasks
    instance: int  # 0 where there is one question per task


class Condition(NamedTuple):
    """Where an accuracy was measured: the data, and the shape of the test tasks."""

    trained_on: tuple[str, ...]  # specs of the training data sets
    test_on: str  # a spec
    protocol: str  # a spec
    ways: int | None  # None where they vary
    shots: int | None  # None where they vary
    instance: int = 0  # 0 where there is one question per task


def ways_and_shots(ways: int | None, shots: int | None, instance: int = 0) -> str:
    """Return the shape of tasks in words, "5-way 1-shot". None: it varies."""
    if ways is None:
        return "varying ways and shots"
    if instance > 0:
        return f"{ways}-way {shots}-shot, instance {instance}"
    return f"{ways}-way {shots}-shot"


def spread_words(kind: str) -> str:
    """Return what the ± of a published number is, where it is no interval; otherwise nothing."""
    if kind in ("", "interval"):
        return ""
    return f"±: {SPREADS[kind]}"


def check_recipe_name(recipe: str) -> None:
    """Raises `UsageError` if no method can have a recipe of this name."""
    if recipe not in RECIPES:
        raise UsageError(f"There is no recipe {recipe!r}. Available: {', '.join(RECIPES)}")


def recipe_settings(
    registration: Registration,
    recipe: str,
    data: str,
    ways: int,
    shots: int,
    *,
    optional: bool = False,
) -> dict[str, Any]:
    """Return the settings of an algorithm's recipe for a data set, ways and shots.

    Args:
        optional: return what the algorithm's name sets if the plugin has no such recipe. For an
            algorithm that is trained first because another one's recipe names it with all its
            settings (`init = "baseline:lr=0.03"`).

    Raises:
        UsageError: the plugin has no such recipe here; the message says where it has one.
    """
    check_recipe_name(recipe)
    place = {"data": data, "ways": ways, "shots": shots}
    base_tables = _applying(_base_tables(registration), recipe, place)
    own_tables = _applying(_own_tables(registration), recipe, place)
    if not base_tables and not own_tables and recipe == "paper" and not optional:
        raise _no_recipe(registration, recipe, place)
    settings: dict[str, Any] = {}
    for table in base_tables:
        settings |= table[recipe]
    settings |= registration.preset
    for table in own_tables:
        settings |= table[recipe]
    for key, kind in RECIPE_NAMES.items():
        if isinstance(settings.get(key), str):
            settings[key] = nearest_spec(kind, settings[key], registration)
    return settings


def published_numbers(registration: Registration) -> list[Published]:
    """Return all published numbers of an algorithm; for an alias, its base's with its options too.

    Raises:
        PluginError: a published number is incomplete.
    """
    numbers = []
    preset = {key: option_text(value) for key, value in registration.preset.items()}
    for number in _published(registration, _base_tables(registration)):
        if number.options == preset:
            numbers.append(number._replace(options={}))
    return numbers + _published(registration, _own_tables(registration))


def matching_number(
    registration: Registration, options: Mapping[str, Any], condition: Condition, backbone: str
) -> Published | None:
    """Return the published number of a result, or None if there is none.

    If some published numbers are for options that the result has, only those count.

    Args:
        options: all options of the algorithm, as values or as text.
        condition: where the result was measured.
        backbone: its spec.
    """
    texts = {key: option_text(value) for key, value in options.items()}
    fitting = []
    for number in published_numbers(registration):
        if number.options.items() <= texts.items():
            fitting.append(number)
    specific = [number for number in fitting if number.options]
    for number in specific or fitting:
        if number.backbone in ("", backbone) and _same_condition(number, condition):
            return number
    return None


def recipe_tables(registration: Registration) -> list[Table]:
    """Return all tables of an algorithm, the base's first for an alias, in the plugin's order."""
    return [*_base_tables(registration), *_own_tables(registration)]


def recipe_names(package: str) -> list[str]:
    """Return the names of all that a plugin's recipes.toml has recipes for."""
    return list(_read(package))


def recipe_place(table: Table) -> str:
    """Return where a table applies, for people: "omniglot 5-way 1-shot"."""
    if not any(key in table for key in _PLACE):
        return "any data set"
    ways, shots = table.get("ways", "any"), table.get("shots", "any")
    return f"{table.get('data', 'any data set')} {ways}-way {shots}-shot"


def _applying(tables: Sequence[Table], recipe: str, place: Mapping[str, object]) -> list[Table]:
    """Return the tables that have a recipe for a place, from general to specific."""
    applying = []
    for table in tables:
        if recipe in table and all(table.get(key, place[key]) == place[key] for key in _PLACE):
            applying.append(table)
    return sorted(applying, key=_specificity)


def _specificity(table: Table) -> int:
    return len(table.keys() & set(_PLACE))


def _no_recipe(registration: Registration, recipe: str, place: Mapping[str, object]) -> UsageError:
    tables = recipe_tables(registration)
    places = sorted({recipe_place(table) for table in tables if recipe in table})
    return UsageError(
        f"{registration.name} has no recipe {recipe!r} for {recipe_place(dict(place))}; "
        f"it has one for: {'; '.join(places) or 'nothing'}. Omit --recipe to use the quick one"
    )


def _same_condition(number: Published, condition: Condition) -> bool:
    tasks = (condition.test_on, condition.protocol, condition.ways, condition.shots)
    if (number.data, number.drawn, number.ways, number.shots) != tasks:
        return False
    if number.instance != condition.instance:
        return False
    if number.trained_on == (number.data,):
        return number.trained_on == condition.trained_on
    # for training data, options such as the image size need not match
    names = tuple(parse_spec(spec).name for spec in condition.trained_on)
    return number.trained_on == names


def _published(registration: Registration, tables: Sequence[Table]) -> list[Published]:
    return [_read_published(registration, table) for table in tables if "published" in table]


def _read_published(registration: Registration, table: Table) -> Published:
    given = table["published"]
    _require_complete(registration, table, given)
    spread_kind = next((kind for kind in SPREADS if kind in given), "")
    trained_on = given.get("train_on", table["data"])
    if isinstance(trained_on, str):
        trained_on = [trained_on]
    return Published(
        data=table["data"],
        ways=table.get("ways"),
        shots=table.get("shots"),
        accuracy=float(given["accuracy"]),
        spread=given.get(spread_kind),
        spread_kind=spread_kind,
        source=given["source"],
        backbone=given.get("backbone", ""),
        protocol=given.get("protocol", ""),
        options=parse_options(given.get("options", "")),
        trained_on=tuple(nearest_spec("datasets", name, registration) for name in trained_on),
        drawn=given.get("drawn", DEFAULT_PROTOCOL),
        instance=given.get("instance", 0),
    )


def _require_complete(registration: Registration, table: Table, given: Table) -> None:
    placed = {"data", "ways", "shots"} <= table.keys()
    varying = "data" in table and "drawn" in given
    allowed = _REQUIRED | _OPTIONAL
    one_spread = len(SPREADS.keys() & given.keys()) <= 1
    if (placed or varying) and one_spread and _REQUIRED <= given.keys() <= allowed:
        return
    raise PluginError(
        f"published in [[{registration.name}]] of {registration.package}/recipes.toml needs "
        "data, ways and shots beside it (ways and shots may vary where it has drawn), and "
        f"accuracy and source in it; it may have: {', '.join(sorted(allowed))}, "
        f"but only one of {', '.join(SPREADS)}"
    )


def _own_tables(registration: Registration) -> list[Table]:
    return _tables(registration, registration.name)


def _base_tables(registration: Registration) -> list[Table]:
    """Return the tables of an alias's base; none for a name that is no alias."""
    if not registration.base:
        return []
    return _tables(registration, registration.base)


def _tables(registration: Registration, name: str) -> list[Table]:
    """Return the tables of a name, checked; data sets have the names that the plugin means."""
    package = registration.package
    tables = _read(package).get(name, [])
    if not isinstance(tables, list):
        raise PluginError(f"{package}/recipes.toml has [{name}], a single table; write [[{name}]]")
    meant = []
    for table in tables:
        check_table(table, f"[[{name}]] of {package}/recipes.toml")
        if "data" in table:
            table = {**table, "data": nearest_spec("datasets", table["data"], registration)}
        meant.append(table)
    return meant


@cache
def _read(package: str) -> dict[str, list[Table]]:
    """Return the content of a package's recipes.toml; nothing if it has none."""
    for folder in package_folders(package):
        path = Path(folder) / "recipes.toml"
        if path.is_file():
            try:
                return tomllib.loads(path.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise PluginError(f"{package}/recipes.toml is not valid: {error}") from error
    return {}
