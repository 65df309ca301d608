"""Where the cache is, and what is said when its disk fails."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from workbench.data.cache import cache_folder, disk_errors
from workbench.errors import DataError


def test_the_user_may_choose_the_folder(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.setenv("MLW_CACHE", "~/data")
    assert cache_folder() == Path.home() / "data"


@pytest.mark.parametrize("value", ["", None])
def test_the_platform_has_a_folder_for_caches(monkeypatch, value):
    import platformdirs

    monkeypatch.delenv("MLW_CACHE")
    if value is not None:
        monkeypatch.setenv("MLW_CACHE", value)
    assert cache_folder() == platformdirs.user_cache_path("mlw")


@pytest.mark.parametrize("value", ["", "~/data"])
def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch, value):
    def unknown(_):
        raise KeyError("there is no such user")

    monkeypatch.setenv("MLW_CACHE", value)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)  # as for a number without an entry
    with pytest.raises(DataError, match=r"no home folder.* set MLW_CACHE to the full path"):
        cache_folder()


def fail(folder: Path, error: OSError) -> None:
    with disk_errors(folder):
        raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errno.ENOSPC, "The disk that holds x is full; free some space or set MLW_CACHE to"),
        (errno.EDQUOT, "The disk that holds x is full"),
        (errno.EACCES, r"x cannot be written \(the reason\); set MLW_CACHE to another folder"),
        (errno.EROFS, r"x cannot be written \(the reason\)"),
        (errno.ENOLCK, r"The file system of x cannot lock files \(the reason\); set MLW_CACHE"),
        (errno.EIO, "y could not be read or written: the reason"),
    ],
)
def test_an_error_of_the_disk_says_what_to_do(error, message):
    with pytest.raises(DataError, match=message):
        fail(Path("x"), OSError(error, "the reason", "y"))


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), disk_errors(Path("x")):
        raise ZeroDivisionError
