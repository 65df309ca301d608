"""Where the project is, and the published data beside it that some tests need."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"


def needs_published(*names: str) -> pytest.MarkDecorator:
    """Skip a test if published files are missing from the folder `shared/data` beside the project.

    The files are the originals: archives and lists that are too large to be kept here, or not ours
    to copy. A test that needs them compares the project with the originals. Without them, other
    tests still check the same code on small archives in the published layouts, and the same lists
    by their checksums. Only sizes and checksums in `datasets.toml` are then taken on trust.
    """
    missing = [name for name in names if not (SHARED / name).exists()]
    reason = f"not compared with the originals: {SHARED} has no {', '.join(missing)}"
    return pytest.mark.skipif(bool(missing), reason=reason)
