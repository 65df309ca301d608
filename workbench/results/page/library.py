"""The scripts of the page: Plotly, which draws the charts, and our own."""

from __future__ import annotations

import base64
import hashlib
import zlib
from importlib.resources import files
from typing import NamedTuple

OWN = ("table.js", "charts.js", "paired.js")  # in the order in which they are read


class Scripts(NamedTuple):
    """What the template takes."""

    library: str  # compressed, as text
    script: str
    policy: str  # of the page: what a browser may load and run


def own_file(name: str) -> str:
    """Return the text of a file beside this module."""
    return files("workbench.results.page").joinpath(name).read_text(encoding="utf-8")


def scripts() -> Scripts:
    """Return the scripts, and the policy that lets a browser run them and nothing else."""
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs().replace("\r\n", "\n")  # as a page reads it
    own = "\n".join(own_file(name) for name in OWN)
    packed = base64.b64encode(zlib.compress(library.encode(), 9)).decode("ascii")
    run = f"script-src {_checksum(library)} {_checksum(own)}"
    loaded = "img-src data: blob:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return Scripts(packed, own, f"default-src 'none'; {run}; {loaded}")


def _checksum(script: str) -> str:
    """Return the name of a script in a policy."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
