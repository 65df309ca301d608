"""Locks between processes, with a real second process."""

from __future__ import annotations

import re
import socket
import threading

import pytest
from filelock import FileLock, Timeout
from holding import held

from workbench.locks import PATIENCE, holder_file, locked


def test_who_waits_is_told_who_holds_the_lock(tmp_path):
    path = tmp_path / ".it.lock"
    with held(path) as holder:
        with locked(path, holder):
            held_here = holder_file(path).read_text()
        (note,) = holder.told
        who = re.escape(f"process {holder.process.pid} on {socket.gethostname()}")
        since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}"
        assert re.fullmatch(f"waiting for {who}, {since}, which holds {path}", note)
        assert not held_here.startswith(f"process {holder.process.pid} ")
    assert not holder_file(path).exists()


def test_a_lock_that_is_free_needs_no_note_and_leaves_no_holder(tmp_path):
    path = tmp_path / ".it.lock"
    told = []
    with locked(path, told.append):
        with pytest.raises(Timeout):
            FileLock(path).acquire(timeout=0)
        assert holder_file(path).name == ".it.holder"
        assert holder_file(path).read_text().startswith("process ")
    with locked(path, told.append):
        pass
    assert told == []
    assert not holder_file(path).exists()


def test_an_error_in_the_block_releases_the_lock(tmp_path):
    path = tmp_path / ".it.lock"
    with pytest.raises(KeyError), locked(path):
        raise KeyError
    assert not holder_file(path).exists()
    FileLock(path).acquire(timeout=0)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["absent", "damaged"])
def test_without_the_holders_line_it_is_another_process(tmp_path, content):
    path = tmp_path / ".it.lock"
    with held(path) as holder:
        holder_file(path).unlink()
        if content is not None:
            holder_file(path).write_bytes(content)
        with locked(path, holder):
            pass
        assert holder.told == [f"waiting for another process, which holds {path}"]


def test_who_gives_no_note_is_told_by_a_warning(tmp_path, caplog):
    path = tmp_path / ".it.lock"
    with held(path) as holder:
        timer = threading.Timer(2 * PATIENCE, holder.let_go)
        timer.start()
        with locked(path):
            pass
        timer.join()
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        said = record.getMessage()
        assert said.startswith(f"waiting for process {holder.process.pid} on ")
        assert said.endswith(f"which holds {path}")


def test_a_short_wait_is_not_told(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("workbench.locks.PATIENCE", 60.0)
    path = tmp_path / ".it.lock"
    with held(path) as holder:
        timer = threading.Timer(0.2, holder.let_go)
        timer.start()
        with locked(path, holder):
            pass
        timer.join()
        assert holder.told == []
    assert caplog.records == []
