"""The gallery of algorithms, and the table of measured and published numbers on each page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from workbench.plugin.options import options_text
from workbench.plugin.recipes import Published, published_numbers, ways_and_shots
from workbench.plugin.registry import Registration, registry
from workbench.results.wording import as_published

FOLDER = Path(__file__).parent
PAGES = FOLDER / "algorithms"
BEGIN = "<!-- what follows is written by `make docs` -->\n"
END = "\n<!-- up to here -->"
FAMILIES = {  # of the plugins of this repository, in the order of the page
    "mlw-metric": "Metric",
    "mlw-optimization": "Optimisation",
    "mlw-transfer": "Transfer",
    "mlw-crossdomain": "Cross-domain",
    "mlw-model": "Models",
    "mlw-learned": "Learned optimisers",
    "mlw-bayesian": "Bayesian",
    "mlw-continual": "Continual",
}
SHARED = {"cnaps": "film", "iid": "pretrain", "replay": "pretrain", "scratch": "pretrain"}
USUAL = ("omniglot", "5-way 1-shot")  # the task of a card
HEADINGS = ("method", "tested on", "task", "published, %", "measured here, %", "steps", "source")
NONE_KNOWN = "The plugin records no published number of this method."


class Measured(NamedTuple):
    """A row of the table of docs/results.md that is written from run folders."""

    accuracy: str  # with interval
    published: str  # "" if there is none
    steps: str


def measured() -> dict[tuple[str, str, str], Measured]:
    """Return what was measured, by method, data set and task."""
    text = (FOLDER / "results.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- omniglot: .+? -->\n(.+?)\n<!-- up to here -->", text, re.DOTALL)
    assert table, "docs/results.md has no table of Omniglot"
    found = {}
    for line in table[1].splitlines()[2:]:
        method, data, task, accuracy, published, _, steps, *_ = line.strip("| ").split(" | ")
        key = (method.removesuffix(r" \*"), data.partition(" ")[0], task)
        found[key] = Measured(accuracy, published.strip(), steps)
    return found


def page_of(registration: Registration) -> str:
    """Return the page that describes an algorithm."""
    name = registration.name
    return SHARED.get(name) or registration.base or name


def _by_page(distribution: str = "") -> dict[str, list[Registration]]:
    """Return the algorithms of each page, those of one plugin or of all; the page's own first."""
    pages: dict[str, list[Registration]] = {}
    for name in sorted(registry().entries("algorithms")):
        registration = registry().find("algorithms", name)
        if registration.distribution in (distribution or FAMILIES):
            pages.setdefault(page_of(registration), []).append(registration)
    for page, found in pages.items():
        found.sort(key=lambda each: each.name != page)
    return dict(sorted(pages.items()))


# --- the gallery


def index_page() -> str:
    """Return docs/algorithms/index.md with updated cards."""
    numbers = measured()
    sections = []
    for distribution, family in FAMILIES.items():
        cards = [_card(page, found, numbers) for page, found in _by_page(distribution).items()]
        sections.append("\n".join([f"## {family}", "", *cards]))
    return _between_marks(PAGES / "index.md", "\n".join(sections).rstrip())


def _card(
    page: str, found: list[Registration], numbers: dict[tuple[str, str, str], Measured]
) -> str:
    summary = (found[0].load().__doc__ or "").partition("\n")[0]
    others = ", ".join(f"`{each.name}`" for each in found[1:])
    lines = [
        f"- [![The idea of {page}](figures/ideas/{page}.svg)]({page}.md)",
        "",
        f"  **[{page}]({page}.md)**",
        "",
        f"  {summary}{f' Also {others}.' if others else ''}",
        "",
        f"  *{_short(page, found, numbers)}*",
        "",
    ]
    return "\n".join(lines)


def _short(
    page: str, found: list[Registration], numbers: dict[tuple[str, str, str], Measured]
) -> str:
    """Return measured against published at one task, or one number that is published."""
    usual = numbers.get((page, *USUAL))
    if usual is not None:
        data, task = USUAL
        text = f"{data}, {task}: measured {_whole(usual.accuracy)}"
        return f"{text}, published {_whole(usual.published)}" if usual.published else text
    for number in published_numbers(found[0]):
        spec = options_text(number.options)
        place = f"{number.data.partition(':')[0]}, {_task(number)}"
        text = as_published(number.accuracy, number.spread, number.spread_kind)
        return f"{place}: published {_whole(text)}{f' with {spec}' if spec else ''}"
    return "no published number"


def _whole(number: str) -> str:
    """Return a number that is not broken before its interval."""
    return number.replace(" ", "\N{NO-BREAK SPACE}")


# --- pages of algorithms


def algorithm_page(page: str) -> str:
    """Return the page of an algorithm with an updated table."""
    rows = list(_rows(_by_page()[page], measured()))
    table = NONE_KNOWN
    if rows:
        table = "\n".join([_line(HEADINGS), "|---" * len(HEADINGS) + "|", *map(_line, rows)])
    return _between_marks(PAGES / f"{page}.md", table)


def _rows(
    found: Iterable[Registration], numbers: dict[tuple[str, str, str], Measured]
) -> Iterator[tuple[str, ...]]:
    aliases = [each.preset for each in found if each.base]
    for registration in found:
        unused = {key: row for key, row in numbers.items() if key[0] == registration.name}
        for number in published_numbers(registration):
            if not registration.base and _same(number.options, aliases):
                continue  # it stands under the alias
            spec = options_text(number.options)
            method = f"{registration.name}:{spec}" if spec else registration.name
            task = _task(number)
            row = unused.pop((method, number.data, task), Measured("", "", ""))
            published = as_published(number.accuracy, number.spread, number.spread_kind)
            place = number.data + _trained_on(number)
            yield f"`{method}`", place, task, published, row.accuracy, row.steps, number.source
        for (method, data, task), row in unused.items():
            yield f"`{method}`", data, task, "", row.accuracy, row.steps, ""


def _same(options: Mapping[str, str], aliases: Iterable[Mapping[str, Any]]) -> bool:
    return any(options_text(options) == options_text(preset) for preset in aliases)


def _task(number: Published) -> str:
    task = ways_and_shots(number.ways, number.shots, number.instance)
    return task if number.drawn == "way-shot" else f"{task} ({number.drawn})"


def _trained_on(number: Published) -> str:
    if number.trained_on == (number.data,):
        return ""
    if len(number.trained_on) > 2:
        return f", trained on {len(number.trained_on)} data sets"
    return f", trained on {' and '.join(number.trained_on)}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _between_marks(path: Path, text: str) -> str:
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{path} has no mark for what `make docs` writes"
    return before + begin + text + end + after


def pages() -> list[str]:
    """Return the names of all pages of algorithms."""
    return list(_by_page())
