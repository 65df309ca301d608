"""Find and load plugins, and look up what they register.

A plugin that cannot be imported, or whose hooks raise, does not stop the others: its error is shown
by `mlw plugins`. If two plugins register the same name, each is available only by its full name,
`distribution/name`.
"""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from workbench.environment import PLUGINS
from workbench.errors import PluginError, UnknownName, UsageError
from workbench.plugin import hookspecs
from workbench.plugin.interface import require_interface
from workbench.plugin.sources import loaded_source

if TYPE_CHECKING:
    import typer

KINDS = {
    "algorithms": "algorithm",
    "backbones": "backbone",
    "datasets": "data set",
    "trackers": "tracker",
}
DEFAULT_DATASET = "mlw-vision/glyphs"  # needs no download; others may register the short name
DEFAULT_PROTOCOL = "way-shot"
NOT_INSTALLED = "not installed"  # the version of what no plugin registers


@dataclass(frozen=True)
class Registration:
    """A registered class: its name, where it is defined, and which plugin registered it."""

    kind: str  # a key of KINDS
    name: str
    target: str | type  # "package.module:Class", or the class
    plugin: str
    distribution: str
    package: str  # the module of the entry point, beside which the plugin's data files are
    preset: Mapping[str, Any] = field(default_factory=dict)  # options that an alias sets
    base: str = ""  # for an alias, the name of the class without options

    @property
    def full_name(self) -> str:
        """`distribution/name`, which no other plugin can register."""
        return f"{self.distribution}/{self.name}"

    def load(self) -> type[Any]:
        """Import the class.

        Raises:
            PluginError: the module cannot be imported or has no such class.
        """
        loaded = self._loaded()
        loaded_source(loaded)  # type: ignore[arg-type] # now, before an editor changes the file
        return loaded

    def _loaded(self) -> type[Any]:
        if isinstance(self.target, type):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            loaded = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{self.full_name} names {self.target!r}, which cannot be imported: "
                f"{_sentence(error)}; run: mlw --debug info {self.full_name}"
            ) from error
        if not isinstance(loaded, type):
            raise PluginError(
                f"{self.full_name} names {self.target!r}, which is no class but "
                f"{type(loaded).__name__}"
            )
        return loaded


@dataclass
class Plugin:
    """One entry point of the group `mlw`, with what it registered and its error, if any."""

    name: str
    distribution: str
    version: str
    package: str
    entries: list[Registration] = field(default_factory=list)
    error: str = ""


class Registry:
    """All plugins, and a lookup of what they registered."""

    def __init__(self, plugins: list[Plugin], manager: pluggy.PluginManager):
        self.plugins = plugins
        self._manager = manager

    def entries(self, kind: str) -> dict[str, Registration]:
        """Return all registrations of a kind by name, or by full name if plugins share the name."""
        owners: dict[str, int] = {}
        for registration in self._all(kind):
            owners[registration.name] = owners.get(registration.name, 0) + 1
        named = {}
        for registration in self._all(kind):
            if owners[registration.name] == 1:
                named[registration.name] = registration
            else:
                named[registration.full_name] = registration
        return dict(sorted(named.items()))

    def find(self, kind: str, name: str, *, also_known: Iterable[str] = ()) -> Registration:
        """Return the registration with a name or full name.

        Args:
            also_known: other names of this kind, for the message.

        Raises:
            UnknownName: no plugin registered the name.
            UsageError: two plugins registered the name; the message has both full names.
        """
        found = self.named(kind, name)
        if not found:
            known = [*self.entries(kind), *also_known]
            raise UnknownName(KINDS[kind], name, known, self._hint(kind))
        if len(found) > 1:
            names = " and ".join(registration.full_name for registration in found)
            raise UsageError(
                f"Two plugins register the {KINDS[kind]} {name!r}; use the full name: {names}."
            )
        return found[0]

    def short_name(self, registration: Registration) -> str:
        """Return the name that `entries` has for a registration: the full name only if needed."""
        same = self.named(registration.kind, registration.name)
        return registration.name if len(same) == 1 else registration.full_name

    def knows(self, kind: str, name: str) -> bool:
        """Return whether `find` would find a name."""
        return len(self.named(kind, name)) == 1

    def plugin_of(self, registration: Registration) -> Plugin:
        """Return the plugin that made a registration."""
        for plugin in self.plugins:
            if registration in plugin.entries:
                return plugin
        raise PluginError(f"no plugin registers {registration.full_name}")

    def adopt(self, kind: str, target: type, origin: str) -> str:
        """Register a class that no plugin has, for this process; return the name that finds it.

        A class that a plugin registers has its name there. One that was typed again, or whose file
        was edited, takes the place of the earlier one.

        Args:
            origin: where it is from, for people: "my_method.py"; it stands for the distribution.

        Raises:
            UsageError: a class of another file has its name.
        """
        address = f"{target.__module__}:{target.__qualname__}"
        for registration in self._all(kind):
            if registration.target in (target, address) and not registration.preset:
                return self.short_name(registration)
        name = target.__name__
        for plugin in self.plugins:
            if plugin.version != NOT_INSTALLED:
                continue
            for entry in [entry for entry in plugin.entries if entry.name == name]:
                if plugin.distribution != origin:
                    raise UsageError(
                        f"{plugin.distribution} and {origin} both have a class {name}; rename one"
                    )
                plugin.entries.remove(entry)
        plugin = self._origin(origin, target.__module__)
        entry = Registration(kind, name, target, plugin.name, plugin.distribution, plugin.package)
        entry.load()  # its text is read now, before it is edited
        plugin.entries.append(entry)
        return self.short_name(entry)

    def _origin(self, origin: str, module: str) -> Plugin:
        """Return the plugin that stands for a file, with its module as it is now."""
        for plugin in self.plugins:
            if plugin.distribution == origin and plugin.version == NOT_INSTALLED:
                plugin.package = module
                return plugin
        self.plugins.append(Plugin(origin, origin, NOT_INSTALLED, module))
        return self.plugins[-1]

    def _hint(self, kind: str) -> str:
        """Return what to run if a name of a kind is unknown."""
        broken = [plugin.name for plugin in self.plugins if plugin.error]
        if broken:
            return f"A plugin did not load ({', '.join(broken)}); run: mlw plugins"
        return f"Run: mlw list {kind}"

    def register_commands(self, app: typer.Typer) -> None:
        """Let each plugin add commands. The error of a plugin that fails is kept in its row."""
        for plugin, implementation in _implementations(
            self._manager, self.plugins, "register_commands"
        ):
            _guarded(plugin, _add_commands, app, implementation)

    def _all(self, kind: str) -> Iterator[Registration]:
        for plugin in self.plugins:
            for registration in plugin.entries:
                if registration.kind == kind:
                    yield registration

    def named(self, kind: str, name: str) -> list[Registration]:
        """Return all registrations of a kind with a name or full name."""
        found = []
        for registration in self._all(kind):
            if name in (registration.name, registration.full_name):
                found.append(registration)
        return found


@cache
def registry() -> Registry:
    """Return the installed plugins, or only those in `MLW_PLUGINS=a,b`. Loaded once per process."""
    installed = sorted(entry_points(group=hookspecs.GROUP), key=lambda point: point.name)
    setting = os.environ.get(PLUGINS)
    if setting is None:
        return load(installed)
    wanted = [name.strip() for name in setting.split(",") if name.strip()]
    loaded = load([point for point in installed if point.name in wanted])
    available = {point.name for point in installed}
    for name in wanted:
        if name not in available:
            error = "MLW_PLUGINS names this plugin, but it is not installed"
            loaded.plugins.append(Plugin(name, "?", "?", "", error=error))
    return loaded


def load(points: Sequence[EntryPoint]) -> Registry:
    """Import each entry point and call its hooks. Errors of a plugin are kept in its row."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    plugins: dict[str, Plugin] = {}
    for point in points:
        distribution, version = "?", "?"
        if point.dist:
            distribution, version = point.dist.name, point.dist.version
        name = point.name
        if name in plugins:
            name = f"{distribution}/{name}"
        plugin = Plugin(name, distribution, version, _module_of(point))
        plugins[name] = plugin
        _guarded(plugin, _import, manager, point, name)
    for kind in KINDS:
        for plugin, implementation in _implementations(
            manager, plugins.values(), f"register_{kind}"
        ):
            _guarded(plugin, implementation, _register(plugin, kind))
    return Registry(list(plugins.values()), manager)


def _implementations(
    manager: pluggy.PluginManager, plugins: Iterable[Plugin], hook: str
) -> Iterator[tuple[Plugin, Callable[..., None]]]:
    """Yield each plugin that implements a hook, and its function."""
    by_name = {plugin.name: plugin for plugin in plugins}
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        yield by_name[implementation.plugin_name], implementation.function


def _module_of(point: EntryPoint) -> str:
    """Return the module that an entry point names; "" if it is malformed."""
    match = point.pattern.match(point.value)
    if match is None:
        return ""
    return str(match["module"])


def _import(manager: pluggy.PluginManager, point: EntryPoint, name: str) -> None:
    if not _module_of(point):
        raise PluginError(f"its entry point is {point.value!r}, which names no module")
    require_interface(point)
    module = point.load()
    try:
        manager.register(module, name)
        manager.check_pending()  # fail on a misspelt hook, which pluggy would ignore
    except pluggy.PluginValidationError as error:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        raise PluginError(" ".join(str(error).split())) from error


def _register(plugin: Plugin, kind: str) -> hookspecs.Register:
    """Return the function that a plugin's hook is called with."""

    def register(name: str, target: str | type, **preset: Any) -> None:
        earlier = [entry for entry in plugin.entries if entry.kind == kind]
        if name in [entry.name for entry in earlier]:
            raise PluginError(f"{plugin.name} registers the {KINDS[kind]} {name!r} twice")
        if isinstance(target, str) and target.count(":") != 1:
            raise PluginError(
                f"{plugin.name} registers {name!r} as {target!r}, "
                "which is not 'package.module:Class'"
            )
        base = ""
        if preset:
            base = _base(earlier, target)
            if not base:
                raise PluginError(
                    f"{plugin.name} registers {name!r} with options before it registers "
                    f"{target!r} without options"
                )
        registration = Registration(
            kind=kind,
            name=name,
            target=target,
            plugin=plugin.name,
            distribution=plugin.distribution,
            package=plugin.package,
            preset=preset,
            base=base,
        )
        plugin.entries.append(registration)

    return register


def _base(earlier: Sequence[Registration], target: str | type) -> str:
    """Return the name under which a class is registered without options; "" if there is none."""
    for registration in earlier:
        if registration.target == target and not registration.preset:
            return registration.name
    return ""


def _add_commands(app: typer.Typer, register_commands: Callable[..., None]) -> None:
    """Add a plugin's commands, if Typer can build them and their names are free."""
    import typer
    from typer.main import get_group

    own = typer.Typer()
    register_commands(own)
    for name in get_group(own).commands.keys() & get_group(app).commands.keys():
        raise PluginError(f"there is already a command {name!r}")
    app.registered_commands += own.registered_commands
    app.registered_groups += own.registered_groups


def _guarded(plugin: Plugin, call: Callable[..., None], *arguments: Any) -> None:
    """Call a plugin's code. Whatever it raises becomes its error, so that other plugins work."""
    try:
        call(*arguments)
    except (Exception, SystemExit) as error:
        plugin.error = _sentence(error)
        if os.environ.get("MLW_DEBUG"):
            traceback.print_exc()


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
