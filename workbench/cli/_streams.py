"""Standard output and error whose encoding lacks characters that are printed: GBK, cp437, ASCII."""

from __future__ import annotations

import codecs
import sys

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
}
HANDLER = "workbench.plain"


def tolerate_encodings() -> None:
    """Let both streams replace what their encoding lacks, where they would raise an error."""
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in missing), error.end
