"""The form of a `recipes.toml`: which keys a table has, and of which types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import PluginError, UsageError
from workbench.plugin.options import parse_options

_NUMBER = (int, float)
_KEYS = {  # of a table
    "data": str,
    "ways": int,
    "shots": int,
    "quick": dict,
    "paper": dict,
    "published": dict,
}
_TEXTS = ("source", "backbone", "protocol", "options", "drawn")  # of a published number
_NUMBERS = ("accuracy", "interval", "sd", "se", "spread")


def check_table(table: Any, where: str) -> None:
    """Check one table of an algorithm.

    Args:
        where: for messages: "[[protonet]] of mlw_metric/recipes.toml".

    Raises:
        PluginError: a key is unknown, or a value has another type.
    """
    if not isinstance(table, dict):
        raise PluginError(f"{where} has {table!r}, which is no table")
    for key, value in table.items():
        if key not in _KEYS:
            raise PluginError(f"{where} has the key {key!r}; it may have: {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            raise PluginError(f"{where} has {key} = {value!r}, which must be {_words(_KEYS[key])}")
    _check_published(table.get("published", {}), where)


def _check_published(given: Mapping[str, Any], where: str) -> None:
    for key in _TEXTS:
        if not isinstance(given.get(key, ""), str):
            raise _wrong(where, key, given[key], "a text")
    for key in _NUMBERS:
        value = given.get(key, 0)
        if not isinstance(value, _NUMBER) or isinstance(value, bool):
            raise _wrong(where, key, value, "a number, in percent")
    instance = given.get("instance", 1)
    if type(instance) is not int or instance < 1:
        raise _wrong(where, "instance", instance, "a whole number from 1")
    names = given.get("train_on", [])
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise _wrong(where, "train_on", names, "the name of a data set, or a list of names")
    try:
        parse_options(given.get("options", ""))
    except UsageError as error:
        raise PluginError(f"published in {where}: {error}") from error


def _wrong(where: str, key: str, value: object, wanted: str) -> PluginError:
    return PluginError(f"published in {where} has {key} = {value!r}, which must be {wanted}")


def _words(kind: type) -> str:
    return {str: "a text", int: "a whole number", dict: "a table"}[kind]
