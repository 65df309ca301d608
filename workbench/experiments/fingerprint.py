"""What decides the numbers of a run, as checksums: plan, data, source text, version of the results.

So what is finished is never computed twice, and changed code never answers with old numbers.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Mapping
from functools import cache
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from workbench.experiments.plan import Plan
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry

RESULTS_VERSION = 3  # raised when the core's numbers change


def digest(covered: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits of a checksum over plain values."""
    text = json.dumps(covered, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def source_checksums(plan: Plan) -> dict[str, str]:
    """Return checksums of the code and of the weight files that a plan names.

    Those of what is trained first are among them.
    """
    target = registry().find("algorithms", plan.algorithm).load()
    sums = {"algorithm": source_checksum(target)}  # type: ignore[arg-type]
    if plan.backbone:
        sums |= _backbone_checksums(plan.backbone)
    for number, first in enumerate([plan.init, *plan.teachers]):
        if isinstance(first, Plan):
            for role, checksum in source_checksums(first).items():
                sums[f"{number} {role}"] = checksum
    return sums


def _backbone_checksums(backbone: str) -> dict[str, str]:
    """Other weights in a file of the same name are another run, so files count by content."""
    spec = parse_spec(backbone)
    target = registry().find("backbones", spec.name).load()
    sums = {"backbone": source_checksum(target)}  # type: ignore[arg-type]
    for key, value in spec.options.items():
        path = Path(value).expanduser()
        if path.is_file():
            sums[f"backbone {key}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sums


@cache
def source_checksum(target: type[Any]) -> str:
    """Return the checksum of the source text that defines a class, read once per process."""
    return hashlib.sha256(_source_text(target).encode()).hexdigest()


def _source_text(target: type) -> str:
    """Return the text of the module that defines a class, and of modules of its package it uses."""
    texts: dict[str, str] = {}
    todo = [target.__module__]
    while todo:
        name = todo.pop()
        if name not in texts:
            texts[name], used = _read_module(name)
            todo += used
    if not texts[target.__module__]:
        return _text_of_class(target)
    return "\0".join(texts[name] for name in sorted(texts))


def _text_of_class(target: type) -> str:
    """Return the text of a class that was typed in a notebook or at a prompt, if it has one."""
    try:
        return inspect.getsource(target)
    except (OSError, TypeError):
        return target.__qualname__


def _read_module(name: str) -> tuple[str, list[str]]:
    """Return a module's text, and the modules of its own package that it imports anywhere."""
    spec = _spec(name)
    if spec is None or not isinstance(spec.loader, InspectLoader):
        return "", []
    text = spec.loader.get_source(name)
    if text is None:
        return "", []
    package = name.partition(".")[0]
    if package == "workbench":  # RESULTS_VERSION speaks for the core
        return text, []
    return text, _imports(text, package, spec.parent or "")


def _imports(text: str, package: str, parent: str) -> list[str]:
    """Return the modules of a package that a text imports, at its top or later."""
    used = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == package:
                    used.append(alias.name)
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), parent)
            if origin.partition(".")[0] == package:
                used += _modules_of(origin, node.names)
    return used


def _modules_of(origin: str, names: list[ast.alias]) -> list[str]:
    """`from package import module` uses that module, not all that the package registers."""
    used = []
    for alias in names:
        module = f"{origin}.{alias.name}"
        if _spec(module):
            used.append(module)
        else:
            used.append(origin)
    return used


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ModuleNotFoundError, ValueError):  # a name inside a module; or __main__
        return None
