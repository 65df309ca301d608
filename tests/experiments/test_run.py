"""Run folders: written whole, read back, gone on with, never mistaken."""

import importlib
import shutil
import sys
import tomllib
import types

import numpy as np
import pytest
import torch

from workbench.errors import DataError, RunError, TrainingError, UsageError
from workbench.experiments import evaluate_run as judging
from workbench.experiments import run as runs
from workbench.experiments import train_run as jobs
from workbench.experiments.plan import make_plan
from workbench.tasks.splits import open_data
from workbench.testing import tiny_data

CPU = torch.device("cpu")


@pytest.fixture
def data(monkeypatch):
    tiny = tiny_data()
    for module in ("experiments.train_run", "experiments.evaluate_run"):
        monkeypatch.setattr(f"workbench.{module}.open_data", lambda text: tiny)
    return tiny


def plan_of(data, name="protonet", seed=0, ways=3, shots=2, **settings):
    chosen = {"steps": 6, "validate_every": 2, "validate_tasks": 4, **settings}
    backbone = "conv4:norm=batch,width=8" if name.startswith("maml") else "conv4:width=8"
    return make_plan(
        name, data, ways=ways, shots=shots, backbone=backbone, seed=seed, settings=chosen
    )


def judged(run, data, **options):
    return judging.judge(
        run, data, **{"ways": 3, "shots": 2, "queries": 4, "episodes": 10, "device": CPU, **options}
    )


def test_a_finished_run_holds_all_that_is_promised(data, tmp_path):
    run = jobs.train(plan_of(data), data, tmp_path, device=CPU)
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"run.toml", "train.csv", "weights.safetensors"}
    assert run.folder.name.startswith("protonet-tiny-3w2s-")
    about = tomllib.loads((run.folder / "run.toml").read_text())
    assert (
        about["plan"]["settings"]["train_ways"] == 8
    )  # the recipe's 20, as many as there are classes
    assert about["versions"]["torch"] == torch.__version__
    assert about["result"]["steps"] == 6
    curve = run.curve()
    assert list(curve["step"]) == [1, 2, 3, 4, 5, 6]
    assert curve["val_accuracy"].notna().tolist() == [False, True] * 3
    assert run.plan() == plan_of(data)
    assert not list(tmp_path.glob("**/.*.part"))


@pytest.mark.parametrize(
    ("shots", "settings", "trained"),
    [  # of classes of 10 images; protonet's recipe has 5 queries
        (1, {}, (1, 5)),
        (5, {}, (5, 5)),
        (8, {}, (5, 5)),
        (20, {}, (5, 5)),
        (20, {"train_queries": 2}, (8, 2)),
        (20, {"train_shots": 9}, (9, 1)),
    ],
)
def test_training_tasks_have_the_shots_of_the_test_or_what_the_classes_give(
    shots, settings, trained
):
    fitted = plan_of(tiny_data(images=10), shots=shots, **settings).settings
    assert (fitted.train_shots, fitted.train_queries) == trained


def test_what_is_finished_is_not_trained_again_unless_asked(data, tmp_path):
    watched = []

    def watch(records, *about):
        watched.append(about)
        return records

    for fresh in (False, False, True):
        jobs.train(plan_of(data), data, tmp_path, device=CPU, fresh=fresh, watch=watch)
    assert len(watched) == 2
    assert watched[0][1:] == (6, 0)


def interrupt_after(steps):
    def watch(records, *_):
        for record in records:
            yield record
            if record.step == steps:
                raise KeyboardInterrupt

    return watch


@pytest.mark.parametrize("name", ["protonet", "maml", "baseline"])
def test_an_interrupted_run_goes_on_bit_for_bit(data, tmp_path, monkeypatch, name):
    whole = jobs.train(plan_of(data, name), data, tmp_path / "whole", device=CPU)
    monkeypatch.setattr(jobs, "SAVE_EVERY", 0.0)
    for step in (1, 4, 6):
        with pytest.raises(KeyboardInterrupt):
            jobs.train(plan_of(data, name), data, tmp_path, device=CPU, watch=interrupt_after(step))
        folder = runs.run_folder(plan_of(data, name), data, tmp_path)
        assert not runs.Run(folder).finished
        torch.manual_seed(step)
    run = jobs.train(plan_of(data, name), data, tmp_path, device=CPU)
    assert (run.folder / "weights.safetensors").read_bytes() == (
        whole.folder / "weights.safetensors"
    ).read_bytes()
    assert not (run.folder / "state.pt").exists()
    columns = ["step", "loss", "lr", "val_accuracy"]
    assert run.curve()[columns].equals(whole.curve()[columns])


def test_the_hash_covers_plan_data_and_source(data, tmp_path, monkeypatch):
    def name(**changes):
        return runs.run_folder(plan_of(data, **changes), data, tmp_path).name

    first = name()
    assert name() == first
    others = {
        name(seed=1),
        name(steps=7),
        name(shots=1),
        name(name="protonet:temperature=2"),
        name(name="maml"),
    }
    assert len(others | {first}) == 6
    monkeypatch.setattr(runs, "RESULTS_VERSION", 99)
    assert name() != first
    monkeypatch.undo()
    original = runs._source_text
    monkeypatch.setattr(
        runs,
        "_source_text",
        lambda target: original(target) + ("#" if "Proto" in str(target) else ""),
    )
    assert name() != first


def test_a_run_judged_twice_is_computed_once(data, tmp_path, monkeypatch):
    run = jobs.train(plan_of(data), data, tmp_path, device=CPU)
    first = judged(run, data)
    assert list(first["task"]) == list(range(10))
    assert set(first["accuracy"]) <= {n / 12 for n in range(13)}
    monkeypatch.setattr(judging, "_judged", None)
    assert judged(run, data).equals(first)
    with pytest.raises(TypeError):
        judged(run, data, seed=1)
    assert len(run.evaluations()) == 10


def test_changed_code_is_judged_anew(data, tmp_path, monkeypatch):
    run = jobs.train(plan_of(data), data, tmp_path, device=CPU)
    judged(run, data)
    monkeypatch.setattr(runs, "_source_text", lambda target: "changed")
    judged(run, data)
    assert len(list(run.folder.glob("eval/*.parquet"))) == 2


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("from .rates import FAST", "rates.py"),
        ("from shop.rates import FAST", "rates.py"),
        ("import shop.rates", "rates.py"),
        ("from . import rates", "rates.py"),
        ("from shop import FAST", "__init__.py"),
        ("def later():\n    from shop import rates", "rates.py"),
        ("from .rates import FAST", "tables/__init__.py"),  # which rates.py imports
    ],
)
def test_the_code_of_a_method_is_all_of_its_package_that_it_uses(line, file, tmp_path, monkeypatch):
    files = {
        "__init__.py": "FAST = 2",
        "tables/__init__.py": "",
        "rates.py": "import shop.tables\nFAST = 1",
        "other.py": "",
    }
    files["method.py"] = (
        f"{line}\nimport json.decoder\nfrom workbench import Learner\n\nclass Method(Learner): pass\n"
    )
    for name, text in files.items():
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [
        name for name in sys.modules if name.partition(".")[0] == "shop"
    ]:  # of the case before
        del sys.modules[name]
    method = importlib.import_module("shop.method").Method
    first = runs._source_text(method)
    assert "class Method" in first
    (tmp_path / "shop" / "other.py").write_text("changed = True")
    assert runs._source_text(method) == first
    (tmp_path / "shop" / file).write_text(f"{files[file]}\nchanged = True")
    assert runs._source_text(method) != first


def test_the_code_of_a_method_that_was_typed_is_its_name_at_least(monkeypatch):
    monkeypatch.setitem(sys.modules, "prompt", types.ModuleType("prompt"))
    assert runs._source_text(type("Typed", (), {"__module__": "prompt"})) == "Typed"


def test_weights_come_back(data, tmp_path):
    run = jobs.train(plan_of(data), data, tmp_path, device=CPU)
    learner = run.learner(data, CPU)
    assert not learner.training
    x = torch.rand(3, 1, 16, 16)
    assert torch.equal(learner.embed(x), run.learner(data, CPU).embed(x))


def test_a_run_starts_from_another(data, tmp_path):
    pretrained = jobs.train(plan_of(data, "baseline"), data, tmp_path, device=CPU)
    plan = make_plan(
        "protonet",
        data,
        ways=3,
        shots=2,
        backbone="conv4:width=8",
        settings={"steps": 0, "init": pretrained.folder.name},
    )
    run = jobs.train(plan, data, tmp_path, device=CPU)
    theirs, ours = (each.learner(data, CPU).state_dict() for each in (pretrained, run))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    wide = make_plan(
        "protonet",
        data,
        ways=3,
        shots=2,
        backbone="conv4:width=16",
        settings={"init": pretrained.folder.name},
    )
    with pytest.raises(RunError, match="no weights for backbone"):
        jobs.train(wide, data, tmp_path, device=CPU)
    nothing = make_plan(
        "protonet", data, ways=3, shots=2, backbone="conv4:width=8", settings={"init": "nothing"}
    )
    with pytest.raises(RunError, match="not a finished run"):
        jobs.train(nothing, data, tmp_path, device=CPU)


def test_data_without_validation_classes_keeps_the_last_weights(data, tmp_path):
    del data.tables["val"]
    run = jobs.train(plan_of(data), data, tmp_path, device=CPU)
    assert run.about["result"]["kept"] == "last"
    assert "best_val_accuracy" not in run.about["result"]


def test_a_learner_of_fixed_ways_refuses_others(data, tmp_path):
    run = jobs.train(plan_of(data, "maml", steps=1), data, tmp_path, device=CPU)
    with pytest.raises(UsageError, match="trained for 3 ways and cannot judge 4"):
        judged(run, data, ways=4)


def test_images_of_another_shape_are_refused(data, tmp_path):
    run = jobs.train(plan_of(data, steps=1), data, tmp_path, device=CPU)
    with pytest.raises(UsageError, match=r"1 x 16 x 16, and those of tiny are 1 x 28 x 28"):
        judged(run, tiny_data((1, 28, 28)))


def test_more_than_the_data_has_is_refused(data, tmp_path):
    run = jobs.train(plan_of(data, steps=1), data, tmp_path, device=CPU)
    with pytest.raises(DataError, match="9 ways are more than the 8 classes"):
        judged(run, data, ways=9)
    with pytest.raises(DataError, match="no holdout classes"):
        judged(run, data, split="holdout")


def spoil_format(folder):
    path = folder / "run.toml"
    path.write_text(path.read_text().replace("format = 1", "format = 99"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_format, "format 99"),
        (lambda folder: (folder / "run.toml").write_text("= ["), "cannot be read"),
        (lambda folder: (folder / "run.toml").unlink(), "not a run folder"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"no"), "cannot be loaded"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "not trained to the end"),
    ],
)
def test_a_damaged_run_is_one_sentence(data, tmp_path, spoil, words):
    run = jobs.train(plan_of(data, steps=1), data, tmp_path, device=CPU)
    spoil(run.folder)
    with pytest.raises(RunError, match=words):
        judged(runs.Run(run.folder), data)


def test_a_damaged_state_is_one_sentence(data, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "SAVE_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        jobs.train(plan_of(data), data, tmp_path, device=CPU, watch=interrupt_after(3))
    folder = runs.run_folder(plan_of(data), data, tmp_path)
    (folder / "state.pt").write_bytes((folder / "state.pt").read_bytes()[:100])
    with pytest.raises(RunError, match=r"state.pt is damaged"):
        jobs.train(plan_of(data), data, tmp_path, device=CPU)


def test_a_folder_that_cannot_be_written_is_one_sentence(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="another folder with --out"):
        jobs.train(plan_of(data), data, tmp_path / "file", device=CPU)


def test_a_full_disk_leaves_what_was_saved_before(data, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "SAVE_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        jobs.train(plan_of(data), data, tmp_path, device=CPU, watch=interrupt_after(2))
    folder = runs.run_folder(plan_of(data), data, tmp_path)
    before = (folder / "state.pt").read_bytes()

    def full(state, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RunError, match="No space left"):
        jobs.train(plan_of(data), data, tmp_path, device=CPU)
    assert (folder / "state.pt").read_bytes() == before


def test_a_loss_that_is_no_number_leaves_the_run_unfinished(data, tmp_path):
    with pytest.raises(TrainingError, match="learning rate"):
        jobs.train(plan_of(data, lr=float("inf")), data, tmp_path, device=CPU)
    assert not runs.Run(runs.run_folder(plan_of(data, lr=float("inf")), data, tmp_path)).finished


def test_runs_are_found(data, tmp_path):
    run = jobs.train(plan_of(data, steps=1), data, tmp_path, device=CPU)
    assert runs.find([tmp_path]) == runs.find([run.folder]) == [run]
    shutil.rmtree(run.folder)
    with pytest.raises(RunError, match="There are no runs"):
        runs.find([tmp_path])


def test_non_episodic_methods_are_one_run_for_all_ways_and_shots(data, tmp_path):
    folders = {
        runs.run_folder(plan_of(data, "baseline", ways=w, shots=s), data, tmp_path)
        for w in (2, 3)
        for s in (1, 2)
    }
    assert len(folders) == 1


def test_the_built_in_data_set_opens_once_and_is_the_same():
    first, again = open_data("glyphs"), open_data("glyphs:seed=0")
    assert first.fingerprint == again.fingerprint
    assert np.array_equal(first.tables["test"].images[:5], again.tables["test"].images[:5])
