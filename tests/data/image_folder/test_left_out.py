"""What is left out of a folder is named, with the reason."""

from __future__ import annotations

import pytest
from image_folders import image, write_images
from PIL import Image

from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.left_out import left_out
from workbench.data.image_folder.record import by_reason
from workbench.data.image_folder.register import add_folder
from workbench.errors import DataError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n"


def test_other_files_are_named_by_kind():
    names = ["a/1.HEIC", "a/2.heic", "a/3.heic", "a/4.heic", "notes.md", "old.zip"]
    assert left_out(names) == [
        "6 other files ignored: 4 .heic (a/1.HEIC, a/2.heic, a/3.heic and 1 more: images of this "
        "kind are not read; save them as PNG or JPEG); notes.md; 1 .zip (old.zip: archives in it "
        "are not opened; unpack them)"
    ]
    assert left_out([]) == []


def test_jfif_is_jpeg(tmp_path):
    folder = write_images(tmp_path / "own", "owl/1.jfif", "owl/2.JFIF", "jay/1.jpe", "jay/2.png")
    assert add_folder("own", folder).images == {"test": {"jay": 2, "owl": 2}}


def test_many_unreadable_files_are_summed_up():
    unreadable = {f"{number}.tif": "has floating-point pixels." for number in range(2100)}
    unreadable["last.png"] = "is damaged."
    assert by_reason(unreadable) == [
        "2,100 files: each has floating-point pixels (0.tif, 1.tif, 2.tif and 2,097 more)",
        "last.png is damaged",
    ]
    many = {f"{number}.png": f"is damaged at byte {number}." for number in range(8)}
    assert len(by_reason(many)) == 6
    assert by_reason(many)[-1] == "3 files for other reasons"


def test_pointers_of_large_file_storage_are_named(tmp_path):
    folder = write_images(tmp_path / "own", *(f"{bird}/{n}.png" for bird in "ab" for n in range(4)))
    for bird in "ab":
        (folder / bird / "0.png").write_bytes(POINTER)
        (folder / bird / "1.png").write_bytes(POINTER)
    record = add_folder("own", folder)
    assert record.images == {"test": {"a": 2, "b": 2}}
    assert "4 files: each is a pointer of Git LFS to an image that was not fetched" in str(record)
    for path in folder.rglob("*.png"):
        path.write_bytes(POINTER)
    with pytest.raises(DataError, match=r"8 files: each is a pointer of Git LFS .*: git lfs pull"):
        add_folder("own", folder)


def test_a_folder_of_other_images_names_them(tmp_path):
    (tmp_path / "own" / "owl").mkdir(parents=True)
    (tmp_path / "own" / "owl" / "1.heic").write_bytes(image(1))
    with pytest.raises(DataError, match=r"contains no images .* 1 .heic \(owl/1.heic: images of"):
        add_folder("own", tmp_path / "own")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "labels.csv",
            "number,sort\n17,owl\n18,jay\n",
            r"labels.csv names none of the images \(its first row is 17, owl; an image is .*g\)",
        ),
        (
            "labels.csv",
            "number,sort\n",
            r"labels.csv names none of the images \(its first row is number, sort; an image",
        ),
        ("labels.jsonl", "[1]\n", "labels.jsonl does not have one JSON object in each line"),
        (
            "labels.xlsx",
            "",
            r"labels.xlsx is not read; save it as .csv with the columns filename,label",
        ),
        (
            "annotations.json",
            "{}",
            r"annotations.json is not read; save it as .csv with the columns filename,label",
        ),
        ("labels.csv", f"image,text\n1.png,{'x' * 200_000}\n", "labels.csv is no table: field"),
    ],
)
def test_a_table_that_is_not_understood_is_named(tmp_path, name, text, message):
    folder = write_images(tmp_path / "own", "1.png", "2.png")
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=f"^{message}.*has no class folders"):
        add_folder("own", folder)


def test_a_table_of_a_spreadsheet_says_what_separates_its_cells(tmp_path):
    folder = write_images(tmp_path / "own", *(f"images/{number}.png" for number in range(4)))
    rows = "".join(f"{number}.png;k{number // 2}\n" for number in range(4))
    (folder / "labels.csv").write_text("sep=;\nImage;Label\n" + rows)
    assert add_folder("own", folder).images == {"test": {"k0": 2, "k1": 2}}


def test_files_with_several_pictures_are_counted(tmp_path):
    folder = write_images(tmp_path / "own", "owl/0.png", "jay/0.png", "jay/1.png")
    frames = [Image.new("RGB", (9, 9), (shade, 0, 0)) for shade in (10, 200)]
    frames[0].save(folder / "owl" / "1.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "owl" / "2.tif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "owl" / "3.gif")
    frames[0].save(folder / "owl" / "4.tif")
    record = add_folder("own:copies=keep", folder)
    assert record.images == {"test": {"jay": 2, "owl": 5}}
    assert (
        "2 files have several pictures, frames or pages (owl/1.gif, owl/2.tif): only the first"
        in str(record)
    )


@pytest.mark.parametrize("ending", ["_mask", "_segmentation", "_seg", "_label", "-gt", "_mask_1"])
def test_masks_beside_images_are_left_out(tmp_path, ending):
    names = [
        f"{bird}/{bird}{n}{end}.png" for bird in "ab" for n in range(3) for end in ("", ending)
    ]
    folder = write_images(tmp_path / "own", *names)
    record = add_folder("own", folder)
    assert record.images == {"test": {"a": 3, "b": 3}}
    assert "6 images left out that are named like masks" in str(record)
    record = add_folder("own", folder, LayoutChoice(only="*"))
    assert record.images == {"test": {"a": 6, "b": 6}}
    record = add_folder("own", folder, LayoutChoice(only=f"*{ending}.png"))
    assert record.images == {"test": {"a": 3, "b": 3}}


def test_few_names_like_those_of_masks_are_chance(tmp_path):
    names = [*(f"a/golf{n}.png" for n in range(6)), "a/golf1_gt.png", "b/1.png", "b/2.png"]
    record = add_folder("own", write_images(tmp_path / "own", *names))
    assert record.images == {"test": {"a": 7, "b": 2}}


def test_masks_of_a_few_images_are_left_out_too(tmp_path):
    names = [f"healthy/{n}.png" for n in range(6)]
    names += [f"ill/{n}{end}.png" for n in range(2) for end in ("", "_mask")]
    record = add_folder("own", write_images(tmp_path / "own", *names))
    assert record.images == {"test": {"healthy": 6, "ill": 2}}
    assert "2 images left out that are named like masks" in str(record)


@pytest.mark.parametrize("folder", ["a", "set/a"])
def test_thumbnails_in_a_folder_beside_images_are_left_out(tmp_path, folder):
    names = [f"{folder}/{n}.png" for n in range(4)] + [f"b/{n}.png" for n in range(4)]
    names += [f"{folder}/Thumbs/{n}.png" for n in range(4)]
    record = add_folder("own", write_images(tmp_path / "own", *names))
    assert list(record.images["test"].values()) == [4, 4]
    assert "4 images left out that are named like masks or thumbnails" in str(record)
