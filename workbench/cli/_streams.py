"""Standard output and error that are closed, full, or lack characters that are printed.

GBK, cp437 and ASCII are encodings that lack some.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any

# by character, how it is written where the encoding lacks it; "?" for others
PLAIN = {
    "\u00b1": "+-",
    "\u2212": "-",  # minus sign
    "\u2013": "-",  # en dash
    "\u00b7": "-",  # middle dot
    "\u00d7": "x",  # times
    "\u2192": "->",
    "\u2020": "+",  # dagger
    "\u2021": "++",  # double dagger
    "\u00b5": "u",  # micro
    "\u00a7": "$",  # section, a mark
    "\u00b6": "P",  # paragraph, a mark
    "\u00b0": "o",  # degree, a mark
}
HANDLER = "workbench.plain"


def tolerate_encodings() -> None:
    """Let both streams replace what their encoding lacks, where they would raise an error."""
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


class UnwritableOutput(OSError):
    """Standard output takes no more text: its disk is full, or its reader has gone."""


class _Output(io.FileIO):
    """Standard output that says of an error that it is its own."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise UnwritableOutput(error.errno, error.strerror) from error


def guard_output() -> None:
    """Exit with a sentence if standard output is closed; tell its errors from those of files.

    Notes are ignored if standard error is closed.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the whole process
    if sys.stdout is None:
        print(
            "mlw: standard output is closed; redirect it to a file, or to the null device",
            file=sys.stderr,
        )
        sys.exit(1)
    try:
        number = sys.stdout.fileno()
    except OSError:  # a stream of a program that calls this one, without a file
        return
    if not sys.stdout.isatty():
        output = io.BufferedWriter(_Output(number, "w", closefd=False))
        sys.stdout = io.TextIOWrapper(output, sys.stdout.encoding, sys.stdout.errors)


def discard_output() -> None:
    """Send what is left of the output nowhere, so that the interpreter can exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in missing), error.end
