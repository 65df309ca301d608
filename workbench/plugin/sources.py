"""The text of the modules that define a registered class, as it was when the class was loaded.

Only the text of plugins counts, and of files that no plugin has, with the modules that lie beside
them. A class of an installed library, such as torchvision, counts by its name; the version of the
library is recorded.

An editor may change a file while a process computes with what it loaded before. So the text is read
once, right after the import, and compared with the file later.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.metadata import distribution, entry_points, packages_distributions
from importlib.util import find_spec, resolve_name
from pathlib import Path

from workbench.plugin.hookspecs import GROUP
from workbench.plugin.typed_source import typed_source

INSTALLED = frozenset({"site-packages", "dist-packages"})  # folders where packages are installed
OTHERS = sys.stdlib_module_names | {"workbench"}  # RESULTS_VERSION speaks for the core


@dataclass(frozen=True)
class SourceText:
    """The text that defines a class, and the files that it was read from."""

    text: str
    files: Mapping[Path, bytes]  # content of each

    def changed_files(self) -> list[Path]:
        """Return the files whose content is another by now, or that are gone."""
        return [path for path, content in self.files.items() if _content(path) != content]


@cache
def loaded_source(target: type) -> SourceText:
    """Return the text that defines a class, read once per process: when the class is loaded."""
    return read_source(target)


def source_in_use(target: type) -> SourceText:
    """Return the text that defines what a class does now.

    It is the text that was loaded. That of a class without a file is read again each time, because
    functions that it uses may have been typed again since, and the next call uses these.
    """
    spec = _spec(target.__module__)
    if spec is None or not isinstance(spec.loader, InspectLoader):
        return read_source(target)
    return loaded_source(target)


def read_source(target: type) -> SourceText:
    """Return the text of the module that defines a class, and of modules of its package it uses."""
    if library_of(target):
        return SourceText(f"{target.__module__}.{target.__qualname__}", {})
    texts: dict[str, str] = {}
    files: dict[Path, bytes] = {}
    todo = [target.__module__]
    if not _module_text(_spec(target.__module__), target.__module__):
        texts[target.__module__], modules = typed_source(target)
        todo = [name for name in modules if _is_own(_spec(name))]
    while todo:
        name = todo.pop()
        if name in texts:
            continue
        spec = _spec(name)
        texts[name] = _module_text(spec, name)
        if spec and spec.origin and texts[name]:
            files[Path(spec.origin)] = _content(Path(spec.origin))
        todo += _used(name, texts[name], spec)
    return SourceText("\0".join(texts[name] for name in sorted(texts)), files)


@cache
def library_of(target: type) -> str:
    """Return the distribution of an installed library that defines a class; "" for a plugin.

    It is also "" for a module that nothing has installed, or that is installed to be edited.
    """
    package = target.__module__.partition(".")[0]
    file = getattr(sys.modules.get(target.__module__), "__file__", None) or ""
    if not INSTALLED.intersection(Path(file).parts) or package in _plugin_packages():
        return ""
    names = packages_distributions().get(package, [])
    if any(distribution(name).entry_points.select(group=GROUP) for name in names):
        return ""
    return names[0] if names else ""


@cache
def _plugin_packages() -> frozenset[str]:
    return frozenset(point.value.partition(".")[0] for point in entry_points(group=GROUP))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _module_text(spec: ModuleSpec | None, name: str) -> str:
    if spec is None or not isinstance(spec.loader, InspectLoader):
        return ""
    try:
        return spec.loader.get_source(name) or ""
    except (ImportError, OSError):
        return ""


def _used(name: str, text: str, spec: ModuleSpec | None) -> list[str]:
    """Return the modules of its own package, or beside it, that a module imports anywhere."""
    package = name.partition(".")[0]
    if spec is None or package == "workbench":
        return []

    def counts(module: str) -> bool:
        top = module.partition(".")[0]
        return top == package or (not spec.parent and _is_own(_spec(top)))

    try:
        return list(_imports(text, spec.parent or "", counts))
    except (SyntaxError, ValueError):  # it was changed after it was imported
        return []


def _is_own(spec: ModuleSpec | None) -> bool:
    """Return whether a module is a file of the user's, neither installed nor of Python."""
    if spec is None or not spec.origin or spec.name.partition(".")[0] in OTHERS:
        return False
    return not INSTALLED.intersection(Path(spec.origin).parts)


def _imports(text: str, parent: str, counts: Callable[[str], bool]) -> Iterator[str]:
    """Iterate over the modules that count among those that a text imports, anywhere."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if counts(alias.name))
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), parent)
            if counts(origin):
                yield from _modules_of(origin, node.names)


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
    except (ImportError, ValueError):  # a name inside a module, one that needs more; or __main__
        return None
