"""Where runs are computed, and what an error of the disk says."""

from __future__ import annotations

import errno

import pytest
import torch

from workbench.errors import RunError, UsageError
from workbench.experiments.workspace import Workspace, writable


def test_the_device_is_chosen_by_name():
    assert Workspace(device="cpu").torch_device == torch.device("cpu")
    with pytest.raises(UsageError, match="no device 'tpu9'"):
        _ = Workspace(device="tpu9").torch_device


def test_it_says_nothing_unless_someone_listens(capsys):
    Workspace().note("a line")
    assert capsys.readouterr() == ("", "")
    heard = []
    Workspace(note=heard.append).note("a line")
    assert heard == ["a line"]


def test_a_folder_is_made_with_its_parents(tmp_path):
    with writable(tmp_path / "a" / "b"):
        pass
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(RunError, match=r"file cannot be written: .*; choose another .* --out"),
        writable(tmp_path / "file"),
    ):
        pass


def test_a_full_disk_names_the_file(tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "weights"))
    words = "weights cannot be written: No space left on device; choose another folder with --out"
    with pytest.raises(RunError, match=words), writable(tmp_path):
        raise error
