"""Protocols: what their rules say, drawn the same everywhere, refused in numbers where they cannot be."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DataError, UnknownName, UsageError
from workbench.tasks.protocols.build import PROTOCOLS, build_protocol
from workbench.tasks.protocols.listed import Listed
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.protocols.prequential import Prequential
from workbench.tasks.protocols.stream import Stream
from workbench.tasks.protocols.unbalanced import Unbalanced
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.protocols.within_group import WithinGroup
from workbench.tasks.sampling import BLOCK, ClassIndex, Rows, Words, shared_out


def classes(counts, groups=(), whole=False):
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return ClassIndex(starts, tuple(np.array(group) for group in groups), whole)


def class_of(drawn_from, rows):
    return np.searchsorted(drawn_from.starts, rows, side="right") - 1


def check_labels(drawn_from, rows):
    """Labels name one class each, the same in support and query, and no image is used twice."""
    for n in range(len(rows.task)):
        used = np.concatenate([rows.support[n], rows.query[n]])
        assert len(set(used)) == len(used)
        y = np.concatenate([rows.support_y[n], rows.query_y[n]])
        pairs = set(zip(y.tolist(), class_of(drawn_from, used).tolist(), strict=True))
        assert len({label for label, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
        assert set(y.tolist()) <= set(range(rows.ways))


ALPHABETS = classes([20] * 40, [range(0, 14), range(14, 17), range(17, 40)])
EVERY = {
    "way-shot": (classes([8] * 12), (4, 2, 3)),
    "within-group": (ALPHABETS, (5, 1, 3)),
    "unbalanced": (classes([30] * 12), (4, 2, 5)),
    "meta-dataset": (classes([7, 300, 30, 12, 60, 9, 44]), (0, 0, 0)),
    "prequential": (classes([10] * 9), (3, 5, 0)),
    "stream": (classes([10] * 20), (9, 3, 2)),
    "listed": (classes([3] * 12, [range(0, 4), range(4, 8), range(8, 12)]), (4, 1, 2)),
}


def test_every_protocol_is_among_those_tested():
    assert EVERY.keys() == PROTOCOLS.keys()


@pytest.mark.parametrize("name", EVERY)
def test_labels_and_images_are_consistent_and_the_same_twice(name):
    drawn_from, numbers = EVERY[name]
    protocol = build_protocol(name, *numbers)
    protocol.check(drawn_from, "the data")
    first, second = (protocol.draw(drawn_from, 5, 0) for _ in range(2))
    for rows, again in zip(first, second, strict=True):
        check_labels(drawn_from, rows.part(slice(0, 20)))
        assert all(np.array_equal(a, b) for a, b in zip(rows, again, strict=True))
    other = protocol.draw(drawn_from, 6, 0)
    assert name == "listed" or any(
        a.query.shape != b.query.shape or (a.query != b.query).any()
        for a, b in zip(first, other, strict=True)
    )


@pytest.mark.parametrize("name", EVERY)
def test_golden(name):
    """These may never change without RESULTS_VERSION."""
    drawn_from, numbers = EVERY[name]
    digest = hashlib.sha256()
    for rows in build_protocol(name, *numbers).draw(drawn_from, 7, 1 if name != "listed" else 0):
        for array in (
            rows.support,
            rows.query,
            rows.support_y,
            rows.query_y,
            rows.task,
            rows.instance,
        ):
            digest.update(np.ascontiguousarray(array).astype("<i8").tobytes())
    assert digest.hexdigest()[:16] == GOLDEN[name]


GOLDEN = {
    "way-shot": "8e61c356e2c9ebc9",
    "within-group": "5ed0624d5c588ac7",
    "unbalanced": "de423cd09a2ebde9",
    "meta-dataset": "682bef4e02bb74e4",
    "prequential": "93a53a0563038cce",
    "stream": "8b7763523861aed3",
    "listed": "74d9580781a25087",
}


# --- Meta-Dataset's rules, over 10,000 tasks


def metadataset_tasks(drawn_from, count=10_000, **options):
    protocol = MetaDataset(**options)
    protocol.check(drawn_from, "the data")
    blocks = (protocol.draw(drawn_from, 0, block) for block in range(count // BLOCK + 1))
    return [rows for block in blocks for rows in block][:count]


def test_ways_are_uniform_from_5_to_50_or_all_classes():
    ways = np.array([rows.ways for rows in metadataset_tasks(classes([20] * 30))])
    counts = np.bincount(ways, minlength=31)
    assert (ways.min(), ways.max()) == (5, 30)
    expected = len(ways) / 26
    assert (
        (counts[5:] - expected) ** 2 / expected
    ).sum() < 52.6  # 99.9th percentile of chi-square, 25 degrees
    most = [rows.ways for rows in metadataset_tasks(classes([20] * 200), 2000)]
    assert (min(most), max(most)) == (5, 50)


def test_queries_are_half_of_the_smallest_class_and_at_most_10():
    for counts, queries in (
        ([6] * 5, 3),
        ([7, 300, 300, 300, 300], 3),
        ([200] * 5, 10),
        ([2] * 5, 1),
    ):
        for rows in metadataset_tasks(classes(counts), 200):
            assert (np.bincount(rows.query_y[0]) == queries).all()


def paper_shots(counts, random):
    """The paper's support sizes for chosen classes, written a second time with numpy's own distributions."""
    queries = min(10, min(count // 2 for count in counts))
    beta = random.uniform()
    size = min(500, sum(int(beta * min(100, count - queries)) + 1 for count in counts))
    weights = [np.exp(random.uniform(np.log(0.5), np.log(2))) * count for count in counts]
    return [
        min(int(weight / sum(weights) * (size - len(counts))) + 1, count - queries)
        for weight, count in zip(weights, counts, strict=True)
    ]


@pytest.mark.parametrize("counts", [[60] * 5, [7, 300, 30, 12, 60], [1000, 1000, 900, 500, 20, 20]])
def test_support_sizes_are_distributed_as_the_paper_says(counts):
    drawn_from, random = classes(counts), np.random.default_rng(0)
    ways = len(counts)
    tasks = metadataset_tasks(drawn_from, min_ways=ways, max_ways=ways)
    ours = np.zeros((len(tasks), ways))
    for shots, rows in zip(ours, tasks, strict=True):
        np.add.at(shots, class_of(drawn_from, rows.support[0]), 1)
    theirs = np.array([paper_shots(counts, random) for _ in tasks])
    assert ours.min() >= 1
    assert (ours <= np.array(counts) - min(10, min(counts) // 2)).all()
    error = np.sqrt(ours.var(0) / len(ours) + theirs.var(0) / len(theirs))
    assert (np.abs(ours.mean(0) - theirs.mean(0)) <= 4 * error).all()
    for of in (
        lambda x: x.sum(1),
        lambda x: x.max(1) / x.sum(1),
    ):  # the size, and how unevenly it is shared out
        grid = np.unique(np.concatenate([of(ours), of(theirs)]))
        shares = [
            np.searchsorted(np.sort(of(x)), grid, side="right") / len(x) for x in (ours, theirs)
        ]
        assert np.abs(shares[0] - shares[1]).max() < 1.95 * np.sqrt(
            2 / len(ours)
        )  # Kolmogorov-Smirnov at 0.1%


def test_the_support_is_at_most_500_and_a_class_adds_at_most_100():
    sizes = [rows.support.shape[1] for rows in metadataset_tasks(classes([1000] * 40), 3000)]
    assert max(sizes) <= 500
    assert np.mean(np.array(sizes) > 450) > 0.3  # 500 is met often: 40 ways of beta * 100
    few = [
        rows.support.shape[1] for rows in metadataset_tasks(classes([1000] * 5), 1000, max_ways=5)
    ]
    assert max(few) <= 500


def test_larger_classes_get_larger_supports():
    drawn_from = classes([20, 20, 20, 20, 400])
    shares = [
        np.bincount(
            rows.support_y[0][class_of(drawn_from, rows.support[0]) == 4], minlength=1
        ).sum()
        / rows.support.shape[1]
        for rows in metadataset_tasks(drawn_from, 1000)
    ]
    assert np.mean(shares) > 0.5


def test_omniglots_tasks_stay_within_an_alphabet_and_imagenets_take_all_leaves_of_a_node():
    within = metadataset_tasks(ALPHABETS, 2000)
    alphabets = [
        {
            next(i for i, g in enumerate(ALPHABETS.groups) if c in g)
            for c in class_of(ALPHABETS, rows.support[0])
        }
        for rows in within
    ]
    assert all(len(found) == 1 for found in alphabets)
    assert {found.pop() for found in alphabets} == {0, 2}  # three letters are too few for a task
    assert {rows.ways for rows in within} == set(range(5, 24))
    nodes = classes([20] * 100, [range(0, 7), range(0, 100), range(50, 62)], whole=True)
    drawn = metadataset_tasks(nodes, 2000)
    ways = np.array([rows.ways for rows in drawn])
    assert set(ways) == {7, 12, 50}  # all leaves; of 100, 50 at random
    assert abs(np.mean(ways == 50) - 1 / 3) < 0.04  # nodes are uniform
    of_all = np.concatenate([class_of(nodes, rows.query[0]) for rows in drawn if rows.ways == 50])
    assert set(of_all) == set(range(100))


# --- the others


def test_unbalanced_queries_have_the_total_and_the_spread_of_a_dirichlet():
    drawn_from = classes([200] * 20)
    queries = np.concatenate(
        [
            np.stack(
                [
                    np.bincount(y, minlength=5)
                    for y in Unbalanced(5, 1, 15, alpha=2).draw(drawn_from, 0, block)[0].query_y
                ]
            )
            for block in range(20)
        ]
    )
    assert (queries.sum(1) == 75).all()
    share = queries / 75
    # Dirichlet(2, 2, 2, 2, 2): mean 1/5, variance a(A - a) / (A^2 (A + 1)) = 2 * 8 / (100 * 11)
    assert np.allclose(share.mean(0), 0.2, atol=0.01)
    assert np.allclose(share.var(0), 16 / 1100, rtol=0.1)


@given(
    weights=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=8),
    room=st.data(),
)
@settings(deadline=None)
def test_shared_out_gives_out_all_that_there_is_room_for(weights, room):
    rooms = np.array(
        room.draw(st.lists(st.integers(1, 30), min_size=len(weights), max_size=len(weights)))
    )
    total = room.draw(st.integers(0, int(rooms.sum())))
    given_out = shared_out(np.array(weights), total, rooms)
    assert given_out.sum() == total
    assert (given_out <= rooms).all()
    assert (given_out >= 0).all()


def test_prequential_asks_each_example_after_those_before_it():
    drawn_from = classes([10] * 9)
    stacks = Prequential(3, 5).draw(drawn_from, 0, 0)
    assert len(stacks) == 14  # 15 examples, the first is not asked
    for t, rows in enumerate(stacks, 1):
        assert rows.support.shape == (BLOCK, t)
        assert rows.query.shape == (BLOCK, 1)
        count = (rows.support_y == rows.query_y).sum(
            1
        ) + 1  # of its class so far, itself among them
        assert (count == rows.instance).all()
        if t > 1:
            assert (rows.support[:, :-1] == stacks[t - 2].support).all()
            assert (rows.support[:, -1:] == stacks[t - 2].query).all()


def test_a_stream_meets_class_after_class_and_is_asked_on_those_met():
    stacks = Stream(9, 3, 2).draw(classes([10] * 20), 0, 0)
    assert [rows.instance[0] for rows in stacks] == [1, 2, 4, 8, 9]
    for rows in stacks:
        k = rows.instance[0]
        assert rows.ways == 9
        assert (rows.support_y == np.repeat(np.arange(k), 3)).all()
        assert (rows.query_y == np.repeat(np.arange(k), 2)).all()
        assert (rows.support == stacks[-1].support[:, : 3 * k]).all()


def test_listed_tasks_are_the_groups_in_order_and_then_end():
    drawn_from = classes([2] * 6, [range(0, 3), range(3, 6)])
    (rows,) = Listed(3, 1).draw(drawn_from, 0, 0)
    assert rows.support.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert rows.query.tolist() == [[1, 3, 5], [7, 9, 11]]
    assert Listed(3, 1).draw(drawn_from, 0, 1) == []


def test_within_group_takes_one_alphabet():
    (rows,) = WithinGroup(5, 1, 2).draw(ALPHABETS, 0, 0)
    group = np.searchsorted([14, 17, 40], class_of(ALPHABETS, rows.support), side="right")
    assert (group == group[:, :1]).all()
    assert set(group[:, 0]) == {0, 2}


@pytest.mark.parametrize(
    ("protocol", "drawn_from", "words"),
    [
        (WithinGroup(5, 1, 2), classes([9] * 9), ["no groups", "way-shot"]),
        (WithinGroup(24, 1, 2), ALPHABETS, ["24 ways", "23 classes"]),
        (Listed(5, 1), classes([2] * 6, [range(3), range(3, 6)]), ["3 ways, not 5"]),
        (MetaDataset(), classes([9] * 4), ["5 ways", "4 classes"]),
        (MetaDataset(), classes([9] * 5 + [1]), ["1 image"]),
        (Prequential(3, 11), classes([10] * 9), ["10"]),
        (Unbalanced(3, 1, 2, alpha=0), classes([10] * 9), ["alpha=0"]),
        (WayShot(3, 1, 0), classes([10] * 9), ["0 queries"]),
    ],
)
def test_what_cannot_be_is_said_in_numbers(protocol, drawn_from, words):
    with pytest.raises(DataError) as error:
        protocol.check(drawn_from, "the data")
    assert all(word in str(error.value) for word in words), error.value


def test_protocols_by_name():
    assert build_protocol("unbalanced:alpha=5", 5, 1, 15) == Unbalanced(5, 1, 15, alpha=5)
    assert build_protocol("meta-dataset:max_ways=10", 5, 1, 15) == MetaDataset(max_ways=10)
    with pytest.raises(UnknownName, match="meta-dataset"):
        build_protocol("metadataset", 5, 1, 15)
    with pytest.raises(UsageError, match="alpha"):
        build_protocol("unbalanced:alhpa=5", 5, 1, 15)


def test_words_are_philoxs_and_uniform():
    words = Words(3, 4)
    expected = np.random.Philox(key=[3, 4], counter=[0, 0, 0, 0]).random_raw(4)
    assert (words.raw(4) == expected).all()
    many = Words(0, 0)
    assert {many.integer(5, 8) for _ in range(200)} == {5, 6, 7, 8}
    assert 0 <= Words(1, 0).uniform(1000).min() < 0.01


def test_joined_stacks_are_one():
    (rows,) = WayShot(4, 2, 3).draw(classes([8] * 12), 0, 0)
    again = Rows.join([rows.part(slice(0, 100)), rows.part(slice(100, 256))])
    assert all(np.array_equal(a, b) for a, b in zip(rows, again, strict=True))


def test_the_commands_help_names_every_protocol():
    from workbench.cli.compare import PROTOCOL_HELP

    assert all(name in PROTOCOL_HELP for name in PROTOCOLS)
