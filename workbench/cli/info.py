"""`mlw info NAME`: all that is known of one algorithm, backbone or data set."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import Json, Out
from workbench.environment import out_folder
from workbench.errors import DataError, RunError, UnknownName, UsageError
from workbench.plugin import recipes
from workbench.plugin.options import option_text, options_of, options_text
from workbench.plugin.registry import KINDS, Registration, registry

ACCESS = {
    "direct": "direct: mlw downloads it",
    "hub": "hub: mlw downloads it, but the address may refuse",
    "by hand": "by hand: see the steps",
}

if TYPE_CHECKING:
    import pandas as pd


def info(
    name: Annotated[
        str,
        typer.Argument(
            help="An algorithm, backbone, data set or tracker.",
            autocompletion=_complete.anything,
        ),
    ],
    out: Out = None,
    json: Json = False,
) -> None:
    """Show paper, options, recipes and results of a method; files and licence of a data set."""
    from workbench.data.image_folder.record import folder_names

    plain, options, _ = name.partition(":")
    if options:
        raise UsageError(f"mlw info takes a name without options: mlw info {plain}")
    facts = [_facts(registration, out or out_folder()) for registration in _registered(name)]
    if name in folder_names():
        facts.append(_own_facts(name))
    if not facts:
        known = set(folder_names())
        for kind in KINDS:
            known.update(registry().entries(kind))
        raise UnknownName("algorithm, backbone or data set", name, known, "Run: mlw list")
    if json:
        _show.as_json(facts)
        return
    for fact in facts:
        _print(fact)


def _registered(name: str) -> list[Registration]:
    """Return what plugins registered under a name, of any kind."""
    found = []
    for kind in KINDS:
        try:
            found.append(registry().find(kind, name))
        except UnknownName:
            continue
    return found


# --- facts


def _facts(registration: Registration, out: Path) -> dict[str, Any]:
    from workbench.data.inventory import prepared_notes

    target = registration.load()
    facts: dict[str, Any] = {
        "name": registration.name,
        "kind": KINDS[registration.kind],
        "plugin": registration.distribution,
        "summary": inspect.getdoc(target) or "",
        "about": inspect.getdoc(inspect.getmodule(target)) or "",
        "options": _options(target, registration.preset),
    }
    if registration.base:
        facts["alias"] = f"{registration.base}:{options_text(registration.preset)}"
    if registration.kind == "algorithms":
        published = recipes.published_numbers(registration)
        facts["recipes"] = _recipes(registration)
        facts["published"] = [number._asdict() for number in published]
        facts["measured"] = _measured(registration.name, out)
    if registration.kind == "datasets":
        facts["notes"] = prepared_notes(registry().short_name(registration))
    if registration.kind == "datasets" and target.manifest:
        facts["files"] = _files(target)
    return facts


def _options(target: type, preset: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = []
    selects = getattr(target, "selects", {})
    for option in options_of(target).values():
        text = option.help
        if option.name in selects:
            values = ", ".join(option_text(value) for value in selects[option.name])
            text += f"; if omitted, the best of {values} on validation tasks"
        default = option_text(preset.get(option.name, option.default))
        rows.append(
            {"name": option.name, "type": option.type_name, "default": default, "help": text}
        )
    return rows


def _recipes(registration: Registration) -> list[dict[str, Any]]:
    rows = []
    for recipe in recipes.RECIPES:
        for table in recipes.recipe_tables(registration):
            if recipe in table:
                place = recipes.recipe_place(table)
                rows.append({"for": place, "recipe": recipe, "settings": table[recipe]})
    return rows


def _measured(name: str, out: Path) -> list[dict[str, str]]:
    """Return the evaluations of an algorithm's finished runs in a folder."""
    import pandas as pd

    from workbench.experiments.run import find_runs, readable_runs
    from workbench.results.grouping import varying

    if not any(out.glob("*/run.toml")):
        return []
    frames = []
    try:
        for run in readable_runs(find_runs([out]), _show.note):
            frame = run.evaluations()
            if run.finished and run.plan.algorithm == name and len(frame):
                frames.append(frame)
    except RunError as error:
        _show.note(f"no results of runs are shown: {error}")
    if not frames:
        return []
    varied = varying(pd.concat(frames, ignore_index=True))
    rows = []
    for frame in frames:
        rows += _results(frame, varied)
    return rows


def _results(frame: pd.DataFrame, varied: Sequence[str]) -> list[dict[str, str]]:
    """Return what was measured with one run; `varied` are the columns to name in detail."""
    from workbench.results.frame import records
    from workbench.results.summary import summary
    from workbench.results.wording import condition_title, plus_minus

    rows = []
    for cell in records(summary(frame)):
        rows.append(
            {
                "task": condition_title(cell, varied),
                "options": cell["options"],
                "accuracy": plus_minus(100 * cell["accuracy"], 100 * cell["interval"]),
                "tasks": str(cell["episodes"]),
                "run": frame["run"].iloc[0],
            }
        )
    return rows


def _own_facts(name: str) -> dict[str, Any]:
    """Return what is known of a user's own folder of images."""
    from workbench.data.image_folder.dataset import ImageFolder
    from workbench.data.image_folder.record import read_record, record_path
    from workbench.data.inventory import prepared_notes

    record = read_record(name)
    return {
        "name": name,
        "kind": "data set",
        "plugin": "a folder of your own",
        "summary": "",
        "about": "\n\n".join(str(record).splitlines()),
        "options": _options(ImageFolder, {}),
        "classes": record.images,
        "record": str(record_path(name)),
        "notes": prepared_notes(name),
    }


def _files(target: Any) -> dict[str, Any]:
    from workbench.data.download.manifest import entry_of
    from workbench.data.download.provenance import downloaded

    entry = entry_of(target)
    try:
        here = str(downloaded(entry)[0].path.parent)
    except DataError as error:
        here = str(error)
    return {
        "homepage": entry.homepage,
        "licence": entry.licence,
        "citation": entry.citation,
        "access": entry.access,
        "steps": entry.steps,
        "here": here,
        "files": [_file(file) for file in entry.files],
    }


def _file(file: Any) -> dict[str, Any]:
    checksum = ""
    if file.md5:
        checksum = "md5"
    if file.sha256:
        checksum = "sha256"
    return {
        "name": file.name,
        "form": file.form,
        "urls": list(file.urls),
        "megabytes": round(file.size / 1e6, 1),
        "checksum": checksum,
        "counts": file.counts,
    }


# --- printing


def _print(facts: dict[str, Any]) -> None:
    from rich.markup import escape

    name = facts["name"]
    plugin = escape(facts["plugin"])
    _show.out(f"[bold]{escape(name)}[/] · {facts['kind']} from {plugin}\n", markup=True)
    text = facts["about"] or facts["summary"]
    if "alias" in facts:
        text += f"\n\n{name} is a name for {facts['alias']}; it begins with the same recipes."
    _show.prose(text)
    _show.out("")
    _print_options(name, facts["options"])
    _print_recipes(facts.get("recipes", []))
    _print_published(facts.get("published", []))
    _print_measured(facts.get("measured", []))
    for note in facts.get("notes", []):
        _show.prose(note)
    _print_classes(facts.get("classes", {}))
    if "files" in facts:
        _print_files(facts["files"])


def _print_options(name: str, options: list[dict[str, str]]) -> None:
    if not options:
        return
    title = f"options, for instance {name}:{_example(options)}"
    columns = {"option": "left", "type": "left", "default": "left", "description": "left"}
    _show.table(title, columns, [list(option.values()) for option in options])


def _example(options: list[dict[str, str]]) -> str:
    """Return an option with a value: not its default, if one option has a list of values."""
    for option in options:
        values = option["type"].split("|")
        if option["type"] == "bool":
            values = ["false", "true"]
        others = [value for value in values if value != option["default"]]
        if len(values) > 1 and others:
            return f"{option['name']}={others[0]}"
    return f"{options[0]['name']}={options[0]['default']}"


def _print_recipes(found: list[dict[str, Any]]) -> None:
    if not found:
        return
    rows = []
    for recipe in found:
        settings = []
        for key, value in recipe["settings"].items():
            settings.append(f"{key}={option_text(value)}")
        rows.append([recipe["recipe"], recipe["for"], ", ".join(settings)])
    _show.table("recipes", {"recipe": "left", "for": "left", "settings": "left"}, rows)


def _print_published(numbers: list[dict[str, Any]]) -> None:
    from workbench.results.wording import as_published

    if not numbers:
        return
    rows = []
    for number in numbers:
        shape = recipes.ways_and_shots(number["ways"], number["shots"], number["instance"])
        task = ", ".join([f"{number['data']} {shape}", *_variant(number)])
        accuracy = as_published(number["accuracy"], number["spread"], number["spread_kind"])
        rows.append([task, accuracy, number["backbone"], "; ".join(_source(number))])
    columns = {"task": "left", "accuracy": "right", "backbone": "left", "source": "left"}
    _show.table("published", columns, rows)


def _variant(number: dict[str, Any]) -> list[str]:
    """Return what else tells a published number apart: options, and where it was trained."""
    words = [f"{key}={value}" for key, value in number["options"].items()]
    if number["trained_on"] != (number["data"],):
        words.append(f"trained on {' + '.join(number['trained_on'])}")
    return words


def _source(number: dict[str, Any]) -> list[str]:
    """Return where a published number is printed, its protocol, and what its spread is."""
    spread = recipes.spread_words(number["spread_kind"])
    return [word for word in (number["source"], number["protocol"], spread) if word]


def _print_measured(results: list[dict[str, str]]) -> None:
    if not results:
        return
    columns = {
        "task": "left",
        "options": "left",
        "accuracy, %": "right",
        "tasks": "right",
        "run": "left",
    }
    _show.table("measured here", columns, [list(result.values()) for result in results])


def _print_classes(splits: dict[str, dict[str, int]]) -> None:
    if not splits:
        return
    rows = []
    for split, classes in splits.items():
        counted = [f"{name} ({count})" for name, count in classes.items()]
        rows.append([split, ", ".join(counted)])
    _show.table("classes and their images", {"split": "left", "classes": "left"}, rows)


def _print_files(files: dict[str, Any]) -> None:
    from workbench.data.download.provenance import counts_text

    keys = ("homepage", "licence", "citation", "access", "steps", "here")
    words = {**files, "access": ACCESS[files["access"]]}
    about = [[key, words[key]] for key in keys if words[key]]
    _show.table("data", {"": "left", " ": "left"}, about)
    columns = {
        "file": "left",
        "form": "left",
        "size": "right",
        "checksum": "left",
        "holds": "left",
        "from": "left",
    }
    rows = []
    for file in files["files"]:
        rows.append(
            {
                "file": file["name"],
                "form": file["form"],
                "size": f"{file['megabytes']:,} MB" if file["megabytes"] else "unknown",
                "checksum": file["checksum"] or "learnt at the first download",
                "holds": counts_text(file["counts"]),
                "from": "\n".join(file["urls"]) or "by hand",
            }
        )
    title = "files"
    forms = list(dict.fromkeys(row["form"] for row in rows if row["form"]))
    if forms:
        title = f"files in {len(forms)} forms, of which one is enough: {', '.join(forms)}"
    else:
        del columns["form"]
    _show.table(title, columns, [[row[name] for name in columns] for row in rows])
