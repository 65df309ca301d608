"""What a new plugin may be called."""

from __future__ import annotations

import pytest

from workbench.errors import UsageError
from workbench.scaffold.names import plugin_names, refuse_taken


@pytest.mark.parametrize("typed", ["nearest-mean", "mlw-nearest-mean"])
def test_all_names_come_from_one(typed):
    names = plugin_names(typed)
    assert names.folder == typed
    assert names.distribution == "mlw-nearest-mean"
    assert names.package == "mlw_nearest_mean"
    assert names.class_name == "NearestMean"


@pytest.mark.parametrize(
    ("typed", "better"),
    [
        ("NearestMean", "nearest-mean"),
        ("nearest_mean", "nearest-mean"),
        ("3d nets", "d-nets"),
        ("../elsewhere", "elsewhere"),
        ("a/b", "a-b"),
        ("-", "nearest-mean"),
        ("mlw-", "nearest-mean"),
        ("prototypé", "prototyp"),
    ],
)
def test_what_is_no_name_is_refused_with_one_that_is(typed, better):
    with pytest.raises(UsageError, match=rf"no name for a package.* mlw new plugin {better}$"):
        plugin_names(typed)
    plugin_names(better)


@pytest.mark.parametrize(
    ("typed", "kind", "words"),
    [
        ("protonet", "algorithms", "protonet is the name of the algorithm of mlw-metric"),
        ("conv4", "backbones", "conv4 is the name of the backbone of mlw-vision"),
        ("glyphs", "datasets", "glyphs is the name of the data set of mlw-vision"),
        ("list", "commands", "There is a command mlw list already"),
        ("mlw-vision", "algorithms", "There is a plugin vision already, of mlw-vision"),
    ],
)
def test_what_is_taken_is_refused(typed, kind, words):
    with pytest.raises(UsageError, match=rf"{words}; run for instance: mlw new plugin my-"):
        refuse_taken(plugin_names(typed), [kind], ["list"])


def test_kinds_do_not_share_names():
    refuse_taken(plugin_names("conv4"), ["algorithms"], ["list"])
