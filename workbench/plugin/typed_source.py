"""The text of a class that was typed in a notebook, a script or at a prompt, and of what it uses.

Such a class is in `__main__`, whose text says little: the cells of a notebook are run in any order,
and a script holds the call of `mlw.compare` too. So the class is followed: to its base classes, and
to the functions, classes and values that its functions name, wherever they are typed.

Of values, numbers, texts, arrays, and lists and dictionaries of these count by content, and others
by their type alone.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from workbench.errors import UsageError

PLAIN = (bool, int, float, complex, str, bytes, type(None))


class TypedSource(NamedTuple):
    """What defines a class that is in no file of its own."""

    text: str
    modules: tuple[str, ...]  # that it uses, by name


def typed_source(target: type) -> TypedSource:
    """Return the text of a class and of all that it uses of its own module.

    Raises:
        UsageError: some of it has no text: it was typed at a prompt that keeps none.
    """
    found: dict[str, str] = {}
    modules: set[str] = set()
    todo: list[type | FunctionType] = [target]
    while todo:
        thing = todo.pop()
        if thing.__qualname__ in found:
            continue
        found[thing.__qualname__] = _text_of(thing)
        for name, value in _used_by(thing):
            if isinstance(value, ModuleType):
                modules.add(value.__name__)
            elif not isinstance(value, type | FunctionType):
                found[f"{thing.__qualname__} uses {name}"] = _content(value)
            elif value.__module__ == target.__module__:
                todo.append(value)
            else:
                modules.add(value.__module__)
    text = "\0".join(f"{name}\0{found[name]}" for name in sorted(found))
    return TypedSource(text, tuple(sorted(modules)))


# --- what a class or a function uses


def _used_by(thing: type | FunctionType) -> Iterator[tuple[str, Any]]:
    """Iterate over what a class or a function names, and the values of these names now."""
    if isinstance(thing, FunctionType):
        yield from _used_by_function(thing)
        return
    for base in thing.__mro__[1:-1]:
        yield base.__name__, base
    for name, value in vars(thing).items():
        function = _function_of(value)
        if function is not None:
            yield from _used_by_function(function)
        elif isinstance(value, type) or (not name.startswith("__") and _has_content(value)):
            yield name, value


def _used_by_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name in sorted(_names_in(function.__code__)):
        if name in function.__globals__:
            yield name, _unwrapped(function.__globals__[name])
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        if name != "__class__":  # how `super()` finds the class
            with suppress(ValueError):  # it has no value yet
                yield name, _unwrapped(cell.cell_contents)
    defaults = (function.__defaults__, function.__kwdefaults__)
    yield f"{function.__qualname__}, defaults", defaults


def _names_in(code: CodeType) -> set[str]:
    """Return the global names and attributes that code names, in functions inside it too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names_in(constant)
    return names


def _function_of(value: Any) -> FunctionType | None:
    """Return the function that an attribute of a class is made of, if it is."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    elif isinstance(value, cached_property):
        value = value.func
    value = _unwrapped(value)
    return value if isinstance(value, FunctionType) else None


def _unwrapped(value: Any) -> Any:
    """Return what a decorator, such as `torch.no_grad()`, was put around."""
    return inspect.unwrap(value) if callable(value) else value


# --- text and content


def _text_of(thing: type | FunctionType) -> str:
    function = thing if isinstance(thing, FunctionType) else _first_function(thing)
    if function is None:  # a class of attributes alone: these, and its bases, are what it uses
        return ", ".join(base.__qualname__ for base in thing.__bases__)  # type: ignore[union-attr]
    lines = linecache.getlines(function.__code__.co_filename)
    start = function.__code__.co_firstlineno
    if not lines or start > len(lines):
        raise UsageError(
            f"The text of {thing.__qualname__} cannot be read, so a changed one could not be told "
            f"from it; write it to a file, and name FILE.py:{thing.__name__}"
        )
    if isinstance(thing, FunctionType):
        return textwrap.dedent("".join(inspect.getblock(lines[start - 1 :])))
    return _class_around(start, thing.__name__, "".join(lines))


def _first_function(target: type) -> FunctionType | None:
    for value in vars(target).values():
        function = _function_of(value)
        if function is not None and function.__module__ == target.__module__:
            return function
    return None


def _class_around(line: int, name: str, text: str) -> str:
    """Return the part of a text that defines the class of a name around a line."""
    lines = text.splitlines()
    smallest = lines
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:  # a cell with commands of the notebook, such as %time
        return text
    for node in nodes:
        if not isinstance(node, ast.ClassDef) or node.name != name:
            continue
        if node.lineno <= line <= (node.end_lineno or 0):
            part = lines[node.lineno - 1 : node.end_lineno]
            smallest = min(smallest, part, key=len)
    return textwrap.dedent("\n".join(smallest))


def _has_content(value: Any) -> bool:
    return isinstance(value, (*PLAIN, tuple, list, set, frozenset, Mapping)) or _is_array(value)


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, type)


def _content(value: Any) -> str:
    """Return a value as text that is the same in every process."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_content(each)}' for key, each in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_content(each) for each in value)}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(_content(each) for each in value))}}}"
    if _is_array(value):
        return _content_of_array(value)
    return type(value).__qualname__


def _content_of_array(value: Any) -> str:
    if hasattr(value, "detach"):  # a tensor, perhaps on a GPU
        value = value.detach().cpu().numpy()
    digest = hashlib.sha256(value.tobytes()).hexdigest() if hasattr(value, "tobytes") else ""
    return f"{value.dtype} {value.shape} {digest}"
