"""Run folders that were copied, and starts that were trained again."""

from __future__ import annotations

import os
import shutil

import pytest
from resealed import accept, ask_otherwise
from safetensors.torch import load_file, save_file
from small_runs import evaluated, plan_of, trained

from workbench.errors import RunError
from workbench.experiments.lineage import run_folder
from workbench.experiments.run import Run
from workbench.experiments.run_files import WEIGHTS, checksum_of


def test_the_newer_evaluation_counts_in_a_copy_too(data, tmp_path):
    run = trained(data, tmp_path)
    evaluated(run, data, episodes=10)
    (path,) = run.folder.glob("eval/*.parquet")
    old = ask_otherwise(path, results=1)
    evaluated(run, data, episodes=4)
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    os.utime(copy / "eval" / old.name)  # the older is copied last
    for folder in (run.folder, copy):
        assert len(Run(folder).evaluations()) == 4


def test_a_start_with_other_weights_under_its_name_gives_another_run(data, tmp_path):
    start = trained(data, tmp_path)
    plan = plan_of(data, f"protonet:init={start.folder.name}")
    before = run_folder(plan, data, tmp_path)
    assert run_folder(plan, data, tmp_path) == before
    weights = load_file(start.folder / WEIGHTS)
    save_file({name: value + 1 for name, value in weights.items()}, start.folder / WEIGHTS)
    accept(start.folder, WEIGHTS)
    assert run_folder(plan, data, tmp_path) != before


def test_a_checksum_is_computed_again_when_the_file_changed(tmp_path):
    path = tmp_path / "it"
    sums = []
    for number, content in enumerate([b"one", b"one", b"two"]):
        path.write_bytes(content)
        os.utime(path, (number // 2, number // 2))  # long ago, so that it is remembered
        sums.append(checksum_of(path))
    assert sums[0] == sums[1] != sums[2]


def test_weights_that_change_in_a_process_are_noticed(data, tmp_path):
    run = trained(data, tmp_path)
    path = run.folder / WEIGHTS
    os.utime(path, (1, 1))
    run.checked(WEIGHTS)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RunError, match="is damaged, or was changed"):
        run.checked(WEIGHTS)
