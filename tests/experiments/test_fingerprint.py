"""What the names of run folders depend on: the plan, the data, and the code that is used."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest
from small_runs import plan_of

from workbench.experiments import fingerprint
from workbench.experiments.fingerprint import source_checksum, source_checksums
from workbench.experiments.run import run_folder
from workbench.testing import tiny_data


@pytest.fixture
def changed(monkeypatch):
    """Return a function that changes the source of the classes with a name, as an editor would."""
    original = fingerprint._source_text

    def change(name: str) -> None:
        def text(target: type) -> str:
            if target.__name__ == name:
                return original(target) + "#"
            return original(target)

        monkeypatch.setattr(fingerprint, "_source_text", text)
        source_checksum.cache_clear()

    yield change
    source_checksum.cache_clear()


def name_of(data, *given, **settings):
    return run_folder(plan_of(data, *given, **settings), data, Path("runs")).name


def test_the_hash_covers_plan_data_and_source(data, monkeypatch, changed):
    first = name_of(data)
    assert name_of(data) == first
    assert first.startswith("protonet-tiny-3w2s-")
    others = {
        name_of(data, seed=1),
        name_of(data, steps=7),
        name_of(data, shots=1),
        name_of(data, "protonet:temperature=2"),
        name_of(data, "maml"),
        name_of(tiny_data(images=13)),
    }
    assert len(others | {first}) == 7
    monkeypatch.setattr("workbench.experiments.run.RESULTS_VERSION", 99)
    assert name_of(data) != first
    monkeypatch.undo()
    changed("ProtoNet")
    assert name_of(data) != first


def test_the_code_of_the_backbone_counts_too(data, changed):
    first = name_of(data)
    changed("Conv4")
    assert name_of(data) != first


def test_the_content_of_weight_files_counts(tmp_path, data):
    weights = tmp_path / "weights.pth"
    backbone = f"torchvision:name=squeezenet1_1,weights={weights}"
    plan = plan_of(data, backbone=backbone)
    assert set(source_checksums(plan)) == {"algorithm", "backbone"}
    weights.write_bytes(b"some")
    first = source_checksums(plan)["backbone weights"]
    weights.write_bytes(b"other")
    assert source_checksums(plan)["backbone weights"] != first


def test_what_is_trained_first_is_in_the_hash(data, changed):
    names = {name_of(data, f"protonet:init={init}") for init in ("none", "baseline", "baselinepp")}
    names.add(name_of(data, "protonet:init=baseline:batch_size=8"))
    assert len(names) == 4
    changed("Baseline")
    assert name_of(data, "protonet:init=baseline") not in names


def test_non_episodic_methods_are_one_run_for_all_ways_and_shots(data):
    names = {
        name_of(data, "baseline", ways=ways, shots=shots) for ways in (2, 3) for shots in (1, 2)
    }
    assert len(names) == 1
    assert names.pop().startswith("baseline-tiny-")


def test_a_source_is_read_once_in_a_process(data, monkeypatch):
    read = []
    original = fingerprint._source_text

    def text(target: type) -> str:
        read.append(target.__name__)
        return original(target)

    monkeypatch.setattr(fingerprint, "_source_text", text)
    source_checksum.cache_clear()
    for shots in (1, 2):
        name_of(data, shots=shots)
        name_of(data, "protonet:init=baseline", shots=shots)
    assert sorted(read) == ["Baseline", "Conv4", "ProtoNet"]


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
        "method.py": f"{line}\nimport json.decoder\nfrom workbench import Learner\n\n"
        "class Method(Learner): pass\n",
    }
    for name, text in files.items():
        (tmp_path / "shop" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name in list(sys.modules):
        if name.partition(".")[0] == "shop":  # of the case before
            del sys.modules[name]
    method = importlib.import_module("shop.method").Method
    first = fingerprint._source_text(method)
    assert "class Method" in first
    (tmp_path / "shop" / "other.py").write_text("changed = True")
    assert fingerprint._source_text(method) == first
    (tmp_path / "shop" / file).write_text(f"{files[file]}\nchanged = True")
    assert fingerprint._source_text(method) != first


def test_the_code_of_a_method_that_was_typed_is_its_name_at_least(monkeypatch):
    monkeypatch.setitem(sys.modules, "prompt", types.ModuleType("prompt"))
    assert fingerprint._source_text(type("Typed", (), {"__module__": "prompt"})) == "Typed"
