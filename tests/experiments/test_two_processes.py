"""Two processes in one folder of runs: both finish, and numbers are those of one alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from small_runs import run_names, trained

import workbench as mlw
from workbench.experiments.run import Run, find_runs
from workbench.tasks.splits import open_training_data

# All are forked from one process that has imported what they need, which takes seconds.
PAIRS = """
import os
import sys
import time
import traceback
from pathlib import Path

import torch
import workbench as mlw
from workbench import storage
from workbench.errors import RunError
from workbench.experiments import evaluate_run, train_run
from workbench.results import figures, own_figure
from workbench.tasks.splits import open_training_data

torch.optim.Adam([torch.zeros(1)])  # imports much
open_training_data(["glyphs"])
shared, alone, meeting = map(Path, sys.argv[1:])
few = {"steps": 2, "validate_every": 0, "backbone": "conv4:width=4", "device": "cpu"}
rename = os.replace

def train(out, fresh=False):
    return mlw.train("protonet", out=out, fresh=fresh, **few)

def evaluate(out):
    mlw.evaluate(train(out), episodes=4, device="cpu")

def evaluate_what_is_deleted(out):
    try:
        evaluate(out)
    except RunError as error:
        assert "protonet-glyphs" in str(error)

def train_again(out):
    train(out, fresh=True)

def compare(out):
    mlw.compare(["baseline", "simpleshot"], episodes=4, out=out, **few)  # with one backbone

def meet_before_renaming(part, path):
    # both processes have written their part of a file before either renames it
    kind = Path(path).suffix
    (meeting / f"{os.getpid()}{kind}").touch()
    until = time.monotonic() + 120
    while len(list(meeting.glob(f"*{kind}"))) < 2:
        assert time.monotonic() < until, "the other process did not come"
        time.sleep(0.01)
    rename(part, path)

def at_once(*jobs, out=shared):
    processes = []
    for job in jobs:
        process = os.fork()
        if process == 0:
            try:
                job(out)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        processes.append(process)
    codes = [os.waitpid(process, 0)[1] for process in processes]
    assert not any(codes), (jobs, codes)

at_once(train, train)
storage.os.replace = meet_before_renaming
at_once(evaluate, evaluate)
storage.os.replace = rename
at_once(evaluate_what_is_deleted, train_again)
at_once(compare, compare)
at_once(evaluate)
at_once(evaluate, out=alone)
at_once(compare, out=alone)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_pairs_of_processes(tmp_path):
    shared, alone, meeting = (tmp_path / name for name in ("shared", "alone", "meeting"))
    meeting.mkdir()
    command = [sys.executable, "-c", PAIRS, str(shared), str(alone), str(meeting)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(meeting.glob("*.parquet"))) == 2
    assert run_names(shared) == run_names(alone)
    for run in find_runs([alone]):
        other = Run(shared / run.folder.name)
        assert other.checked("weights.safetensors").read_bytes() == (
            run.checked("weights.safetensors").read_bytes()
        )
        columns = ["task", "accuracy", "loss"]
        assert other.evaluations()[columns].equals(run.evaluations()[columns])
    left = [path.name for path in shared.rglob("*") if path.suffix in (".part", ".old")]
    assert left == []


def test_a_link_in_the_place_of_a_part_is_not_written_through(tmp_path):
    run = trained(open_training_data(["glyphs"]), tmp_path / "runs", steps=0)
    mlw.evaluate(run, episodes=4, device="cpu")
    (path,) = run.folder.glob("eval/*.parquet")
    outside = tmp_path / "mine.txt"
    outside.write_text("mine")
    for each in (path, path.with_suffix(".toml")):
        each.with_name(f".{each.name}.part").symlink_to(outside)
        each.unlink()
    mlw.evaluate(run, episodes=4, device="cpu", fresh=True)
    assert path.is_file()
    assert outside.read_text() == "mine"
