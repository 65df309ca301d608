"""Parquet files with a checksum, so that a damaged file never gives other numbers.

A parquet file ends in its own directory, so nothing can be put behind it. The checksum stands in
the metadata: over the whole file, with zeros in the place of the checksum itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from workbench.errors import DataError
from workbench.storage import write_file

KEY = b"workbench_checksum"  # in the metadata
SEAL = b"sha256:"
UNSEALED = SEAL + b"0" * 64


def write_table(table: Any, path: Path, version: Mapping[bytes, bytes]) -> None:
    """Write an arrow table to a parquet file, whole or not at all.

    Args:
        version: more metadata.
    """
    from pyarrow import parquet

    metadata = {**(table.schema.metadata or {}), **version, KEY: UNSEALED}
    written = BytesIO()  # pyarrow opens no path that is not UTF-8
    parquet.write_table(table.replace_schema_metadata(metadata), written)
    content = _sealed(written.getvalue())
    write_file(path, lambda part: part.write_bytes(content))


def read_table(path: Path, version: Mapping[bytes, bytes]) -> Any:
    """Return an arrow table; None if its metadata say another version.

    Raises:
        DataError: the file is damaged.
    """
    try:
        return _parsed(path.read_bytes(), version)
    except Exception as error:  # pyarrow raises many
        raise damaged(path, error) from error


def require_values(table: Any, names: Collection[str]) -> None:
    """Raise `ValueError` if a value is missing in one of these columns of an arrow table."""
    for name in table.column_names:
        if name in names and table.column(name).null_count:
            raise ValueError(f"column {name} lacks values")


def damaged(path: Path, error: Exception) -> DataError:
    """Return what to say of a file that cannot be used."""
    reason = str(error).partition("\n")[0]
    return DataError(
        f"{path} is damaged ({reason}); delete it, and run the command that wrote it again"
    )


def _parsed(content: bytes, version: Mapping[bytes, bytes]) -> Any:
    import pyarrow
    from pyarrow import parquet

    broken = _broken_seal(content)
    if broken and KEY in content:
        raise ValueError("its checksum differs")
    with parquet.ParquetFile(pyarrow.BufferReader(content)) as file:
        metadata = file.schema_arrow.metadata or {}
        if any(metadata.get(key) != value for key, value in version.items()):
            return None
        if broken:
            raise ValueError("it has no checksum")
        return file.read()


def _sealed(content: bytes) -> bytes:
    """Return the content of a file with a checksum over it in the place of the last `UNSEALED`."""
    place = content.rindex(UNSEALED) + len(SEAL)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + digest + content[place + 64 :]


def _broken_seal(content: bytes) -> bool:
    """Return whether a file that `_sealed` gave has other content now, or no seal at all."""
    place = content.rfind(SEAL) + len(SEAL)
    if place < len(SEAL):
        return True
    unsealed = content[:place] + b"0" * 64 + content[place + 64 :]
    return hashlib.sha256(unsealed).hexdigest().encode() != content[place : place + 64]
