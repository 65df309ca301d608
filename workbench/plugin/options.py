"""Specs, `NAME[:key=value,...]`, and the constructor options that they set.

In a spec, the first `:` ends the name and the first `=` ends a key. A comma separates two options
only if `key=` follows it, so a value may contain colons and commas: `vit:weights=/a,b/c:1.pt` has
one option.

In the signature of a constructor, the workbench passes the parameters before `*` by name
(`backbone`, `ways`, ...). The parameters after `*` are the user's options. Each has a default and
is annotated `Annotated[type, "help"]`. A number can have a lower bound: `Annotated[type, "help",
AtLeast(1)]`, or `Above(0)`, which excludes 0 itself.
"""

from __future__ import annotations

import inspect
import math
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from workbench.errors import PluginError, UsageError
from workbench.plugin.words import ARGUMENTS, commands_with, nearest, same

LARGEST = 2**63 - 1  # of a whole number: run.toml and the random generators take no larger


class Spec(NamedTuple):
    """A name and its options as typed."""

    name: str
    options: dict[str, str]

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}:{options_text(self.options)}"


def parse_spec(text: str) -> Spec:
    """Read `NAME[:key=value,...]`.

    Raises:
        UsageError: there is no name, nothing after the colon, a key without a value, or a repeated
            key.
    """
    name, colon, options = text.partition(":")
    if not name:
        raise UsageError(f"{text!r} has no name before the colon; write NAME:key=value")
    if colon and not options:
        raise UsageError(f"{text!r} ends in a colon; write {name} or {name}:key=value")
    return Spec(name, _parse_options(options, text))


def parse_options(text: str) -> dict[str, str]:
    """Read `key=value,...`, the part of a spec after the colon. Empty text has no options.

    Raises:
        UsageError: a key has no value, or is repeated.
    """
    return _parse_options(text, text)


def _parse_options(text: str, whole: str) -> dict[str, str]:
    options: dict[str, str] = {}
    if not text:
        return options
    for part in re.split(r",(?=[A-Za-z_]\w*=)", text):
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(
                f"{part!r} in {whole!r} is not key=value; write for instance "
                "NAME:key=value,other=value"
            )
        if key in options:
            raise UsageError(f"{key!r} is given twice in {whole!r}")
        options[key] = value
    return options


def option_text(value: Any) -> str:
    """Return a value as it is written in a spec."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def options_text(options: Mapping[str, Any]) -> str:
    """Return options as they are written in a spec: "first_order=true,inner_lr=0.4"."""
    return ",".join(f"{key}={option_text(value)}" for key, value in options.items())


class AtLeast(NamedTuple):
    """The bound of an option that must be at least a number."""

    value: float

    def allows(self, number: float) -> bool:
        """Return whether a number is within the bound."""
        return number >= self.value

    def __str__(self) -> str:
        return f"at least {self.value:g}"


class Above(NamedTuple):
    """The bound of an option that must be larger than a number."""

    value: float

    def allows(self, number: float) -> bool:
        """Return whether a number is within the bound."""
        return number > self.value

    def __str__(self) -> str:
        return f"above {self.value:g}"


class Between(NamedTuple):
    """The bounds of an option that must be at least one number and at most another."""

    low: float
    high: float

    def allows(self, number: float) -> bool:
        """Return whether a number is within the bounds."""
        return self.low <= number <= self.high

    def __str__(self) -> str:
        return f"from {self.low:,} to {self.high:,}"


Bound = AtLeast | Above | Between


@dataclass(frozen=True)
class Option:
    """A keyword-only parameter of a constructor, or a training setting."""

    name: str
    type: Any
    default: Any
    help: str
    bound: Bound | None = None

    @property
    def type_name(self) -> str:
        """The type as people write it: `int`, `float or none`, `max|stride`."""
        return " or ".join(_type_name(choice) for choice in _choices(self.type))

    def convert(self, value: Any, owner: str) -> Any:
        """Return a value in the option's type. Text is parsed; other values are checked.

        Raises:
            UsageError: the value is not of the type, or is out of bounds.
        """
        for choice in _choices(self.type):
            try:
                converted = _convert(choice, value)
            except (ValueError, TypeError, KeyError):
                continue
            if isinstance(converted, int) and not -LARGEST <= converted <= LARGEST:
                raise self._invalid(str(value), owner, f"at most {LARGEST:,}")
            self.check(converted, owner)
            if isinstance(converted, str) and not _is_unicode(converted):
                raise self._invalid(str(value), owner, "text in UTF-8")
            if isinstance(converted, float) and not math.isfinite(converted):
                raise self._invalid(str(value), owner, "a finite number")
            return converted
        raise self._invalid(str(value), owner, self.type_name)

    def check(self, value: Any, owner: str = "") -> None:
        """Raise `UsageError` if a number is out of bounds. None is always valid."""
        if value is None or self.bound is None:
            return
        if not self.bound.allows(value):
            raise self._invalid(f"{value:g}", owner, str(self.bound))

    def _invalid(self, value: str, owner: str, requirement: str) -> UsageError:
        place = f"{owner}:{self.name}" if owner else self.name
        return UsageError(f"Invalid value {place}={value}: must be {requirement} ({self.help})")


def _is_unicode(text: str) -> bool:
    """Return whether a text can be written: the bytes of a shell may be no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def options_of(target: type) -> dict[str, Option]:
    """Return the user's options of a class by name, in the order of its signature.

    Raises:
        PluginError: an option has no annotation, no help or no default.
    """
    try:
        hints = get_type_hints(target.__init__, include_extras=True)  # type: ignore[misc]
    except Exception as error:  # an annotation is any expression
        raise PluginError(
            f"The annotations of {target.__name__} cannot be read: {type(error).__name__}: {error}"
        ) from error
    options = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        hint = hints.get(name)
        if get_origin(hint) is not Annotated or parameter.default is parameter.empty:
            raise PluginError(
                f"The option {name!r} of {target.__name__} must be annotated "
                "Annotated[type, 'help'] and have a default"
            )
        options[name] = annotated_option(name, hint, parameter.default)
    return options


def annotated_option(name: str, hint: Any, default: Any) -> Option:
    """Return the option that `Annotated[type, "help"(, bound)]` describes."""
    kind, text, *bound = get_args(hint)
    return Option(name, kind, default, text, *bound[:1])


def filled_parameters(target: type) -> tuple[str, ...]:
    """Return the parameters before `*`, which the workbench passes by name.

    Raises:
        PluginError: a parameter before `/` cannot be passed by name.
    """
    filled = []
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise PluginError(
                f"{target.__name__} takes {name!r} by position only, and the workbench passes it "
                "by name; remove the / from its constructor"
            )
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            filled.append(name)
    return tuple(filled)


def convert_options(
    owner: str, given: Mapping[str, Any], options: Mapping[str, Option]
) -> dict[str, Any]:
    """Convert values to the types of their options.

    Args:
        owner: whose options they are, for messages; "" for training settings.

    Raises:
        UsageError: there is no such option (the message suggests the nearest and lists all), or a
            value is invalid.
    """
    for key in given:
        if key not in options:
            raise _unknown_option(owner, key, given[key], options)
    return {key: options[key].convert(value, owner) for key, value in given.items()}


def _unknown_option(owner: str, key: str, value: Any, options: Mapping[str, Option]) -> UsageError:
    message = f"{owner or 'Training'} has no option {key!r}."
    argument = same(key, ARGUMENTS)
    meant = same(key, options) or ("" if argument else nearest(key, options))
    if meant:
        message += f" Did you mean {meant}?"
    elif argument:
        flag = argument.replace("_", "-")
        message += (
            f" {argument} is no option of a name, but an argument of {commands_with(argument)}: "
            f"--{flag} {option_text(value)} (in Python: {argument}=...)."
        )
    available = [f"{option.name} ({option.type_name})" for option in options.values()]
    return UsageError(f"{message} Available options: {', '.join(available) or 'none'}.")


def canonical_spec(name: str, options: Mapping[str, Any], known: Mapping[str, Option]) -> str:
    """Return the one spec of a thing: options sorted, those at their default omitted."""
    differing = {}
    for key, value in sorted(options.items()):
        if value != known[key].default:
            differing[key] = option_text(value)
    return str(Spec(name, differing))


def _choices(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself."""
    if get_origin(kind) in (Union, types.UnionType):
        return get_args(kind)
    return (kind,)


def _type_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(str(value) for value in get_args(kind))
    if kind is type(None):
        return "none"
    return str(kind.__name__)


def _convert(kind: Any, value: Any) -> Any:
    """Convert a value to one type. Raises ValueError, TypeError or KeyError if it is not of it."""
    if get_origin(kind) is Literal:
        return _literal(get_args(kind), value)
    if kind is type(None):
        return _none(value)
    if isinstance(value, str) and kind is bool:
        return _BOOLEANS[value.lower()]
    if isinstance(value, str):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError
    return value


def _literal(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        if str(choice) == str(value):
            return choice
    raise ValueError


def _none(value: Any) -> None:
    if value is not None and value != "none":
        raise ValueError


_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
