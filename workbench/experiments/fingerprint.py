"""What decides the numbers of a run, as checksums: plan, data, source text, version of the results."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from dataclasses import asdict
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry

if TYPE_CHECKING:
    from workbench.experiments.plan import Plan
    from workbench.tasks.splits import Data


RESULTS_VERSION = 2  # raised when the core's numbers change


def run_folder(plan: Plan, data: Data, out: Path) -> Path:
    """Where the run of a plan is or will be."""
    covered = {
        "plan": asdict(plan),
        "data": data.fingerprint,
        "sources": sources(plan),
        "results": RESULTS_VERSION,
    }
    digest = hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()[:8]
    tested = f"{plan.val_ways}w{plan.val_shots}s-" if plan.episodic else ""
    return (
        out / f"{plan.algorithm.replace('/', '-')}-{data.name.replace('/', '-')}-{tested}{digest}"
    )


def sources(plan: Plan) -> dict[str, str]:
    """Checksums of the files that define algorithm and backbone, and those of what is trained before."""
    targets = {"algorithm": registry().find("algorithms", plan.algorithm).load()}
    if plan.backbone:
        targets["backbone"] = registry().find("backbones", parse_spec(plan.backbone).name).load()
    sums = {
        role: hashlib.sha256(_source_text(target).encode()).hexdigest()
        for role, target in targets.items()
    }
    for key, value in parse_spec(plan.backbone).options.items() if plan.backbone else ():
        if (
            path := Path(value).expanduser()
        ).is_file():  # other weights in a file of one name are another run
            sums[f"backbone {key}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for number, first in enumerate([plan.init, *plan.teachers]):
        if not isinstance(first, str):
            sums |= {f"{number} {role}": checksum for role, checksum in sources(first).items()}
    return sums


def _source_text(target: type) -> str:
    """The text of the module that defines a target, and of the modules of its package that this one uses."""
    texts: dict[str, str] = {}
    todo = [target.__module__]
    while todo:
        name = todo.pop()
        if name not in texts:
            texts[name], used = _module(name)
            todo += used
    if not texts[
        target.__module__
    ]:  # typed into a notebook or at a prompt: at best the class has a text
        try:
            return inspect.getsource(target)
        except (OSError, TypeError):
            return target.__qualname__
    return "\0".join(texts[name] for name in sorted(texts))


def _module(name: str) -> tuple[str, list[str]]:
    """The text of a module, if it has one, and the modules of its own package that it imports, at its top or later."""
    spec = _spec(name)
    text = spec.loader.get_source(name) if spec and isinstance(spec.loader, InspectLoader) else None
    package = name.partition(".")[0]
    if (
        spec is None or text is None or package == "workbench"
    ):  # RESULTS_VERSION speaks for the core
        return text or "", []
    used = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            used += [alias.name for alias in node.names if alias.name.partition(".")[0] == package]
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), spec.parent)
            if origin.partition(".")[0] == package:
                # `from package import module` uses that module, not all that the package registers
                inside = [f"{origin}.{alias.name}" for alias in node.names]
                used += [whole if _spec(whole) else origin for whole in inside]
    return text, used


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (
        ModuleNotFoundError,
        ValueError,
    ):  # the name before the last dot is no package; or it is __main__
        return None
