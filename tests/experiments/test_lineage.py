"""Only seeds of one training are averaged: one plan, one code, one start."""

from __future__ import annotations

import shutil
import sys

import pandas as pd
import pytest
from own_method import METHOD
from registered import register
from small_runs import evaluated, plan_of, trained

from workbench.errors import WorkbenchError
from workbench.experiments.lineage import training_digest
from workbench.experiments.reported import evaluations_of
from workbench.plugin.sources import loaded_source
from workbench.results.grouping import labelled
from workbench.results.summary import summary


@pytest.fixture
def edit(tmp_path, monkeypatch):
    """The algorithm `own`, in a file; what is returned gives it another text, as an edit does."""
    file = tmp_path / "edited_shelf" / "method.py"
    file.parent.mkdir()
    file.with_name("__init__.py").write_text("")
    file.write_text(METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("edited_shelf", "edited_shelf.method"):  # what an earlier test loaded
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("workbench.plugin.recipes._read", lambda _: {})
    register(monkeypatch, "algorithms", "own", "edited_shelf.method:Own")

    def write(text):
        file.write_text(text)
        loaded_source.cache_clear()  # another process loads the new code

    return write


def digest_of(data, out, *given, **settings):
    return training_digest(plan_of(data, *given, **settings), data, out)


def test_seeds_of_one_plan_have_one_digest(data, tmp_path):
    digests = {digest_of(data, tmp_path, seed=seed) for seed in (0, 1, 7)}
    assert len(digests) == 1
    assert digest_of(data, tmp_path, lr=0.5) not in digests
    assert digest_of(data, tmp_path, shots=1) not in digests


def test_a_start_that_is_trained_first_has_the_seed_of_its_run(data, tmp_path):
    """Each seed has a start of its own. These have other weights, and are of one training."""
    runs = [trained(data, tmp_path, "protonet:init=baseline", seed=seed) for seed in (0, 1)]
    first, second = (run.manifest for run in runs)
    assert first.plan.init.seed != second.plan.init.seed
    assert first.training == second.training == digest_of(data, tmp_path, "protonet:init=baseline")
    assert first.starts == ()
    longer = digest_of(data, tmp_path, "protonet:init=baseline:batch_size=3")
    assert longer != first.training


def test_seeds_share_the_start_that_they_name(data, tmp_path):
    start = trained(data, tmp_path, "baseline", seed=5)
    spec = f"protonet:init={start.folder.name}"
    runs = [trained(data, tmp_path, spec, seed=seed) for seed in (0, 1)]
    assert {run.manifest.training for run in runs} == {digest_of(data, tmp_path, spec)}
    assert runs[0].manifest.starts == (start.manifest.checksums["weights.safetensors"],)
    frames = [evaluated(run, data) for run in runs]
    found = evaluations_of(runs, pytest.fail).tasks
    assert len(found) == sum(map(len, frames))
    assert summary(found)["seeds"].tolist() == [2]


def test_old_weights_are_not_averaged_with_new_ones_after_an_edit(data, tmp_path, edit):
    """The code at test is the same for both: the older weights were evaluated again."""
    out = tmp_path / "runs"
    older = trained(data, out, "own", seed=1)
    edit(METHOD.replace("query_loss(self, tasks)", "100 * query_loss(self, tasks)"))
    newer = trained(data, out, "own", seed=0)
    frames = [evaluated(run, data) for run in (older, newer)]
    assert {frame["code"].iloc[0] for frame in frames} == {frames[0]["code"].iloc[0]}
    notes: list[str] = []
    found = evaluations_of([older, newer], notes.append).tasks
    assert found["accuracy"].tolist() == frames[1]["accuracy"].tolist()
    assert notes == [
        f"left out: {older.folder.name}, because {newer.folder.name} is newer, of another plan, "
        "code or start of the training"
    ]
    both = pd.concat([found, frames[0].assign(run="older")])
    with pytest.raises(WorkbenchError, match="differs in its plan, code or start of the training"):
        summary(both)


def test_one_label_joins_no_two_starts(data, tmp_path):
    """A run of the name that a label has was replaced between 1-shot and 2-shot."""
    start = tmp_path / "start"
    frames, labels = [], []
    for shots in (1, 2):
        first = trained(data, tmp_path / "first", "baseline", seed=shots)
        shutil.rmtree(start, ignore_errors=True)
        shutil.copytree(first.folder, start)
        run = trained(data, tmp_path, "simpleshot:init=start", shots=shots)
        frames.append(evaluated(run, data, shots=shots))
        assert set(labelled(frames[-1])["method"]) == {"simpleshot:init=start"}
        digits = first.manifest.checksums["weights.safetensors"][:8]
        labels.append(f"simpleshot:init=start (start {digits})")
    table = summary(pd.concat(frames, ignore_index=True))
    assert table["shots"].tolist() == [1, 2]
    assert table["method"].tolist() == labels
