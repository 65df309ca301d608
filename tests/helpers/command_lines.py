"""What a command printed, and what every refusal has in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

Mlw = Callable[..., tuple[int, str, str]]  # exit code, standard output, standard error
SMALL = ["--steps", "2", "--device", "cpu", "--backbone", "conv4:width=4"]


def sentence(errors: str) -> str:
    """Return the last line of standard error, which must be a message for people."""
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("mlw: ")
    return last


def _files() -> list[Path]:
    """Return what is in this folder, without the compiled modules that Python keeps."""
    return [path for path in sorted(Path().rglob("*")) if "__pycache__" not in path.parts]


def check_refused(mlw: Mlw, line: str, code: int, words: Sequence[str]) -> None:
    """Check that a command prints one sentence, exits with a code, and writes nothing."""
    before = _files()
    found, output, errors = mlw(line)
    assert found == code, errors
    message = sentence(errors)
    for word in words:
        assert word in message
    assert output == ""
    assert _files() == before


def options_in_help(text: str) -> dict[str, str]:
    """Return the help text of each option in the output of `--help`, by its first long name."""
    found: dict[str, str] = {}
    current = ""
    for line in text.splitlines():
        words = line.strip(" │").split()
        if words[:1] == ["*"]:
            words = words[1:]
        if words and words[0].startswith("--"):
            current = words[0].split(",")[0]
            found[current] = ""
        if current:
            found[current] += " " + " ".join(words)
    return {name: re.sub(r"\s+", " ", words).strip() for name, words in found.items()}
