"""The files of a new plugin: templates with its names filled in."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from workbench.errors import RunError, UsageError
from workbench.scaffold.names import PluginNames
from workbench.version import INTERFACE

SUFFIX = ".template"
HOOK = "hook.py"  # what a kind adds to the module of the entry point
FOLDERS = {
    "algorithms": "algorithm",
    "backbones": "backbone",
    "datasets": "dataset",
    "commands": "command",
}


def write_plugin(names: PluginNames, kinds: Sequence[str]) -> list[str]:
    """Write a package into a new folder; return the commands to run next.

    Args:
        kinds: what it registers, keys of `FOLDERS`.

    Raises:
        UsageError: the folder is there already.
        RunError: it cannot be written.
    """
    place = Path(names.folder)
    commands = next_commands(names, kinds)
    texts = {}
    for folder in ("all", *(FOLDERS[kind] for kind in kinds)):
        texts.update(_texts(folder))
    filled = _filled(names, kinds, commands)
    try:
        place.mkdir()
        for path, text in texts.items():
            file = place / path.replace("package", names.package, 1)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template(text).substitute(filled), encoding="utf-8")
    except FileExistsError as error:
        raise UsageError(
            f"{place} is there already, and nothing is overwritten; remove it, or choose another "
            "name"
        ) from error
    except OSError as error:
        raise RunError(f"{error.filename or place} cannot be written: {error.strerror}") from error
    return commands


def next_commands(names: PluginNames, kinds: Sequence[str]) -> list[str]:
    """Return the commands that install a new plugin, check it and use it."""
    commands = [f"pip install -e ./{names.folder}", f"mlw check {names.name}"]
    methods = "protonet nearest_pixel"
    if "algorithms" in kinds:
        methods = f"{names.name} protonet"
    compare = f"mlw compare {methods}"
    if "backbones" in kinds:
        compare += f" --backbone {names.name}"
    if "datasets" in kinds:
        compare += f" --on {names.name}"
    if list(kinds) != ["commands"]:
        commands.append(compare)
    if "commands" in kinds:
        commands.append(f"mlw {names.name}")
    return commands


def _filled(names: PluginNames, kinds: Sequence[str], commands: Sequence[str]) -> dict[str, str]:
    """Return what stands in place of each `$name` of a template."""
    given = {
        "folder": names.folder,
        "name": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "class_name": names.class_name,
        "interface": str(INTERFACE),
        "backbone": names.name if "backbones" in kinds else "conv4",
        "commands": "\n".join(commands),
    }
    given["imports"] = _imports(kinds)
    hooks = [_hook(FOLDERS[kind]) for kind in kinds]
    given["hooks"] = Template("\n\n".join(hooks)).substitute(given).rstrip()
    return given


def _imports(kinds: Sequence[str]) -> str:
    """Return what the module of the entry point imports."""
    lines = []
    if "commands" in kinds:
        lines.append("import typer")
    if list(kinds) == ["commands"]:
        lines.append("from workbench import hookimpl")
    else:
        lines.append("from workbench import Register, hookimpl")
    return "\n".join(lines)


def _texts(folder: str) -> dict[str, str]:
    """Return the templates of a folder by path, without those of `hook.py`."""
    found = {}
    for path, file in _walk(_templates().joinpath(folder), ""):
        if path != HOOK:
            found[path] = file.read_text(encoding="utf-8")
    return found


def _walk(folder: Traversable, above: str) -> list[tuple[str, Traversable]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = above + entry.name
        if entry.is_dir():
            found += _walk(entry, f"{path}/")
        elif path.endswith(SUFFIX):
            found.append((path.removesuffix(SUFFIX), entry))
    return found


def _hook(folder: str) -> str:
    return _templates().joinpath(folder, HOOK + SUFFIX).read_text(encoding="utf-8")


def _templates() -> Traversable:
    return files("workbench.scaffold").joinpath("template")
