"""The nouns of a manifest: the entry of a data set, and the files that it lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class RemoteFile:
    """One published file.

    Attributes:
        name: the file's name, without a folder.
        urls: addresses, tried in order. A file without any must be downloaded by hand.
        size: bytes, or 0 if unknown.
        md5: the published checksum in hexadecimal digits, or "" if unknown.
        sha256: the published checksum in hexadecimal digits, or "" if unknown.
        counts: how many images the archive contains, in how many folders, in how many parent
            folders. The keys are the words to print: "images", "characters", "alphabets".
        form: the form of the data set that needs the file, or "" if every form does.
    """

    name: str
    urls: tuple[str, ...] = ()
    size: int = 0
    md5: str = ""
    sha256: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    form: str = ""

    @property
    def stem(self) -> str:
        """The name without its suffix: the name of the folder that an archive unpacks to."""
        return self.name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """The end of the name: ".zip", ".tar.gz"."""
        return suffix_of(self.name)

    @property
    def known(self) -> bool:
        """Whether a checksum is published."""
        return bool(self.md5 or self.sha256)


Form = tuple[RemoteFile, ...]  # the files that make up one form of a data set


@dataclass(frozen=True)
class ManifestEntry:
    """One data set's table in `datasets.toml`.

    Attributes:
        access: "direct"; "hub" if the address may refuse; or "by hand".
        steps: what to do if a file cannot be downloaded, ending in the command to run.
        overlaps: whether the data set shares images or classes with the data that backbones are
            pre-trained on: `{"imagenet": True}`.
    """

    name: str
    homepage: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...]
    access: str = "direct"
    steps: str = ""
    overlaps: Mapping[str, bool] = field(default_factory=dict)

    @property
    def forms(self) -> dict[str, Form]:
        """The files of each form in which the data set is published, the preferred form first."""
        names = dict.fromkeys(file.form for file in self.files if file.form)
        if not names:
            return {"": self.files}
        forms = {}
        for name in names:
            forms[name] = tuple(file for file in self.files if file.form in ("", name))
        return forms


def split_address(text: str) -> SplitResult | None:
    """Return the parts of an address; None for text that is none, such as "http://[::1/"."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where the port is no number
    except ValueError:
        return None
    return parts if parts.scheme and parts.hostname else None


def names_of(files: Iterable[RemoteFile]) -> list[str]:
    """Return the names of files."""
    return [file.name for file in files]


def suffix_of(name: str) -> str:
    """Return the end of a file's name: ".pkl", and of an archive all of it: ".tar.gz"."""
    for suffix in ARCHIVES:
        if name.lower().endswith(suffix):
            return name[-len(suffix) :]
    return os.path.splitext(name)[1]
