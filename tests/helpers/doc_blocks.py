"""The code blocks of the documentation, and the commands in them."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from places import ROOT

# docs/cli.md is generated: it has what --help prints.
PAGES = [ROOT / "README.md"] + [
    path
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if "_build" not in path.parts and path.name != "cli.md"
]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
SPELT = re.compile(r"`(mlw (?:train|compare|tune) [^`\[.]*)`")  # a command in a sentence or table
FORMAL = re.compile(r"\b(ALGORITHM|DATA|NAME|METHOD)\b")  # its form, not a command


class Block(NamedTuple):
    page: str
    line: int
    kind: str  # "sh", "console", "python", ...
    text: str


def blocks_of(name: str) -> list[Block]:
    """The blocks between fences of a page."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(name, line, match[1], match[2]))
    return found


def commands_of(name: str) -> list[list[str]]:
    """The words of each command of a page."""
    found = []
    for block in blocks_of(name):
        if block.kind in ("sh", "console"):
            found += _commands(block)
    text = (ROOT / name).read_text(encoding="utf-8")
    for spelt in SPELT.findall(text):
        if not FORMAL.search(spelt):
            found.append(shlex.split(spelt))
    return found


def _commands(block: Block) -> list[list[str]]:
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.kind == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    variables: dict[str, str] = {}
    found = []
    for line in lines:
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line, comments=True)
        if words and (given := re.fullmatch(r"([A-Z]+)=(.*)", words[0])):
            variables[given[1]] = given[2]
        elif words:
            found.append(words)
    return found
