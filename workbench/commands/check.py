"""`mlw check` as a function: the conformance tests, and what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from workbench.commands.arguments import checked
from workbench.commands.keywords import Code
from workbench.errors import UnknownName
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.plugin.options import convert_options, options_of, parse_spec
from workbench.plugin.registry import KINDS, Plugin, registry
from workbench.progress import say_nothing
from workbench.testing.backbones import backbone_findings
from workbench.testing.checks import Finding
from workbench.testing.datasets import dataset_findings
from workbench.testing.learners import learner_findings
from workbench.testing.plugins import plugin_findings

KNOWN = ("names", "note", "told")
FINDINGS: dict[str, Callable[[str], list[Finding]]] = {
    "algorithms": learner_findings,
    "backbones": backbone_findings,
    "datasets": dataset_findings,
}


@dataclass(frozen=True)
class Checked:
    """A plugin, or a thing that a plugin registers, and what came of its checks."""

    kind: str  # "plugin", "algorithm", "backbone" or "data set"
    name: str  # of a plugin, or a spec
    distribution: str
    findings: tuple[Finding, ...]

    @property
    def held(self) -> bool:
        """Whether no check that was asked did not hold."""
        return all(finding.held is not False for finding in self.findings)


def check(
    names: Code,
    *,
    note: Callable[[str], None] = say_nothing,
    told: Callable[[Checked, int], None] | None = None,
) -> list[Checked]:
    """Ask whether algorithms, backbones, data sets or whole plugins keep the contract.

    >>> found = mlw.check(["protonet", "mlw-vision"])
    >>> all(each.held for each in found)

    Args:
        names: algorithms, backbones or data sets, with options: `maml:first_order=true`; and
            plugins by the name of the package: `mlw-metric`; and own code, as a class or as
            "FILE.py:CLASS". One or several.
        note: told what is checked, a line at a time.
        told: told what came of each as soon as it is known, and how many there are in all.

    Returns:
        What came of each, in the order of the names. Data sets whose files are not downloaded are
        not asked about their images.

    Raises:
        UnknownName: a name is none of these.
        UsageError: there is no such option.
    """
    given = checked({"names": names, "note": note, "told": told}, KNOWN, needed="names")
    wanted = [_wanted(name) for name in given["names"]]  # all names before any work
    count = sum(len(things) + (plugin is not None) for plugin, things in wanted)
    found: list[Checked] = []
    for plugin, things in wanted:
        for each in _checked(plugin, things, given.get("note", say_nothing)):
            if told is not None:
                told(each, count)
            found.append(each)
    return found


def _checked(
    plugin: Plugin | None, things: Iterable[tuple[str, str]], tell: Callable[[str], None]
) -> Iterator[Checked]:
    """Check a plugin, if there is one, and things by kind and spec, one after the other."""
    if plugin is not None:
        tell(f"checking the plugin {plugin.distribution} ...")
        asked = tuple(plugin_findings(plugin))
        yield Checked("plugin", plugin.name, plugin.distribution, asked)
    for kind, spec in things:
        tell(f"checking the {KINDS[kind]} {spec} ...")
        owner = registry().find(kind, parse_spec(spec).name).distribution
        yield Checked(KINDS[kind], spec, owner, tuple(FINDINGS[kind](spec)))


def _wanted(text: str) -> tuple[Plugin | None, list[tuple[str, str]]]:
    """Return the plugin that a text names, if it names one, and the things to check."""
    for plugin in registry().plugins:
        if text in (plugin.distribution, plugin.name):
            return plugin, list(_things_of(plugin))
    name = parse_spec(text).name
    things = [(kind, text) for kind in FINDINGS if registry().named(kind, name)]
    if not things:
        known = {plugin.distribution for plugin in registry().plugins}
        for kind in FINDINGS:
            known.update(registry().entries(kind))
        raise UnknownName("algorithm, backbone, data set or plugin", name, known, "Run: mlw list")
    if ":" in text:
        _check_options(things[0][0], text)
    return None, things


def _things_of(plugin: Plugin) -> Iterator[tuple[str, str]]:
    for kind in FINDINGS:
        for entry in plugin.entries:
            if entry.kind == kind:
                yield kind, registry().short_name(entry)


def _check_options(kind: str, text: str) -> None:
    """Raise `UsageError` if the options of a spec are none of what it names."""
    spec = parse_spec(text)
    registration = registry().find(kind, spec.name)
    if kind == "algorithms":
        known = KnownAlgorithm(spec.name).all
    else:
        known = options_of(registration.load())
    convert_options(spec.name, spec.options, known)
