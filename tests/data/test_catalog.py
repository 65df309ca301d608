"""Which data set a spec names: a plugin's, or a folder of the user's own."""

from __future__ import annotations

import pytest
from image_folders import class_folders

from workbench.data.catalog import find_dataset
from workbench.data.image_folder.dataset import ImageFolder
from workbench.data.image_folder.record import record_path
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError, UnknownName, UsageError
from workbench.plugin.registry import registry


def test_a_plugin_s_data_set_with_its_options():
    chosen = find_dataset("glyphs:seed=3,size=20")
    assert chosen.name == "glyphs"
    assert chosen.options == {"seed": 3, "size": 20}
    assert (chosen.dataset.seed, chosen.dataset.size) == (3, 20)
    assert isinstance(chosen.dataset, registry().find("datasets", "glyphs").load())


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("glyphs", "glyphs"),
        ("glyphs:seed=0", "glyphs"),
        ("glyphs:seed=1,size=28", "glyphs:seed=1"),
        ("glyphs:size=20,seed=1", "glyphs:seed=1,size=20"),
        ("glyphs:seed=1,size=020", "glyphs:seed=1,size=20"),
        ("mlw-vision/glyphs:seed=1", "glyphs:seed=1"),
    ],
)
def test_all_specs_of_one_data_set_have_one_label(text, label):
    assert find_dataset(text).label == label


def test_the_label_of_the_whole_is_there_if_all_classes_can_train():
    assert find_dataset("eurosat").label_of_whole == "eurosat:split=train"
    assert find_dataset("eurosat:size=64").label_of_whole == "eurosat:size=64,split=train"
    assert find_dataset("glyphs").label_of_whole == ""
    assert find_dataset("omniglot").label_of_whole == ""  # its splits are other ones


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("glyphs:sead=1", "glyphs has no option 'sead'. Did you mean seed"),
        ("glyphs:seed=many", "Invalid value glyphs:seed=many"),
        ("glyphs:", "ends in a colon"),
        (":seed=1", "has no name before the colon"),
    ],
)
def test_an_option_that_there_is_not_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        find_dataset(text)


# --- the user's own


def test_a_folder_of_the_user_s_own(cache, tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    chosen = find_dataset("birds:size=20")
    assert isinstance(chosen.dataset, ImageFolder)
    assert chosen.dataset.record.name == "birds"
    assert chosen.dataset.size == 20
    assert chosen.label == "birds:size=20"
    assert find_dataset("birds").label == "birds"


def test_an_unknown_name_lists_the_user_s_own_too(cache, tmp_path):
    with pytest.raises(UnknownName, match="no data set 'birbs'") as without:
        find_dataset("birbs")
    assert " birds," not in str(without.value)
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    with pytest.raises(UnknownName, match=r"Did you mean birds\? Run: mlw list datasets$"):
        find_dataset("birbs")
    with pytest.raises(UnknownName, match=r"Available:.* birds,.* omniglot,") as caught:
        find_dataset("0000")  # nothing is near
    assert str(caught.value).endswith("Run: mlw list datasets")


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-has-this-name"])
def test_a_name_that_no_file_can_have_is_unknown(cache, name):
    with pytest.raises(UnknownName, match=f"There is no data set '{name}'"):
        find_dataset(name)


def test_a_folder_with_a_plugin_s_name_is_asked_about(cache, tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    path = record_path("birds")
    own = record_path("glyphs")
    own.write_text(path.read_text().replace("birds", "glyphs"))  # a plugin that came later
    with pytest.raises(UsageError, match=r"both a folder of yours and (\S+/glyphs); use \1, or ru"):
        find_dataset("glyphs")
    full_name = registry().find("datasets", "glyphs").full_name
    assert find_dataset(full_name).label == full_name


def test_a_damaged_record_is_one_sentence(cache, tmp_path):
    add_folder("birds", class_folders(tmp_path / "birds", 3))
    record_path("birds").write_text("name = 3")
    with pytest.raises(DataError, match="mlw download birds --from FOLDER"):
        find_dataset("birds")
