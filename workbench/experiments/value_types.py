"""Whether values that were read have the types that a dataclass declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def check_fields(value: Any, where: str = "") -> None:
    """Check the types of all fields of a dataclass or named tuple, nested ones too.

    Args:
        where: the path to the value, "plan.", for the message.

    Raises:
        TypeError: a field has another type; the message names it.
    """
    for name, hint in get_type_hints(type(value)).items():
        _check(getattr(value, name), hint, f"{where}{name}")


def _check(value: Any, hint: Any, where: str) -> None:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        _check_any(value, inner, where)
    elif origin is Literal:
        _require(value in inner, value, where)
    elif origin is tuple:
        _require(isinstance(value, tuple), value, where)
        for number, each in enumerate(value):
            _check(each, inner[0 if inner[-1] is ... else number], f"{where}[{number}]")
    elif origin is not None:  # a mapping
        _require(isinstance(value, Mapping), value, where)
        for key, each in value.items():
            _check(each, inner[1], f"{where}.{key}")
    elif is_dataclass(hint) or hasattr(hint, "_fields"):
        _require(isinstance(value, hint), value, where)
        check_fields(value, f"{where}.")
    elif hint is not Any:
        _require(_is_a(value, hint), value, where)


def _check_any(value: Any, hints: tuple[Any, ...], where: str) -> None:
    for hint in hints:
        kind = get_origin(hint) or hint
        if _is_a(value, kind):
            _check(value, hint, where)
            return
    _require(False, value, where)


def _is_a(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(value, NoneType if kind is None else kind)


def _require(holds: bool, value: Any, where: str) -> None:
    if not holds:
        raise TypeError(f"{where} is {str(value)[:60]!r}, of the wrong type or not a known value")
