"""Methods, backbones and data sets that no plugin registers: of a file, a script or a notebook.

They take part under the names of their classes: `mlw compare ./my_method.py:MyMethod protonet`, or
`mlw.compare([MyMethod, "protonet"])`. Their runs are keyed by their source, as those of plugins.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from workbench.errors import PluginError, UsageError
from workbench.plugin.registry import KINDS, registry

NOTEBOOK = "notebook"  # where the classes of a notebook, or of a prompt, are said to be from
# what a class is derived from, by name: this package imports neither torch nor the contract
CONTRACTS = {
    "workbench.learning.learner.Learner": "algorithms",
    "workbench.data.dataset.Dataset": "datasets",
    "torch.nn.modules.module.Module": "backbones",
}
BACKBONE = "workbench.learning.learner.Backbone"
BASES = {  # for messages
    "algorithms": "mlw.Learner",
    "backbones": "mlw.Backbone or torch.nn.Module",
    "datasets": "mlw.Dataset",
}
# "./my_method.py:MyMethod:lr=0.1"; an option of a plugin's name may have a file too, after a "="
IN_FILE = re.compile(r"(?P<file>[^=]+?\.py)(:(?P<rest>.*))?", re.DOTALL)


def kind_of(target: type) -> str:
    """Return what a class is, a key of `KINDS`; "" if it is none of them."""
    for base in target.__mro__:
        kind = CONTRACTS.get(f"{base.__module__}.{base.__qualname__}")
        if kind:
            return kind
    return ""


def adopted(target: type, kind: str = "") -> str:
    """Register a class for this process, unless a plugin registers it; return its name.

    Args:
        kind: what it must be, a key of `KINDS`; "": any.

    Raises:
        UsageError: it is no such thing, its text cannot be read, or another class has its name.
    """
    found = kind_of(target)
    wanted = [kind] if kind else [*KINDS]
    if found not in wanted or not _is_own(target):
        names = " or ".join(KINDS[each] for each in wanted)
        bases = " or ".join(BASES[each] for each in wanted)
        raise UsageError(f"{target.__qualname__} is no {names}: give a class derived from {bases}")
    if inspect.isabstract(target):
        missing = ", ".join(sorted(target.__abstractmethods__))  # type: ignore[attr-defined]
        raise UsageError(f"{target.__qualname__} is not complete: it lacks {missing}")
    return registry().adopt(found, target, _origin(target))


def _is_own(target: type) -> bool:
    """Return whether a class is more than the contract itself."""
    return f"{target.__module__}.{target.__qualname__}" not in (*CONTRACTS, BACKBONE)


def _origin(target: type) -> str:
    """Return where a class is from, for people: "my_method.py"."""
    file = getattr(sys.modules.get(target.__module__), "__file__", None)
    return Path(file).name if file else NOTEBOOK


# --- in files


def in_file(text: str, kind: str = "") -> str:
    """Return a spec that begins with a file, `FILE.py:CLASS[:key=value,...]`, by the class's name.

    Any other text is returned as it is. The class is registered for this process. It may be omitted
    where the file has one.

    Args:
        kind: what it must be, a key of `KINDS`; "": any.

    Raises:
        UsageError: there is no such file or class.
        PluginError: the file cannot be imported.
    """
    match = IN_FILE.fullmatch(text)
    if match is None:
        return text
    first, _, options = (match["rest"] or "").partition(":")
    if first and not first.isidentifier():
        first, options = "", first
    name = adopted(_class_in(match["file"], first, kind), kind)
    return f"{name}:{options}" if options else name


def adopt_all(file: str) -> None:
    """Register all methods, backbones and data sets of a file. Raises as `in_file` does."""
    found = _classes_in(_loaded(file))
    if not found:
        raise UsageError(f"{file} has no method, backbone or data set")
    for target in found.values():
        adopted(target)


def _class_in(file: str, name: str, kind: str) -> type:
    """Return the class with a name, or the only one that there is of a kind."""
    there = _classes_in(_loaded(file))
    if name in there:
        return there[name]
    found = [each for each in there if kind in ("", kind_of(there[each]))]
    if not name and len(found) == 1:
        return there[found[0]]
    what = KINDS.get(kind, "method, backbone or data set")
    if not found:
        bases = " or ".join(BASES[each] for each in BASES if kind in ("", each))
        raise UsageError(f"{file} has no {what}, a class derived from {bases}")
    example = f"write for instance {shlex.quote(file)}:{found[0]}"
    if name:
        raise UsageError(f"{file} has no {what} {name!r}, but {', '.join(found)}; {example}")
    raise UsageError(f"{file} has several: {', '.join(found)}; {example}")


def _classes_in(module: ModuleType) -> dict[str, type]:
    """Return what a module defines itself, by name."""
    found = {}
    for name, value in vars(module).items():
        own = isinstance(value, type) and value.__module__ == module.__name__
        if own and kind_of(value) and not inspect.isabstract(value):
            found[name] = value
    return found


def _loaded(file: str) -> ModuleType:
    path = Path(file).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}; name a class in a file as "
            "./my_method.py:MyMethod"
        ) from error
    return _imported(path.resolve(), content)


@cache  # a file that was edited since is another
def _imported(path: Path, content: bytes) -> ModuleType:
    """Import a file as a module of its own, as it is now. It may import what lies beside it."""
    digest = hashlib.sha256(os.fsencode(path) + content).hexdigest()[:8]
    stem = re.sub(r"\W", "_", path.stem)
    name = f"{stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes look up their module while they are made
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # as Python does for a script
    try:
        _refuse_other_neighbours(path, content)
        spec.loader.exec_module(module)
    except PluginError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(
            f"{path.name} cannot be imported: {_told(error, path)}; for the traceback, run the "
            "command again as: mlw --debug ..."
        ) from error
    return module


def _refuse_other_neighbours(path: Path, content: bytes) -> None:
    """Raise `PluginError` if a module beside a file is another one in this process already."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):
        return  # importing it says more
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    for node in nodes:
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
    for top in {str(name).partition(".")[0] for name in named}:
        beside = [path.parent / f"{top}.py", path.parent / top / "__init__.py"]
        loaded = getattr(sys.modules.get(top), "__file__", None)
        there = [each for each in beside if each.is_file()]
        if loaded and there and Path(loaded).resolve() not in there:
            raise PluginError(
                f"{path.name} imports {top}, and {there[0]} is not the {top} that is loaded: "
                f"{loaded}; rename it"
            )


def _told(error: BaseException, path: Path) -> str:
    """Return an error in words, with the last line of the file that it passed."""
    where = ""
    if isinstance(error, SyntaxError):
        return f"{error.msg}, line {error.lineno}"
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            where = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{where}"
