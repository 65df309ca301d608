"""Runs of own code: whether this process has been given what they were made of."""

from __future__ import annotations

from workbench.data.image_folder.record import folder_names
from workbench.errors import RunError
from workbench.experiments.run import Run
from workbench.plugin.options import parse_spec
from workbench.plugin.registry import NOT_INSTALLED, registry


def require_code(run: Run) -> None:
    """Raise `RunError` if a run was made of own code or data that this process does not know."""
    plan = run.plan
    named = [("algorithms", plan.algorithm)]
    named += [("backbones", parse_spec(text).name) for text in [plan.backbone] if text]
    named += [("datasets", parse_spec(text).name) for text in plan.data]
    origins = [name for name, version in run.manifest.versions.items() if version == NOT_INSTALLED]
    if not origins:
        return
    for kind, name in named:
        if registry().named(kind, name) or (kind == "datasets" and name in folder_names()):
            continue
        where = " or ".join(origins)
        if kind == "datasets":
            raise RunError(
                f"{run.folder} was trained on {name}, images that a program had ({where}); give "
                "them again there: mlw.evaluate(run, on=(images, labels))"
            )
        raise RunError(
            f"{run.folder} was made of {name}, own code of {where}; name it: --code FILE.py (in "
            f"Python: code={name})"
        )
