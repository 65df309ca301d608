"""Files are written whole or not at all, under names of their own until then."""

from __future__ import annotations

import os
import threading
import tomllib

import pytest

from workbench import storage
from workbench.errors import UsageError
from workbench.storage import refuse_to_replace, remove_parts, write_file, write_toml


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "file.txt"
    for content in ("one", "other"):
        write_file(path, lambda part, content=content: part.write_text(content))
        assert path.read_text() == content
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def half(part):
        part.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_file(path, half)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_failed_rename_leaves_no_part(tmp_path):
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_file(tmp_path / "folder", lambda part: part.write_text("content"))
    assert names(tmp_path) == ["folder"]


def test_what_a_killed_process_left_is_removed_once_nobody_can_be_writing_it(tmp_path):
    stale, new = (tmp_path / f".page.html.{digit * 16}.part" for digit in "ab")
    for path in (stale, new, tmp_path / ".download.part", tmp_path / "notes.part"):
        path.write_text("half")
        os.utime(path, (1, 1))
    os.utime(new)
    write_file(tmp_path / "page.html", lambda part: part.write_text("whole"))
    assert names(tmp_path) == [".download.part", new.name, "notes.part", "page.html"]
    remove_parts(tmp_path)
    assert names(tmp_path) == [".download.part", "notes.part", "page.html"]


def test_it_has_another_name_until_it_is_whole(tmp_path):
    path = tmp_path / "file.parquet"
    parts = []

    def write(part):
        parts.append(part)
        part.write_text("content")
        assert not path.exists()

    for _ in range(2):
        write_file(path, write)
        path.unlink()
    assert parts[0] != parts[1]
    for part in parts:
        assert part.parent == tmp_path
        assert part.name.startswith(".file.parquet.")
        assert part.suffix == ".part"  # no reader looks for these


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "file.txt"
    both = threading.Barrier(2, timeout=30)
    failed = []

    def write(content):
        def slowly(part):
            part.write_text(content)
            both.wait()  # both parts are written before either is renamed
            assert part.read_text() == content

        try:
            write_file(path, slowly)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert path.read_text() in ("one", "other")
    assert names(tmp_path) == ["file.txt"]


def test_a_link_at_a_guessed_temporary_name_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    guesses = [".run.toml.part", "run.toml.part", ".run.toml.tmp", f".run.toml.{os.getpid()}.part"]
    for guess in guesses:
        (folder / guess).symlink_to(victim)
    write_file(folder / "run.toml", lambda part: part.write_text("content"))
    assert victim.read_text() == "precious"
    assert (folder / "run.toml").read_text() == "content"
    assert not (folder / "run.toml").is_symlink()


def test_a_link_at_the_file_itself_is_replaced(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "file").symlink_to(victim)
    write_file(tmp_path / "file", lambda part: part.write_text("content"))
    assert victim.read_text() == "precious"
    assert (tmp_path / "file").read_text() == "content"


def test_toml_comes_back_without_what_is_none(tmp_path):
    content = {
        "text": "ä",
        "none": None,
        "tuple": (1, 2),
        "inner": {"none": None, "list": [{"a": None, "b": 1.5}]},
    }
    write_toml(tmp_path / "x.toml", content)
    assert tomllib.loads((tmp_path / "x.toml").read_text(encoding="utf-8")) == {
        "text": "ä",
        "tuple": [1, 2],
        "inner": {"list": [{"b": 1.5}]},
    }
    assert names(tmp_path) == ["x.toml"]


def test_content_that_toml_has_not_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.toml"
    write_toml(path, {"a": 1})
    with pytest.raises(TypeError):
        write_toml(path, {"a": object()})
    assert path.read_text() == "a = 1\n"
    assert names(tmp_path) == ["x.toml"]


def test_names_are_long_enough_not_to_be_guessed(tmp_path, monkeypatch):
    asked = []
    original = storage.secrets.token_hex

    def token_hex(size):
        asked.append(size)
        return original(size)

    monkeypatch.setattr(storage.secrets, "token_hex", token_hex)
    write_file(tmp_path / "file", lambda part: part.write_text("content"))
    assert asked == [8]


def test_a_file_of_another_kind_is_not_replaced(tmp_path):
    page = "<!doctype html>\n<p>new"
    refuse_to_replace(tmp_path / "none.html", page)
    for name, content in (("empty", ""), ("page", "<!doctype html>\n<p>old")):
        (tmp_path / name).write_text(content)
        refuse_to_replace(tmp_path / name, page)
    (tmp_path / "weights").write_bytes(bytes(range(256)))
    with pytest.raises(UsageError, match="weights is there already, and is another kind of file"):
        refuse_to_replace(tmp_path / "weights", page)
