"""What the source text of a class says: its docstring and its options, without importing it.

Importing all plugins takes seconds, and torch.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple


class WrittenOption(NamedTuple):
    """An option of a constructor, as far as its text tells."""

    name: str
    help: str
    values: tuple[str, ...]  # that it may have, if they are few


def docstring_of(target: str | type) -> str:
    """Return the docstring of a class, or of "package.module:Class"; "" if there is none.

    Raises:
        Exception: of any kind, if the module cannot be found or parsed.
    """
    if isinstance(target, type):
        return (target.__doc__ or "").strip()
    module, _, name = target.partition(":")
    found = _classes(module).get(name)
    return "" if found is None else ast.get_docstring(found) or ""


def options_in(target: str) -> list[WrittenOption]:
    """Return the options of "package.module:Class": what its constructor has after the `*`.

    Raises:
        Exception: as `docstring_of`.
    """
    module, _, name = target.partition(":")
    classes = _classes(module)
    while name in classes:
        for node in classes[name].body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return [_option(argument) for argument in node.args.kwonlyargs]
        bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name)]
        name = bases[0] if bases and bases[0] != name else ""
    return []


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(module)
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _option(argument: ast.arg) -> WrittenOption:
    """Read `name: Annotated[type, "help"]`."""
    parts: list[ast.expr] = []
    hint = argument.annotation
    if isinstance(hint, ast.Subscript) and isinstance(hint.slice, ast.Tuple):
        parts = hint.slice.elts
    text = ""
    if len(parts) > 1 and isinstance(parts[1], ast.Constant):
        text = str(parts[1].value)
    values = tuple(_values(parts[0])) if parts else ()
    return WrittenOption(argument.arg, text, values)


def _values(hint: ast.expr) -> list[str]:
    """Return the values of `bool`, `Literal["a", "b"]`, and of either `| None`."""
    match hint:
        case ast.Name(id="bool"):
            return ["true", "false"]
        case ast.BinOp(left=left, right=ast.Constant(value=None)):
            return [*_values(left), "none"]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=elements)):
            return [_text(each) for each in elements if isinstance(each, ast.Constant)]
        case _:
            return []


def _text(constant: ast.Constant) -> str:
    value: Any = constant.value
    return str(value)
