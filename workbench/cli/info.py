"""`mlw info NAME`: all that is known of one thing."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli import _show
from workbench.errors import DataError, UnknownName
from workbench.plugin.options import option_text, options_of
from workbench.plugin.recipes import (
    RECIPES,
    published_numbers,
    recipe_place,
    recipe_tables,
    ways_and_shots,
)
from workbench.plugin.registry import KINDS, Registration, registry


def info(
    name: Annotated[str, typer.Argument(help="An algorithm, backbone or data set.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the run folders whose results are shown.")
    ] = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Print for a program to read.")] = False,
) -> None:
    """Show what a thing is: its paper, options, recipes, published and own results, or its files and licence."""
    from workbench.data.image_folder.record import folder_names

    known = {each: kind for kind in KINDS for each in registry().entries(kind)}
    if name in folder_names():
        known[name] = "datasets"
    kinds = []
    for kind in KINDS:
        try:
            registry().find(kind, name)
        except UnknownName:
            continue
        kinds.append(kind)
    if not kinds and name not in folder_names():
        raise UnknownName("algorithm, backbone or data set", name, known)
    facts = [_facts(registry().find(kind, name), out) for kind in kinds]
    if name in folder_names():
        facts.append(_own_facts(name))
    if json:
        _show.as_json(facts)
        return
    for fact in facts:
        _print(fact)


def _facts(entry: Registration, out: Path) -> dict[str, Any]:
    target = entry.load()
    facts: dict[str, Any] = {
        "name": entry.name,
        "kind": KINDS[entry.kind],
        "plugin": entry.distribution,
        "summary": inspect.getdoc(target) or "",
        "about": inspect.getdoc(inspect.getmodule(target)) or "",
        "options": _options(target, entry.preset),
    }
    if entry.base:
        facts["alias"] = f"{entry.base}:" + ",".join(
            f"{k}={option_text(v)}" for k, v in entry.preset.items()
        )
    if entry.kind == "algorithms":
        tables = recipe_tables(entry)
        facts["recipes"] = [
            {"for": recipe_place(table), "recipe": name, "settings": table[name]}
            for name in RECIPES
            for table in tables
            if name in table
        ]
        facts["published"] = [number._asdict() for number in published_numbers(entry)]
        facts["measured"] = _measured(entry.name, out)
    if entry.kind == "datasets" and target.manifest:
        facts["files"] = _files(target)
    return facts


def _options(target: type, preset: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = []
    for option in options_of(target).values():
        text = option.help
        if values := getattr(target, "selects", {}).get(option.name):
            text += f"; if not given, the best of {', '.join(map(option_text, values))} on validation tasks"
        default = option_text(preset.get(option.name, option.default))
        rows.append(
            {"name": option.name, "type": option.type_name, "default": default, "help": text}
        )
    return rows


def _measured(name: str, out: Path) -> list[dict[str, str]]:
    """The evaluations of an algorithm's finished runs in a folder, by run and condition."""
    if not any(out.glob("*/run.toml")):
        return []
    from workbench.cli._results import percent
    from workbench.experiments.run import find_runs
    from workbench.results.summary import summary
    from workbench.results.wording import condition_title

    rows = []
    for run in find_runs([out]):
        if not run.finished or run.about["plan"]["algorithm"] != name:
            continue
        frame = run.evaluations()
        for cell in summary(frame).to_dict("records") if len(frame) else []:
            rows.append(
                {
                    "task": condition_title(cell),
                    "options": cell["options"],
                    "accuracy": percent(cell["accuracy"], cell["interval"]),
                    "tasks": str(cell["episodes"]),
                    "run": run.folder.name,
                }
            )
    return rows


def _own_facts(name: str) -> dict[str, Any]:
    """What is known of a user's own folder of images."""
    from workbench.data.image_folder.dataset import ImageFolder
    from workbench.data.image_folder.record import read_record, record_path

    record = read_record(name)
    return {
        "name": name,
        "kind": "data set",
        "plugin": "a folder of your own",
        "summary": "",
        "about": str(record),
        "options": _options(ImageFolder, {}),
        "classes": record.images,
        "record": str(record_path(name)),
    }


def _files(target: Any) -> dict[str, Any]:
    from workbench.data.download.manifest import entry_of
    from workbench.data.download.provenance import downloaded

    manifest = entry_of(target)
    try:
        here = str(downloaded(manifest)[0].path.parent)
    except DataError as error:
        here = str(error)
    return {
        "homepage": manifest.homepage,
        "licence": manifest.licence,
        "citation": manifest.citation,
        "access": manifest.access,
        "steps": manifest.steps,
        "here": here,
        "files": [
            {
                "name": file.name,
                "form": file.form,
                "urls": list(file.urls),
                "megabytes": round(file.size / 1e6, 1),
                "checksum": "sha256" if file.sha256 else "md5" if file.md5 else "",
                "counts": file.counts,
            }
            for file in manifest.files
        ],
    }


def _print(facts: dict[str, Any]) -> None:
    from rich.markup import escape

    _show.out(
        f"[bold]{escape(facts['name'])}[/] · {facts['kind']} from {escape(facts['plugin'])}\n",
        markup=True,
    )
    _show.out((facts["about"] or facts["summary"]) + "\n")
    if "alias" in facts:
        _show.out(
            f"{facts['name']} is a name for {facts['alias']}; its recipes begin with those of the latter.\n"
        )
    columns = {"option": "left", "type": "left", "default": "left", "": "left"}
    rows = [[o["name"], o["type"], o["default"], o["help"]] for o in facts["options"]]
    if rows:
        _show.table(
            f"options, for instance {facts['name']}:{rows[0][0]}={rows[0][2]}", columns, rows
        )
    if recipe_rows := [
        [
            r["recipe"],
            r["for"],
            ", ".join(f"{k}={option_text(v)}" for k, v in r["settings"].items()),
        ]
        for r in facts.get("recipes", [])
    ]:
        _show.table("recipes", {"recipe": "left", "for": "left", "settings": "left"}, recipe_rows)
    if published := [
        [
            f"{p['data']} {ways_and_shots(p['ways'], p['shots'])}",
            f"{p['accuracy']}" + (f" ± {p['interval']}" if p["interval"] is not None else ""),
            p["backbone"],
            "; ".join(filter(None, [_given(p), p["source"], p["protocol"]])),
        ]
        for p in facts.get("published", [])
    ]:
        _show.table(
            "published",
            {"task": "left", "accuracy": "right", "backbone": "left", "source": "left"},
            published,
        )
    if measured := [list(m.values()) for m in facts.get("measured", [])]:
        columns = {
            "task": "left",
            "options": "left",
            "accuracy, %": "right",
            "tasks": "right",
            "run": "left",
        }
        _show.table("measured here", columns, measured)
    if facts.get("classes"):
        rows = [
            [split, ", ".join(f"{name} ({count})" for name, count in classes.items())]
            for split, classes in facts["classes"].items()
        ]
        _show.table("classes and their images", {"split": "left", "classes": "left"}, rows)
    if files := facts.get("files"):
        _print_files(files)


def _given(published: dict[str, Any]) -> str:
    """What was chosen for a published number beside way and shot."""
    options = [f"{key}={value}" for key, value in published["options"].items()]
    trained = (
        [f"trained on {published['train_on']}"]
        if published["train_on"] != published["data"]
        else []
    )
    return ", ".join(options + trained)


def _print_files(files: dict[str, Any]) -> None:
    from workbench.data.download.provenance import counts_text

    keys = ("homepage", "licence", "citation", "access", "steps", "here")
    _show.table(
        "data", {"": "left", " ": "left"}, [[key, files[key]] for key in keys if files[key]]
    )
    columns = {
        "file": "left",
        "form": "left",
        "size": "right",
        "checksum": "left",
        "holds": "left",
        "from": "left",
    }
    forms = any(file["form"] for file in files["files"])
    rows = [
        [
            file["name"],
            file["form"],
            f"{file['megabytes']:,} MB" if file["megabytes"] else "not known",
            file["checksum"] or "learnt at the first download",
            counts_text(file["counts"]),
            "\n".join(file["urls"]) or "by hand",
        ]
        for file in files["files"]
    ]
    if not forms:
        del columns["form"]
        rows = [[*row[:1], *row[2:]] for row in rows]
    _show.table("files", columns, rows)
