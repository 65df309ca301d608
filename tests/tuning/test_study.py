"""The journal of a search: what is written is read, and a cut file costs only its last line."""

from __future__ import annotations

import math

import pytest

from workbench.errors import RunError
from workbench.tuning.space import typed_space
from workbench.tuning.study import JOURNAL, Journal

OVER = ["inner_lr=1e-3..1", "inner_steps=1..10", "first_order=true,false", "clip_norm=none,1"]


@pytest.fixture
def axes():
    return typed_space("maml", OVER)


def quality(values):
    """Return an accuracy that only the inner rate decides, highest at 0.03."""
    return 1 - abs(math.log10(values["inner_lr"]) + 1.5) / 3


def filled(folder, axes, count, sampler="tpe", seed=0):
    journal = Journal(folder, axes)
    journal.add({})
    journal.record(0, 0.5, 2.0)
    for number in range(1, count):
        values = journal.propose(sampler, seed)
        journal.add(values)
        journal.record(number, quality(values), 1.0)
    return journal


def test_what_is_written_is_read(tmp_path, axes):
    journal = filled(tmp_path, axes, 6)
    journal.record(3, 0.75, 1.5)
    journal.add({"inner_lr": 0.1, "inner_steps": 2, "first_order": True, "clip_norm": None})
    journal.record(6, float("-inf"), 0.5, "The loss is nan")
    found = Journal(tmp_path, axes).configurations
    assert found == journal.configurations
    assert found[0].values == {}
    assert found[3].accuracies[1] == 0.75
    assert found[3].seconds == 2.5
    assert found[6].values == {
        "inner_lr": 0.1,
        "inner_steps": 2,
        "first_order": True,
        "clip_norm": None,
    }
    assert found[6].failed == "The loss is nan"
    assert found[6].accuracies == (float("-inf"),)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_proposals_depend_on_the_journal_and_the_seed_alone(tmp_path, axes, sampler):
    for name in ("one", "other", "seeded"):
        (tmp_path / name).mkdir()
    one = filled(tmp_path / "one", axes, 14, sampler)
    for count in range(2, 15):  # opened anew for each proposal
        other = Journal(tmp_path / "other", axes)
        if count == 2:
            other.add({})
            other.record(0, 0.5, 2.0)
        other.add(other.propose(sampler, 0))
        last = other.configurations[-1]
        other.record(last.number, quality(last.values), 1.0)
    assert other.configurations == one.configurations
    seeded = filled(tmp_path / "seeded", axes, 3, sampler, seed=1)
    assert seeded.configurations[1].values != one.configurations[1].values


def test_proposals_lie_in_the_space_and_are_short(tmp_path, axes):
    for each in filled(tmp_path, axes, 25).configurations[1:]:
        assert 1e-3 <= each.values["inner_lr"] <= 1
        assert float(f"{each.values['inner_lr']:.3g}") == each.values["inner_lr"]
        assert each.values["inner_steps"] in range(1, 11)
        assert each.values["first_order"] in (True, False)
        assert each.values["clip_norm"] in (None, 1.0)


def test_the_estimator_learns_from_what_waits_and_from_what_ended(tmp_path, axes):
    journal = filled(tmp_path, axes, 60)
    misses = [1 - quality(each.values) for each in journal.configurations[1:]]
    assert sum(misses[-20:]) < 0.5 * sum(misses[:20])
    shares = journal.importances()
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.get) == "inner_lr"


def test_importances_need_trials_that_differ(tmp_path, axes):
    assert filled(tmp_path, axes, 9).importances() == {}
    (tmp_path / "equal").mkdir()
    journal = Journal(tmp_path / "equal", axes)
    for number in range(15):
        journal.add(journal.propose("random", number))
        journal.record(number, 0.5, 1.0)
    assert journal.importances() == {}


def test_a_journal_cut_anywhere_goes_on(tmp_path, axes):
    whole = filled(tmp_path, axes, 5).configurations
    path = tmp_path / JOURNAL
    seals = path.with_suffix(".crc")
    content, sealed = path.read_bytes(), seals.read_bytes()
    for cut in range(0, len(content), 97):
        path.write_bytes(content[:cut])
        seals.write_bytes(sealed)
        journal = Journal(tmp_path, axes)
        found = journal.configurations
        assert [each.values for each in found] == [each.values for each in whole[: len(found)]]
        journal.add({})
        assert len(Journal(tmp_path, axes).configurations) == len(found) + 1


def test_a_damaged_journal_is_one_sentence(tmp_path, axes):
    filled(tmp_path, axes, 3)
    path = tmp_path / JOURNAL
    content = path.read_bytes()
    wrong_lines = (b"{not json}\n", b"[]\n", b'{"op_code": 99}\n', b"\0\0\0\n", b"\xff\n")
    for wrong in wrong_lines:
        middle = content.index(b"\n") + 1
        path.write_bytes(content[:middle] + wrong + content[middle:])
        with pytest.raises(RunError, match="is damaged") as error:
            Journal(tmp_path, axes)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("changed", ["0.9", "null", '"x"', "NaN", "7"])
def test_a_changed_number_is_damage(tmp_path, axes, changed):
    filled(tmp_path, axes, 3)
    path = tmp_path / JOURNAL
    text = path.read_text(encoding="utf-8")
    assert '"intermediate_value":0.5' in text
    path.write_text(text.replace('"intermediate_value":0.5', f'"intermediate_value":{changed}', 1))
    with pytest.raises(RunError, match=r"is damaged.*rm"):
        Journal(tmp_path, axes)


@pytest.mark.parametrize("changed", ["null", '"x"', "NaN", "7"])
def test_what_is_no_accuracy_is_damage_without_checksums_too(tmp_path, axes, changed):
    filled(tmp_path, axes, 3)
    path = tmp_path / JOURNAL
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"intermediate_value":0.5', f'"intermediate_value":{changed}', 1))
    path.with_suffix(".crc").unlink()
    with pytest.raises(RunError, match=r"is damaged.*rm"):
        Journal(tmp_path, axes)


def test_a_journal_that_was_cut_and_went_on_is_not_damaged(tmp_path, axes):
    filled(tmp_path, axes, 3)
    path = tmp_path / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    Journal(tmp_path, axes)._study.set_user_attr("killed before the checksums", 1)
    Journal(tmp_path, axes)


def test_a_journal_that_was_removed_begins_again_beside_its_old_checksums(tmp_path, axes):
    filled(tmp_path, axes, 3)
    (tmp_path / JOURNAL).unlink()  # what the message on damage says to do
    Journal(tmp_path, axes)  # and killed before anything is added
    assert Journal(tmp_path, axes).configurations == []
