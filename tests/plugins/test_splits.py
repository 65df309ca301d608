"""The splits as they were published: their counts, their hashes, and the published lists."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise

import pytest
from mlw_vision.data.cifar import cifarfs, fc100
from mlw_vision.data.ilsvrc_2012 import Ilsvrc2012, below, leaves
from mlw_vision.data.omniglot import Omniglot
from mlw_vision.data.reading import split_lists
from mlw_vision.data.tieredimagenet import superclasses
from places import SHARED, needs_published

SHARED = SHARED / "splits"
SPLITS = ("train", "val", "test")


def plain(name: str):
    return lambda split: split_lists(name)[split]


def tiered(split: str) -> list[str]:
    return [f"{group}/{name}" for name, group in superclasses(split).items()]


def names(lists: dict, split: str) -> list[str]:
    return [f"{b}/{a}" for a, b in lists[split]]


def pairs(lists: dict, split: str) -> list[str]:
    return [f"{a}/{b}" for a, b in lists[split]]


def listed(lists: dict, split: str) -> list[str]:
    return lists[split]


def spread(lists: dict, split: str) -> list[str]:
    """FC100's superclasses, each with its five classes."""
    every = json.loads((SHARED / "cifar-fs.json").read_text())
    return [f"{a}/{b}" for part in SPLITS for a, b in every[part] if a in lists[split]]


def childless(lists: dict, split: str) -> list[str]:
    return [node for node, children in lists[split] if not children]


# Our list of a split, its counts, the beginning of its hash, the published file, and its reader.
LISTS = {
    "miniimagenet": (
        plain("miniimagenet"),
        (64, 16, 20),
        "01128b94569826c1",
        "miniimagenet",
        listed,
    ),
    "tieredimagenet": (tiered, (351, 97, 160), "5875cbc33735271a", "tieredimagenet", names),
    "cub": (
        lambda split: split_lists("cub")["closerlook"][split],
        (100, 50, 50),
        "d4c9ac735b256382",
        "cub",
        listed,
    ),
    "cu_birds": (
        lambda split: split_lists("cub")["metadataset"][split],
        (140, 30, 30),
        "bcf4be5151f1032a",
        "meta-dataset-cu-birds",
        listed,
    ),
    "cifarfs": (cifarfs, (64, 16, 20), "5a7a33e1ba53fa01", "cifar-fs", pairs),
    "fc100": (fc100, (60, 20, 20), "a31f1a5eb62a0ccd", "fc100", spread),
    "ilsvrc_2012": (
        leaves,
        (712, 158, 130),
        "6a11eff6eee32701",
        "meta-dataset-ilsvrc-hierarchy",
        childless,
    ),
    "aircraft": (
        plain("aircraft"),
        (70, 15, 15),
        "ab2a20a94e3687fb",
        "meta-dataset-aircraft",
        listed,
    ),
    "dtd": (plain("dtd"), (33, 7, 7), "2acf89d19e57cca1", "meta-dataset-dtd", listed),
    "quickdraw": (
        plain("quickdraw"),
        (241, 52, 52),
        "cc23497aa6fd08b6",
        "meta-dataset-quickdraw",
        listed,
    ),
    "fungi": (plain("fungi"), (994, 200, 200), "b24a1cf19f324f59", "meta-dataset-fungi", listed),
    "vgg_flower": (
        plain("vgg_flower"),
        (71, 15, 16),
        "fc7135400d89bc66",
        "meta-dataset-vgg-flower",
        listed,
    ),
    "traffic_sign": (
        plain("traffic_sign"),
        (0, 0, 43),
        "206f486b1bce2118",
        "meta-dataset-traffic-sign",
        listed,
    ),
    "mscoco": (plain("mscoco"), (0, 40, 40), "b332c362ad494905", "meta-dataset-mscoco", listed),
}


def digest(lists: list[list[str]]) -> str:
    lines = [
        f"{split} {name}\n"
        for split, each in zip(SPLITS, lists, strict=True)
        for name in sorted(each)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", LISTS)
def test_counts_and_hash(name):
    ours, counts, expected, _, _ = LISTS[name]
    lists = [ours(split) for split in SPLITS]
    assert tuple(map(len, lists)) == counts
    assert len(set().union(*lists)) == sum(counts)  # no class twice, none in two splits
    assert digest(lists) == expected


@needs_published("splits")
@pytest.mark.parametrize("name", LISTS)
def test_lists_are_the_published_ones(name):
    ours, _, _, file, read = LISTS[name]
    published = json.loads((SHARED / f"{file}.json").read_text())
    for split in SPLITS:
        assert sorted(ours(split)) == sorted(read(published, split))


def test_closerlook_splits_birds_by_their_number():
    for split, rests in (("train", (1, 3)), ("val", (2,)), ("test", (0,))):
        assert {int(name[:3]) % 4 for name in split_lists("cub")["closerlook"][split]} == set(rests)


EDGES = (1064, 199, 184)  # of the graph of each split
GRAPH = "b0fc6141da1c3abb"  # the beginning of the hash of all edges


def edges(split: str) -> list[str]:
    """Return our graph's edges as lines."""
    lines = []
    for node, children in split_lists("ilsvrc_2012")[split].items():
        lines += [f"{node} {child}" for child in children.split()]
    return lines


def test_counts_and_hash_of_the_wordnet_graph():
    lists = [edges(split) for split in SPLITS]
    assert tuple(map(len, lists)) == EDGES
    assert digest(lists) == GRAPH


@needs_published("splits")
def test_wordnet_graph_is_the_published_one():
    published = json.loads((SHARED / "meta-dataset-ilsvrc-hierarchy.json").read_text())
    for split in SPLITS:
        graph = {node: sorted(children) for node, children in published[split] if children}
        assert {
            node: sorted(text.split()) for node, text in split_lists("ilsvrc_2012")[split].items()
        } == graph


@pytest.mark.parametrize("split", SPLITS)
def test_nodes_that_tasks_are_drawn_below(split):
    groups = Ilsvrc2012().groups(split)
    assert groups.whole
    known = set(leaves(split))
    for group in groups.members:
        assert 5 <= len(group) <= 392
        assert len(set(group)) == len(group)
        assert set(group) <= known
    graph = split_lists("ilsvrc_2012")[split]
    roots = graph.keys() - {child for children in graph.values() for child in children.split()}
    assert [len(below(split, root)) for root in roots] == [len(known)]  # one graph, which spans all


def test_dogs_are_in_the_validation_split():
    """Meta-Dataset holds out the subtree of dogs: a mark of the right graph."""
    assert "n02085620" in leaves("val")  # Chihuahua
    assert set(below("val", "n02087122")) <= set(leaves("val"))  # hunting dogs


@pytest.mark.parametrize(
    ("split", "alphabets", "classes"), [("train", 25, 883), ("val", 5, 81), ("test", 20, 659)]
)
def test_alphabets_as_groups(split, alphabets, classes):
    groups = Omniglot(split="alphabets").groups(split)
    assert not groups.whole
    assert len(groups.members) == alphabets
    assert sum(map(len, groups.members)) == classes
    assert min(map(len, groups.members)) >= 14
    assert all(len({name.partition("/")[0] for name in group}) == 1 for group in groups.members)


def test_turned_alphabets_are_groups_of_their_own():
    groups = Omniglot(split="lake", rotations="train").groups("train").members
    assert len(groups) == 4 * 30
    assert groups[1] == tuple(f"{name}/rot090" for name in groups[0])
    assert not any(set(one) & set(other) for one, other in pairwise(groups))
