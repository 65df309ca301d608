"""Which level of folders is the class, which the split, and what is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import write_images

from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.folder_levels import read_levels
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError, UsageError


def paths(*folders: str, images: int = 2) -> list[str]:
    return [f"{folder}/{number}.png" for folder in folders for number in range(images)]


def made(place: Path, *folders: str, **given):
    return add_folder("own", write_images(place / "own", *paths(*folders)), LayoutChoice(**given))


def classes(record) -> dict[str, list[str]]:
    return {split: list(labels) for split, labels in record.images.items()}


# --- classes of different depth


def test_folders_in_few_of_the_classes_are_asked_about(tmp_path):
    folders = [*(f"bird{number}" for number in range(8)), "owl/left", "owl/right"]
    with pytest.raises(
        DataError,
        match=r"beside them, folders in folders \(owl/left, owl/right\)\. .* "
        r"--level 1,2 \(10 classes\); .*one class \(9 classes\): .* --level 1$",
    ):
        made(tmp_path, *folders)
    record = made(tmp_path, *folders, level="1")
    assert record.classes == 9
    assert record.images["test"]["owl"] == 4
    assert made(tmp_path, *folders, level="1,2").classes == 10


def test_sessions_in_few_of_the_classes_are_put_together(tmp_path):
    record = made(tmp_path, "jay", "tit", "owl/day1", "owl/day2")
    assert record.images == {"test": {"jay": 2, "owl": 4, "tit": 2}}


def test_a_class_beside_many_groups_is_a_class(tmp_path):
    record = made(tmp_path, "lynx", "cats/wild", "cats/tame", "dogs/wolf", "dogs/fox")
    assert list(record.images["test"]) == [
        "cats/tame",
        "cats/wild",
        "dogs/fox",
        "dogs/wolf",
        "lynx",
    ]


# --- splits


def test_a_split_below_the_class(tmp_path):
    record = made(tmp_path, *(f"owl{n}/{split}" for n in range(3) for split in ("train", "test")))
    assert record.images == {"test": {"owl0": 4, "owl1": 4, "owl2": 4}}
    assert "3 classes in more than one split" in str(record)


@pytest.mark.parametrize(
    "names",
    [
        ("trn", "tst"),
        ("train", "holdout"),
        ("train2017", "test2017"),
        ("seg_train", "seg_test"),
        ("Training Set", "Test Set"),
        ("trainset", "testset"),
        ("metatrain", "metatest"),
        ("TrainImages", "TestImages"),
        ("train_images", "test_images"),
        ("base", "novel"),
        ("images_background", "images_evaluation"),
        ("Seen", "Unseen"),
    ],
)
def test_a_word_of_a_name_may_be_a_split(tmp_path, names):
    train, test = names
    record = made(tmp_path, f"{train}/owl", f"{train}/jay", f"{test}/tit")
    assert classes(record) == {"train": ["jay", "owl"], "test": ["tit"]}


def test_validation_beside_words_that_are_splits_in_pairs(tmp_path):
    record = made(tmp_path, "base/owl", "val/jay", "novel/tit")
    assert classes(record) == {"train": ["owl"], "val": ["jay"], "test": ["tit"]}


def test_words_that_are_splits_in_pairs_may_be_classes(tmp_path):
    assert classes(made(tmp_path, "base", "novel")) == {"test": ["base", "novel"]}
    record = made(tmp_path / "b", "base/owl", "base/jay", "novel/owl", "novel/jay")
    assert record.images == {"test": {"jay": 4, "owl": 4}}


def test_a_split_in_the_name_of_a_class_is_asked_about(tmp_path):
    folders = ["owl_train", "owl_test", "jay_train", "jay_test"]
    with pytest.raises(DataError, match=r"names contain splits: jay_test, jay_train, .*--level 1$"):
        made(tmp_path, *folders)
    assert made(tmp_path, *folders, level="1").classes == 4
    assert made(tmp_path / "b", "test tube", "train station").classes == 2


def test_a_split_between_groups_and_classes(tmp_path):
    record = made(tmp_path, "owls/train/barn", "owls/train/tawny", "jays/val/blue", "jays/test/red")
    assert classes(record) == {
        "train": ["owls/barn", "owls/tawny"],
        "val": ["jays/blue"],
        "test": ["jays/red"],
    }


def test_a_split_one_level_deeper_with_an_image_outside(tmp_path):
    folder = write_images(tmp_path / "own", "logo.png", *paths("set/train/a", "set/test/b"))
    record = add_folder("own", folder)
    assert classes(record) == {"train": ["a"], "test": ["b"]}
    assert "1 image without a class ignored, in . (1)" in record.notes


SHOP = ("set/train/Fruit/Apple", "set/val/Fruit/Pear", "set/test/Packages/Milk", "set/icons/Apple")


def test_split_folders_deeper_beside_others_are_asked_about(tmp_path):
    with pytest.raises(
        DataError,
        match=r"split folders test, train, val and other folders beside them: sample, set/icons, "
        r"with 4 images.*: mlw download own --from .*own --split-from 2$",
    ):
        made(tmp_path, *SHOP, "sample")
    record = made(tmp_path, *SHOP, "sample", split_from="2")
    assert classes(record) == {
        "train": ["Fruit/Apple"],
        "val": ["Fruit/Pear"],
        "test": ["Packages/Milk"],
    }
    assert "4 images without a class ignored, in sample (2), set/icons/Apple (2)" in record.notes


def test_one_split_folder_with_classes_in_it_is_asked_about(tmp_path):
    with pytest.raises(DataError, match=r"split folders train and other folders .*: extra"):
        made(tmp_path, "train/a", "train/b", "extra/c")


def test_split_names_that_mean_no_splits(tmp_path):
    record = made(tmp_path, "train", "test", "car", split_from="none")
    assert classes(record) == {"test": ["car", "test", "train"]}


def test_one_split_with_classes_is_none(tmp_path):
    folder = write_images(tmp_path / "own", *paths("train/a", "train/b", "test"))
    record = add_folder("own", folder)
    assert classes(record) == {"test": ["a", "b"]}
    assert "all labelled images are in the split train, so no split is given" in record.notes


# --- levels that name no class


def test_sessions_below_a_class_are_put_together(tmp_path):
    record = made(tmp_path, *(f"{who}/session {n}" for who in ("ann", "bob") for n in (1, 2)))
    assert record.images == {"test": {"ann": 4, "bob": 4}}
    assert (
        "the folders session 1, session 2 of level 2 are not classes: the images of each class "
        "are put together" in record.notes
    )


def test_sessions_beside_images_and_days_above_classes(tmp_path):
    record = made(tmp_path / "a", "ann", "ann/day1", "bob", "bob/day2")
    assert record.images == {"test": {"ann": 4, "bob": 4}}
    record = made(tmp_path / "b", *(f"{day}/{who}" for day in ("day1", "day2") for who in "ab"))
    assert record.images == {"test": {"a": 4, "b": 4}}


@pytest.mark.parametrize("tail", ["images", "JPEGImages", "photos"])
def test_a_folder_that_only_holds_images_is_no_class(tmp_path, tail):
    record = made(tmp_path, f"train/a/{tail}", f"train/b/{tail}", f"val/c/{tail}", f"test/{tail}")
    assert classes(record) == {"train": ["a", "b"], "val": ["c"]}
    assert f"2 images without a class ignored, in test/{tail} (2)" in record.notes


@pytest.mark.parametrize("names", [("images_part_1", "images_part_2"), ("batch1", "batch2")])
def test_parts_of_a_set_are_no_classes(tmp_path, names):
    with pytest.raises(DataError, match=r"named like parts of one set of images.*--level 1$"):
        made(tmp_path, *names)
    assert classes(made(tmp_path, *names, level="1")) == {"test": list(names)}


RENDERED = [f"{how}/{what}" for how in ("color", "grayscale", "segmented") for what in ("a", "b")]


@pytest.mark.parametrize("folders", [RENDERED, ["a/color", "a/mask", "b/color", "b/mask"]])
def test_renderings_of_the_same_pictures_are_asked_about(tmp_path, folders):
    with pytest.raises(
        DataError, match=r"like the same pictures shown in different ways.* --only color$"
    ):
        made(tmp_path, *folders)
    record = made(tmp_path, *folders, only="color")
    assert record.images == {"test": {"a": 2, "b": 2}}
    assert any("outside of color ignored" in note for note in record.notes)


def test_renderings_without_classes(tmp_path):
    with pytest.raises(DataError, match="like the same pictures shown"):
        made(tmp_path, "images", "masks")


def test_names_that_cross_are_asked_about(tmp_path):
    folders = [f"{alphabet}/character{n}" for alphabet in ("Greek", "Latin", "Thai") for n in "12"]
    with pytest.raises(DataError) as caught:
        made(tmp_path, *folders)
    for part in (
        "folders of the same names (character1, character2) in different folders (Greek,",
        "--level 1 (3 classes), --level 2 (2 classes) or --level 1,2 (6 classes)",
    ):
        assert part in str(caught.value)
    assert made(tmp_path, *folders, level="1").classes == 3
    assert made(tmp_path, *folders, level="2").classes == 2
    assert made(tmp_path, *folders, level="1,2").classes == 6


def test_a_copy_of_the_whole_in_itself_is_asked_about(tmp_path):
    folders = ["pepper", "potato", "plants/pepper", "plants/potato"]
    with pytest.raises(DataError, match=r"folders of the same names \(pepper, potato\)"):
        made(tmp_path, *folders)
    record = made(tmp_path, *folders, level="2")
    assert record.images == {"test": {"pepper": 2, "potato": 2}}


def test_images_beside_class_folders_are_asked_about(tmp_path):
    folders = ["owls", "owls/barn", "owls/tawny", "jays/blue"]
    with pytest.raises(DataError, match=r"images beside folders of images in owls\..* --level 1$"):
        made(tmp_path, *folders)
    assert made(tmp_path, *folders, level="1").images == {"test": {"jays": 2, "owls": 6}}


@pytest.mark.parametrize(
    "folders",
    [
        ("mel/patient1", "mel/patient2", "nv/patient3"),
        ("mel/patient1", "nv/patient1", "nv/patient2"),
        ("patient1/mel", "patient2/nv", "patient3/nv"),
        ("mel/2019", "nv/2019", "nv/2020"),
        ("train/mel/slide 1", "train/nv/slide 1", "test/nv/slide 2"),
    ],
)
def test_patients_above_or_below_classes_are_put_together(tmp_path, folders):
    record = made(tmp_path, *folders)
    (found,) = record.images.values()
    assert set(found) == {"mel", "nv"}
    assert "are not classes: the images of each class are put together" in str(record)


@pytest.mark.parametrize("folder", ["unlabeled", "New folder (2)", "assets", "to_label"])
@pytest.mark.parametrize(("above", "level"), [("", 1), ("data/", 2)])
def test_folders_without_a_class_are_left_out(tmp_path, folder, above, level):
    folders = [f"{above}owl", f"{above}jay", folder]
    record = made(tmp_path, *folders)
    assert record.images == {"test": {"jay": 2, "owl": 2}}
    assert f"no class by its name: {folder}; if it is one, add --level {level}" in str(record)
    assert "2 images without a class ignored" in str(record)
    assert made(tmp_path / "all", *folders, level=str(level)).classes == (3 if level == 1 else 2)


def test_folders_without_a_class_are_taken_where_no_others_are(tmp_path):
    assert made(tmp_path, "assets/owl", "assets/jay").images == {"test": {"jay": 2, "owl": 2}}


def test_unlabelled_images_beside_splits(tmp_path):
    record = made(tmp_path, "train/owl", "test/jay", "unlabeled")
    assert record.images == {"train": {"owl": 2}, "test": {"jay": 2}}


def test_sizes_of_the_same_pictures_are_no_classes(tmp_path):
    with pytest.raises(DataError, match=r"32x32, 64x64, which look like the same .* --only 32x32"):
        made(tmp_path, "32x32/owl", "64x64/owl")


# --- groups


def test_upper_folders_are_the_groups_of_classes(tmp_path):
    folders = ["owls/barn", "owls/tawny", "jays/blue"]
    record = made(tmp_path, *folders)
    assert record.groups == {"owls/barn": "owls", "owls/tawny": "owls", "jays/blue": "jays"}
    assert "2 upper folders are their groups" in str(record)
    assert made(tmp_path, *folders, group_from="none").groups == {}
    by_level = made(tmp_path, *folders, level="2", group_from="1")
    assert by_level.groups == {"barn": "owls", "tawny": "owls", "blue": "jays"}


def test_a_class_has_one_group(tmp_path):
    with pytest.raises(DataError, match="class barn in the groups north and south"):
        made(tmp_path, "north/barn", "south/barn", level="2", group_from="1")


@pytest.mark.parametrize(
    "folders",
    [
        ("100APPLE", "101APPLE"),
        ("2024-05-01", "2024-05-02 Zoo"),
        ("Camera", "Screenshots", "WhatsApp Images"),
        ("camA", "camB"),
        ("run01", "run02"),
        ("patient1", "patient12"),
        ("case_0001a", "case_0002"),
        ("2019", "2020"),
    ],
)
def test_folders_of_phones_are_no_classes(tmp_path, folders):
    with pytest.raises(
        DataError, match=r"named like days, patients, runs .* filename,label; .* --level 1$"
    ):
        made(tmp_path, *folders)
    record = made(tmp_path, *folders, level="1")
    assert set(record.images["test"]) == set(folders)


# --- what is said and cannot be meant


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"level": "x"}, r"Invalid value --level x: must be the number of a folder level"),
        ({"level": "0"}, "Invalid value --level 0"),
        ({"level": "1", "label": "x"}, "give one of them"),
        (
            {"only": "c"},
            r"no images in a folder c, given by --only. It has folders: a, b; patterns: '\*.png'$",
        ),
        (
            {"only": "*.x"},
            r"no images whose names fit --only '\*.x'. It has folders: a, b; patterns: '\*.png'$",
        ),
        ({"label": "dx"}, "has the column dx; none of them names its images"),
    ],
)
def test_choices_that_fit_nothing(tmp_path, given, message):
    with pytest.raises(UsageError, match=message):
        made(tmp_path, "a", "b", **given)


def test_a_level_that_no_image_has(tmp_path):
    with pytest.raises(DataError, match=r"has no class folders with --level 3; a/0.png is"):
        made(tmp_path, "a", "b", level="3")


# --- properties

names = st.sampled_from(["owl", "jay", "train", "test", "images", "color", "s1", "part_2", "x"])


@given(st.lists(st.lists(names, max_size=4), min_size=1, max_size=8))
def test_any_folders_give_classes_or_one_question(folders):
    images = [f"{'/'.join(['root', *parts])}/{n}.png" for n, parts in enumerate(folders)]

    def ask(message: str, flags: str) -> DataError:
        return DataError(f"it has {message}: {flags}")

    try:
        levels = read_levels(images, LayoutChoice(), ask)
    except DataError:
        return
    assert set(levels.placed) <= set(images)
    for image, placed in levels.placed.items():
        assert set(placed.label.split("/")) <= {"", *image.split("/")}
