"""Tasks and batches: the same for the same seed, of one or several domains."""

import hashlib

import numpy as np
import pytest
import torch
from class_indices import check_labels
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DataError
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import ClassIndex, Domain, Rows
from workbench.tasks.source import Source
from workbench.testing import tiny_data, tiny_source


def starts_of(counts):
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def source(counts, protocol, seed=0, **options):
    starts = starts_of(counts)
    # each image holds its own row number, so that a task shows where it came from
    images = np.arange(starts[-1], dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Source([Domain("test", images, ClassIndex(starts))], protocol, seed=seed, **options)


def rows_of(drawn, first, count):
    return Rows.join(list(drawn.stacks(first, count, 1000)))


def test_golden_tasks():
    """These may never change without RESULTS_VERSION: all comparisons depend on them."""
    rows = rows_of(source([20] * 40, WayShot(5, 1, 2), seed=7), 254, 4)
    assert rows.support.tolist() == GOLDEN_SUPPORT
    assert hashlib.sha256(rows.query.astype("<i8").tobytes()).hexdigest()[:16] == GOLDEN_QUERY


GOLDEN_SUPPORT = [
    [609, 186, 247, 307, 445],
    [278, 282, 765, 158, 385],
    [579, 305, 244, 423, 349],
    [81, 776, 714, 607, 501],
]
GOLDEN_QUERY = "e63cb295e0663373"


@given(
    counts=st.lists(st.integers(4, 9), min_size=3, max_size=12),
    shots=st.integers(1, 2),
    queries=st.integers(1, 2),
    seed=st.integers(0, 2**32),
    first=st.integers(0, 600),
)
@settings(max_examples=40, deadline=None)
def test_a_task_has_its_ways_shots_and_queries_and_no_image_twice(
    counts, shots, queries, seed, first
):
    starts = starts_of(counts)
    rows = rows_of(source(counts, WayShot(3, shots, queries), seed), first, 3)
    check_labels(ClassIndex(starts), rows)
    for task in range(3):
        assert np.bincount(rows.support_y[task]).tolist() == [shots] * 3
        assert np.bincount(rows.query_y[task]).tolist() == [queries] * 3


@given(first=st.integers(0, 700), count=st.integers(1, 300))
@settings(max_examples=25, deadline=None)
def test_task_i_does_not_depend_on_the_tasks_drawn_with_it(first, count):
    counts, protocol = [6] * 9, WayShot(4, 1, 2)
    many = rows_of(source(counts, protocol), first, count)
    last = rows_of(source(counts, protocol), first + count - 1, 1)
    assert (many.support[-1] == last.support[0]).all()
    assert (many.query[-1] == last.query[0]).all()


def test_tasks_of_any_stack_size_are_the_same_tasks():
    def first_12(stack):
        tasks = tiny_source(stack=stack).tasks()
        return torch.cat([next(tasks).query.x for _ in range(12 // stack)])

    assert torch.equal(first_12(1), first_12(3))
    assert torch.equal(first_12(1), first_12(12))


def test_other_seeds_give_other_tasks():
    rows = [
        rows_of(source([20] * 40, WayShot(5, 1, 2), seed=seed), 0, 256).support for seed in (0, 1)
    ]
    assert (rows[0] != rows[1]).mean() > 0.9


def test_classes_and_images_are_drawn_uniformly():
    rows = rows_of(source([10] * 8, WayShot(2, 1, 1)), 0, 8192)
    images = np.bincount(np.concatenate([rows.support, rows.query], 1).ravel(), minlength=80)
    expected = 8192 * 4 / 80
    chi_square = ((images - expected) ** 2 / expected).sum()
    assert chi_square < 130  # 99.9th percentile with 79 degrees of freedom: 124; the seed is fixed


def test_labels_follow_the_support_and_images_are_in_0_to_1():
    task = next(tiny_source(ways=3, shots=2, queries=4, stack=2).tasks())
    assert task.support.x.shape == (2, 6, 1, 16, 16)
    assert task.query.x.shape == (2, 12, 1, 16, 16)
    assert sorted(task.support.y[1].tolist()) == [0, 0, 1, 1, 2, 2]
    assert sorted(task.query.y[0].tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    assert 0 <= task.support.x.min() < task.support.x.max() <= 1
    assert task.domain == "tiny"


def test_a_source_continues_from_its_state():
    whole, first = tiny_source(), tiny_source()
    tasks, batches = whole.tasks(), whole.batches()
    expected = [next(tasks).query.x for _ in range(4)], [next(batches)[0] for _ in range(9)]
    tasks, batches = first.tasks(), first.batches()
    for _ in range(2):
        next(tasks)
    for _ in range(4):
        next(batches)
    second = tiny_source()
    second.load_state_dict(first.state_dict())
    tasks, batches = second.tasks(), second.batches()
    assert all(torch.equal(next(tasks).query.x, x) for x in expected[0][2:])
    assert all(torch.equal(next(batches)[0], x) for x in expected[1][4:])
    assert second.state_dict() == whole.state_dict()


def test_batches_have_every_image_once_per_epoch_with_its_class():
    table = tiny_data().members[0].table("train")
    drawn = Source(
        [Domain("tiny", table.images, ClassIndex(table.starts))], WayShot(2, 1, 1), batch_size=16
    )
    assert drawn.classes == (8,)
    batches = drawn.batches()
    epochs = [[next(batches) for _ in range(6)] for _ in range(2)]  # 96 images
    for epoch in epochs:
        x = torch.cat([images for images, _ in epoch])
        y = torch.cat([labels for _, labels in epoch])
        assert torch.bincount(y).tolist() == [12] * 8
        ours = {
            (int(label), bytes((image * 255).round().byte().numpy()))
            for image, label in zip(x, y, strict=True)
        }
        theirs = {(row // 12, bytes(image)) for row, image in enumerate(table.images)}
        assert ours == theirs
    assert not torch.equal(epochs[0][0][0], epochs[1][0][0])


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (WayShot(9, 1, 1), ["9 ways", "8 classes", "at most 8"]),
        (WayShot(3, 5, 15), ["5 shots + 15 queries", "20", "12", "--queries 7"]),
        (WayShot(3, 12, 1), ["12 shots", "--shots 11"]),
    ],
)
def test_what_the_classes_cannot_give_is_said_in_numbers(protocol, words):
    table = tiny_data().members[0].table("test")
    with pytest.raises(DataError) as error:
        Source([Domain("tiny", table.images, ClassIndex(table.starts))], protocol)
    assert all(word in str(error.value) for word in words)


# --- several domains


def several(protocol, seed=0, **options):
    """Three domains of 5, 6 and 7 classes; each image holds its domain and its row there."""
    domains = []
    for number, count in enumerate((5, 6, 7)):
        starts = starts_of([6] * count)
        rows = np.arange(starts[-1], dtype=np.uint8)
        images = np.stack([np.full_like(rows, number), rows], 1).reshape(-1, 2, 1, 1)
        domains.append(Domain(f"d{number}", images, ClassIndex(starts)))
    return Source(domains, protocol, seed=seed, **options)


def test_a_task_comes_from_one_domain_and_all_are_drawn_equally_often():
    drawn = several(WayShot(3, 1, 2))
    assert (drawn.domains, drawn.classes) == (("d0", "d1", "d2"), (5, 6, 7))
    tasks, met = drawn.tasks(), []
    for _ in range(900):
        task = next(tasks)
        pixels = (torch.cat([task.support.x, task.query.x], 1)[0, :, :, 0, 0] * 255).round().int()
        assert task.domain == f"d{pixels[0, 0]}"
        assert len(set(pixels[:, 0].tolist())) == 1
        labels = torch.cat([task.support.y, task.query.y], 1)[0]
        assert (
            len({(int(y), int(row) // 6) for y, row in zip(labels, pixels[:, 1], strict=True)}) == 3
        )
        met.append(task.domain)
    counts = [met.count(name) for name in drawn.domains]
    chi_square = sum((count - 300) ** 2 / 300 for count in counts)
    assert chi_square < 13.8  # 99.9th percentile with 2 degrees of freedom


def test_the_tasks_of_a_domain_do_not_depend_on_the_others():
    mixed, alone = several(WayShot(3, 1, 2)), source([6] * 7, WayShot(3, 1, 2))
    offset = int(mixed.offsets[2])
    of_third = [rows for rows in mixed.stacks(0, 300) if rows.domain == 2]
    assert len(of_third) > 50
    for rows in of_third:
        (same,) = alone.stacks(int(rows.task[0]), 1)
        assert (rows.support - offset == same.support).all()
        assert (rows.query - offset == same.query).all()


def test_a_source_of_several_domains_continues_from_its_state():
    whole = several(MetaDataset(min_ways=2))
    tasks = whole.tasks()
    expected = [next(tasks).query.x for _ in range(6)][3:]
    again = several(MetaDataset(min_ways=2))
    again.load_state_dict({"tasks_drawn": 3, "batches_drawn": 0, "images_drawn": 0})
    tasks = again.tasks()
    assert all(torch.equal(next(tasks).query.x, x) for x in expected)


def test_classes_of_several_domains_are_numbered_consecutively():
    batches = several(None, batch_size=36).batches()
    seen = set()
    for _ in range(3):
        x, y = next(batches)
        pixels = (x[:, :, 0, 0] * 255).round().int()
        seen |= {
            (int(p[0]), int(p[1]) // 6, int(label)) for p, label in zip(pixels, y, strict=True)
        }
    assert seen == {(0, c, c) for c in range(5)} | {(1, c, 5 + c) for c in range(6)} | {
        (2, c, 11 + c) for c in range(7)
    }


def test_tasks_of_several_domains_come_one_by_one():
    with pytest.raises(ValueError, match="stack must be 1"):
        several(WayShot(3, 1, 2), stack=4)


def two_domains(**options):
    sizes = {"one": 4, "other": 6}
    domains = [
        Domain(
            name,
            np.full((3 * classes, 1, 4, 4), 10 * number + 1, np.uint8),
            ClassIndex(np.arange(0, 3 * classes + 1, 3)),
        )
        for number, (name, classes) in enumerate(sizes.items())
    ]
    return Source(domains, None, **options)


def test_a_sweep_has_every_image_once_in_order_and_unchanged():
    source = two_domains(batch_size=7, augment=lambda x: x * 0)
    batches = list(source.sweep())
    assert sum(len(x) for x, _ in batches) == 30
    assert max(len(x) for x, _ in batches) <= 7
    assert torch.cat([y for _, y in batches]).tolist() == [row // 3 for row in range(30)]
    pixels = torch.cat([x for x, _ in batches])[:, 0, 0, 0]
    assert torch.equal(pixels, torch.tensor([1.0] * 12 + [11.0] * 18) / 255)
    assert source.state_dict() == {
        "tasks_drawn": 0,
        "batches_drawn": 0,
        "images_drawn": 0,
    }


def test_domain_batches_share_the_batch_and_number_labels_from_0():
    source = two_domains(batch_size=8)
    seen = {0: [], 1: []}
    for _, examples in zip(range(9), source.domain_batches(), strict=False):
        assert [each.ways for each in examples] == [4, 6]
        for number, each in enumerate(examples):
            assert len(each.x) == 4
            assert (each.x == torch.tensor((10 * number + 1) / 255)).all()
            seen[number] += each.y.tolist()
    assert sorted(seen[0][:12]) == sorted([*range(4)] * 3)  # an epoch of 12 images is three batches
    assert max(seen[1]) == 5
    assert min(seen[1]) == 0


def test_domain_batches_continue_from_the_state():
    source, other = two_domains(batch_size=4), two_domains(batch_size=4)
    batches = source.domain_batches()
    for _ in range(5):
        next(batches)
    other.load_state_dict(source.state_dict())
    ours, theirs = next(batches), next(other.domain_batches())
    assert all(torch.equal(a.y, b.y) for a, b in zip(ours, theirs, strict=True))


def test_a_domain_smaller_than_its_share_gives_all_its_images():
    source = two_domains(batch_size=60)
    assert [len(each.x) for each in next(source.domain_batches())] == [12, 18]
    assert source.images_drawn == 30


def test_streams_show_some_classes_one_after_another_and_images_of_all_beside_them():
    drawn = source([6] * 5, None, seed=3).streams(classes=2, shots=4, others=50)
    for _ in range(20):
        task = next(drawn)
        assert task.support.ways == task.query.ways == 5
        first, *_, last = task.support.y.tolist()
        assert task.support.y.tolist() == [first] * 4 + [last] * 4
        assert first != last
        rows = (task.support.x * 255).round().flatten().tolist()
        assert len(set(rows)) == 8
        assert set(task.query.y.tolist()) == set(range(5))  # 50 images, one in each class at least


def test_streams_continue_from_the_state_and_count_their_images():
    before = source([6] * 5, None)
    drawn = before.streams(2, 3, 5)
    for _ in range(3):
        next(drawn)
    state = before.state_dict()
    assert state["images_drawn"] == 3 * (2 * 3 + 5)
    after = source([6] * 5, None)
    after.load_state_dict(state)
    wanted, got = next(drawn), next(after.streams(2, 3, 5))
    assert torch.equal(got.support.x, wanted.support.x)
    assert torch.equal(got.query.x, wanted.query.x)


@pytest.mark.parametrize(
    ("classes", "shots", "words"),
    [(6, 2, "6 ways are more than the 5 classes"), (2, 99, "99 images per class are more than")],
)
def test_streams_that_the_classes_cannot_give_are_refused(classes, shots, words):
    with pytest.raises(DataError, match=words):
        next(source([6] * 5, None).streams(classes, shots, 1))


def test_streams_take_classes_of_all_domains():
    task = next(two_domains().streams(classes=10, shots=3, others=100))
    assert sorted(set(task.support.y.tolist())) == list(range(10))
    of_first = task.support.x.flatten(1).mean(1) * 255 < 5
    assert torch.equal(of_first, task.support.y < 4)
