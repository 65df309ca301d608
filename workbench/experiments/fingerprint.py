"""What decides the numbers of a run, as checksums: plan, data, source text, version of the results.

So what is finished is never computed twice, and changed code never answers with old numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench.experiments.plan import Plan
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import registry
from workbench.plugin.sources import library_of, source_in_use

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
    sums = {"algorithm": source_checksum(target)}
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
    sums = {"backbone": source_checksum(target)}
    for key, value in spec.options.items():
        path = Path(value).expanduser()
        if path.is_file():
            sums[f"backbone {key}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sums


def source_checksum(target: type[Any]) -> str:
    """Return the checksum of the source text that defines a class, as it was loaded."""
    return hashlib.sha256(_source_text(target).encode()).hexdigest()


def _source_text(target: type) -> str:
    """Return the text that was loaded, whatever its file holds by now."""
    return source_in_use(target).text


def changed_since(plan: Plan) -> list[Path]:
    """Return files of the code that a plan names that changed after they were loaded."""
    targets = [registry().find("algorithms", plan.algorithm).load()]
    if plan.backbone:
        targets.append(registry().find("backbones", parse_spec(plan.backbone).name).load())
    changed: list[Path] = []
    for target in targets:
        changed += source_in_use(target).changed_files()
    return changed


def plugin_versions(plan: Plan) -> dict[str, str]:
    """Return the versions of the distributions that a plan's names come from.

    Those of libraries whose classes a plugin registers are among them.
    """
    named = [("algorithms", plan.algorithm)]
    named += [("backbones", parse_spec(text).name) for text in [plan.backbone] if text]
    named += [("datasets", parse_spec(label).name) for label in plan.data]
    versions = {}
    for kind, name in named:
        if registry().knows(kind, name):  # a folder of images comes from no plugin
            registration = registry().find(kind, name)
            plugin = registry().plugin_of(registration)
            versions[plugin.distribution] = plugin.version
            library = library_of(registration.load())  # type: ignore[arg-type]
            if library:
                versions[library] = version(library)
    return versions
