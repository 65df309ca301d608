"""Recipes: a plugin's settings and published numbers, as data in its `recipes.toml`.

    [[protonet]]                       # for every data set, way and shot
    quick = { backbone = "conv4", train_ways = 20, lr = 1e-3 }

    [[protonet]]                       # wins over the one above where it applies
    data = "omniglot"
    ways = 5
    shots = 1
    paper = { train_ways = 60, steps = 20000 }
    published = { accuracy = 98.8, source = "arXiv 1703.05175, table 1", protocol = "..." }

A published number may say with which `options` of the algorithm it was reached ("first_order=true"), on which other
data set it was trained (`train_on`), and how its tasks were drawn if not by way and shot (`drawn`).

An alias (a name that a plugin registers with options set) begins with the recipes of its base.

`quick` is for minutes on two cores, `paper` is what the authors did. Keys are the algorithm's options,
training settings, and `backbone`, a spec. What applies is merged, the more general first.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from workbench.errors import PluginError, UsageError
from workbench.plugin.options import TOGETHER, option_text, parse_spec
from workbench.plugin.registry import Registration

RECIPES = ("quick", "paper")
_WHERE = ("data", "ways", "shots")
_PUBLISHED = {
    "accuracy",
    "interval",
    "source",
    "backbone",
    "protocol",
    "options",
    "train_on",
    "drawn",
}


def ways_and_shots(ways: int, shots: int) -> str:
    """The form of tasks in words; 0 says that it varies."""
    return f"{ways}-way {shots}-shot" if ways else "varying ways and shots"


class Published(NamedTuple):
    """A number from the literature, in percent as printed."""

    data: str
    ways: int
    shots: int
    accuracy: float
    interval: float | None
    source: str
    backbone: str  # a spec, as far as it matters
    protocol: str  # what was done differently, or deserves to be known
    options: dict[str, str]  # of the algorithm, where it has several numbers
    train_on: str  # the data set that it was trained on
    drawn: str  # how the tasks were drawn: "way-shot", or another protocol

    @property
    def text(self) -> str:
        """As it is printed: "98.7 ± 0.4"."""
        return f"{self.accuracy:g}" + (f" ± {self.interval:g}" if self.interval is not None else "")


def recipe_settings(
    entry: Registration, name: str, data: str, ways: int, shots: int, *, spelled_out: bool = False
) -> dict[str, Any]:
    """What a recipe says for an algorithm at (data set, ways, shots), the most specific winning.

    Args:
        spelled_out: whether there need be none, because another method's recipe gives the settings of its start.

    Raises:
        UsageError: the plugin has no such recipe there; the message says where it has one.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no recipe {name!r}; there are: {', '.join(RECIPES)}")
    known, own = recipe_tables(entry), own_tables(entry)
    here = {"data": data, "ways": ways, "shots": shots}
    applies = [
        t for t in known if name in t and all(t.get(key, here[key]) == here[key] for key in _WHERE)
    ]
    if not applies and (name == "quick" or spelled_out):
        return dict(entry.preset)
    if not applies:
        have = sorted({recipe_place(t) for t in known if name in t})
        raise UsageError(
            f"{entry.name} has no recipe {name!r} for {data}, {ways}-way {shots}-shot; "
            f"it has one for: {'; '.join(have) or 'nothing'}. Leave --recipe out for the quick one"
        )
    merged: dict[str, Any] = {}
    ranked = sorted(applies, key=lambda t: sum(key in t for key in _WHERE))
    for table in [t for t in ranked if t not in own]:
        merged |= table[name]
    merged |= entry.preset  # an alias is what its name says, whatever the recipe of its base
    for table in [t for t in ranked if t in own]:
        merged |= table[name]
    return merged


def published_numbers(entry: Registration) -> list[Published]:
    """All published numbers that the plugin knows for an algorithm; for an alias, its base's with its options."""
    if entry.base:
        preset = {key: option_text(value) for key, value in entry.preset.items()}
        of_base = _published(entry, _tables(entry, entry.base))
        aliased = [n._replace(options={}) for n in of_base if n.options == preset]
        return aliased + _published(entry, own_tables(entry))
    return _published(entry, own_tables(entry))


def matching_number(
    entry: Registration, chosen: str, where: Mapping[str, object], backbone: str
) -> Published | None:
    """The published number of a result; where an option tells numbers apart, the one of that option.

    Args:
        chosen: the options of the algorithm, as in a spec: "first_order=true,inner_lr=0.4".
        where: `train_on`, `test_on`, `protocol`, `ways` and `shots` of the result.
        backbone: its spec.
    """
    options = parse_spec(f"{entry.name}:{chosen}").options if chosen else {}
    fitting = [
        number for number in published_numbers(entry) if number.options.items() <= options.items()
    ]
    variant = any(number.options for number in fitting)
    for number in fitting:
        asked = (number.data, number.drawn, number.ways, number.shots)
        here = asked == tuple(where[key] for key in ("test_on", "protocol", "ways", "shots"))
        if here and bool(number.options) == variant and number.backbone in ("", backbone):
            trained = str(where["train_on"])
            names = TOGETHER.join(parse_spec(each).name for each in trained.split(TOGETHER))
            if number.train_on == (trained if number.train_on == number.data else names):
                return number
    return None


def _published(entry: Registration, tables: list[dict[str, Any]]) -> list[Published]:
    numbers = []
    for table in tables:
        if given := table.get("published"):
            if not {"accuracy", "source"} <= given.keys() <= _PUBLISHED or not table.keys() >= set(
                _WHERE
            ):
                raise PluginError(
                    f"published in [[{entry.name}]] of {entry.package}/recipes.toml needs data, ways and shots beside "
                    f"it, accuracy and source in it, and may hold: {', '.join(sorted(_PUBLISHED))}"
                )
            numbers.append(
                Published(
                    data=table["data"],
                    ways=table["ways"],
                    shots=table["shots"],
                    accuracy=float(given["accuracy"]),
                    interval=given.get("interval"),
                    source=given["source"],
                    backbone=given.get("backbone", ""),
                    protocol=given.get("protocol", ""),
                    options=parse_spec(f"{entry.name}:{given['options']}").options
                    if given.get("options")
                    else {},
                    train_on=given.get("train_on", table["data"]),
                    drawn=given.get("drawn", "way-shot"),
                )
            )
    return numbers


def own_tables(entry: Registration) -> list[dict[str, Any]]:
    """All that the plugin says of an algorithm under its own name, in its own order."""
    return _tables(entry, entry.name)


def recipe_tables(entry: Registration) -> list[dict[str, Any]]:
    """All tables that are looked at for an algorithm: an alias's base's first."""
    return [*(_tables(entry, entry.base) if entry.base else []), *own_tables(entry)]


def _tables(entry: Registration, name: str) -> list[dict[str, Any]]:
    tables = _read(entry.package).get(name, [])
    if not isinstance(tables, list):
        raise PluginError(
            f"{entry.package}/recipes.toml has [{name}], a single table; write [[{name}]]"
        )
    return tables


@cache
def _read(package: str) -> dict[str, list[dict[str, Any]]]:
    spec = find_spec(package)
    if (
        spec and not spec.submodule_search_locations and spec.parent
    ):  # a module of a package: its file lies beside it
        spec = find_spec(spec.parent)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "recipes.toml"
        if path.is_file():
            try:
                return tomllib.loads(path.read_text(encoding="utf-8"))
            except tomllib.TOMLDecodeError as error:
                raise PluginError(f"{package}/recipes.toml is not valid: {error}") from error
    return {}


def recipe_place(table: dict[str, Any]) -> str:
    if not any(key in table for key in _WHERE):
        return "any data set"
    at = f"{table.get('ways', 'any')}-way {table.get('shots', 'any')}-shot"
    return f"{table.get('data', 'any data set')} {at}"
