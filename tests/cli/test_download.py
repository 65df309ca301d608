"""`mlw download`: what it prints and leaves, and what one is told when something is wrong."""

from __future__ import annotations

import zipfile

import pytest
from command_lines import SMALL, check_refused, sentence
from image_folders import class_folders
from local_server import serve
from places import SHARED
from publisher import drawings, write_zip

from workbench.data.download import transfer
from workbench.data.image_folder.record import record_path
from workbench.data.opening import open_dataset
from workbench.plugin.registry import registry
from workbench.tasks.splits import parts_of

real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real archives are not in {SHARED}")
STEPS = "Ask Nobody for tiny.zip. Then run: mlw download asked --from FILE"

pytestmark = pytest.mark.usefixtures("cache")


# --- fetching


def test_the_second_mirror_and_a_checksum_learnt(mlw, server, tmp_path):
    code, output, errors = mlw("download tiny")
    assert code == 0, errors
    assert "http://127.0.0.1:9/tiny.zip cannot be reached" in errors
    assert "checksum learnt now: sha256" in output
    assert " test: 1 classes, 12 images of 1 x 8 x 8" in output
    code, output, _ = mlw("download --list")
    assert code == 0
    assert [word in output for word in ("tiny", "tiny.zip", "learnt", "MB in")] == [True] * 4
    code, output, _ = mlw("download tiny --remove")
    assert code == 0
    assert "tiny: removed" in output
    assert mlw("download --list")[1].startswith("nothing of any data set is in")
    server.flip = 1000
    code, _, errors = mlw("download tiny")
    assert code == 1
    assert "not the tiny.zip that was learnt at the first download: sha256" in sentence(errors)


def test_by_hand(mlw, server, tmp_path):
    code, output, errors = mlw("download asked")
    assert (code, output) == (1, "")
    assert sentence(errors).endswith(f"must be downloaded by hand. {STEPS}")
    assert server.requests == []
    code, output, _ = mlw("download asked --from", tmp_path / "published" / "tiny.zip")
    assert code == 0
    assert "content checked by count, not by checksum (12 images, 6 characters)" in output


def test_a_part_says_so(mlw, server, tmp_path):
    files = {name: content for name, content in drawings().items() if "03/" not in name}
    part = write_zip(tmp_path / "tiny.zip", files)
    code, _, errors = mlw("download asked --from", part)
    assert code == 1
    assert "add --partial" in sentence(errors)
    code, output, errors = mlw("download asked --partial --from", part)
    assert code == 0
    assert "a part: 8 of 12 images" in output
    assert "not the published files: 8 of 12 images; results measured on them say so" in errors
    assert "part: 8 of 12 images" in mlw("download --list")[1]
    assert open_dataset("asked").part == "8 of 12 images"


def test_one_of_several_that_fails_stops_no_other(mlw, server):
    code, output, errors = mlw("download asked nothing tiny")
    assert code == 1
    assert "12 images of 1 x 8 x 8" in output
    assert "mlw: tiny.zip of asked must be downloaded by hand" in errors
    assert "no data set 'nothing'" in errors
    assert sentence(errors) == "mlw: 2 of 3 failed"


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no zip at all", b"<!doctype html><html>quota exceeded</html>"]
)
def test_a_damaged_archive_is_one_sentence_and_nothing_stays(mlw, cache, tmp_path, content):
    path = tmp_path / "images_background_small1.zip"
    path.write_bytes(content)
    code, output, errors = mlw("download omniglot_small1 --from", path)
    assert (code, output) == (1, "")
    assert sentence(errors)
    assert not list(cache.glob("**/*.zip"))
    assert not list(cache.glob("prepared/*/index.json"))


def test_an_archive_with_too_few_images_is_refused_by_count(mlw, tmp_path):
    with zipfile.ZipFile(tmp_path / "images_background_small1.zip", "w") as archive:
        archive.writestr("images_background_small1/Greek/character01/0001_01.png", b"x")
    code, _, errors = mlw("download omniglot_small1 --from", tmp_path)
    assert code == 1
    assert "2,720" in sentence(errors)


# --- what is here


def test_verify_tells_each_kind_of_damage(mlw, server, tmp_path):
    mlw("download tiny")
    code, output, _ = mlw("download tiny --verify")
    assert code == 0
    assert output.count("is unchanged") == 2
    (prepared,) = (tmp_path / "cache" / "prepared").glob("tiny-*/test.npy")
    content = bytearray(prepared.read_bytes())
    content[-1] ^= 1
    prepared.write_bytes(content)
    code, _, errors = mlw("download tiny --verify")
    assert code == 1
    assert (
        f"{prepared.parent} is damaged; delete that folder and run: mlw download tiny"
        in sentence(errors)
    )
    archive = tmp_path / "cache" / "downloads" / "tiny" / "tiny.zip"
    content = bytearray(archive.read_bytes())
    content[100] ^= 1
    archive.write_bytes(content)
    code, _, errors = mlw("download tiny --verify")
    assert code == 1
    assert "tiny.zip is damaged (sha256 " in sentence(errors)
    archive.unlink()
    assert "tiny.zip is missing; run: mlw download tiny" in sentence(
        mlw("download tiny --verify")[2]
    )
    assert "damaged: tiny.zip" in mlw("download --list")[1]


def test_verify_without_a_name_compares_all(mlw, server):
    code, output, _ = mlw("download --verify")
    assert (code, output.startswith("nothing is in ")) == (0, True)
    mlw("download glyphs:size=4")
    mlw("download tiny --from", server.url)
    code, output, _ = mlw("download --verify")
    assert code == 0
    assert "tiny: tiny.zip is unchanged" in output
    assert "glyphs: the prepared folder glyphs-" in output


def test_verify_and_remove_of_what_is_not_here(mlw, server):
    code, _, errors = mlw("download tiny --verify")
    assert code == 1
    assert "tiny is neither downloaded nor prepared; run: mlw download tiny" in sentence(errors)
    assert mlw("download tiny --remove")[:2] == (0, "tiny: nothing to remove\n")


@pytest.mark.parametrize("name", [".", "..", "../..", "../precious", "learnt.toml"])
def test_remove_reaches_nothing_else(mlw, server, tmp_path, name):
    mlw("download tiny")
    (tmp_path / "cache" / "precious").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert mlw(f"download {name} --remove")[:2] == (0, f"{name}: nothing to remove\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_two_data_sets_share_is_said(mlw, server, monkeypatch):
    registry().find("datasets", "asked").load().manifest = "tiny"
    mlw("download tiny asked")
    output = mlw("download --list")[1]
    assert output.count("tiny.zip") == 2
    assert mlw("download tiny --remove")[1].strip().endswith("asked used the same files")
    assert "not downloaded" in mlw("download --list")[1]


def test_a_transfer_that_was_cut_is_listed(mlw, server, monkeypatch):
    monkeypatch.setattr(transfer, "CHUNK", 100)
    server.cut, server.tag = 1000, '"one"'
    code, _, errors = mlw("download tiny")
    assert code == 1
    assert "run the same command again to resume" in sentence(errors)
    assert "incomplete: 0 of 1 files" in mlw("download --list")[1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("download", "name a data set, for instance: mlw download omniglot"),
        ("download tiny --list --remove", "do different things; give one of them"),
        ("download tiny --verify --from x", "without --from and --partial"),
        ("download tiny:size=3 --remove", "give the name without options, tiny"),
        ("download omniglot --from nowhere", "nowhere does not exist"),
        ("download nothing", "for images of your own: mlw download nothing --from FOLDER"),
        ("download nothing --from nowhere", "nowhere does not exist"),
        ("download nothing --from https://example.invalid/", "a folder or an archive of your own"),
        ("download tiny/nothing --from .", "cannot be a data set's name"),
    ],
)
def test_what_cannot_be_meant(mlw, server, line, words):
    check_refused(mlw, line, 2, [words])


# --- images of one's own


def test_a_folder_of_one_s_own_works_everywhere(mlw, tmp_path):
    folder = class_folders(tmp_path / "birds", 3, 4)
    code, output, errors = mlw("download my-birds --from", folder)
    assert code == 0, errors
    assert f"my-birds: 3 classes, 12 images from {folder} (class folders)" in output
    assert " test: 3 classes, 12 images of 3 x 84 x 84" in output
    assert f"3 classes, 12 images from {folder}" in mlw("list datasets")[1]
    output = mlw("info my-birds")[1]
    assert "a folder of your own" in output
    assert "class 00 (4), class 01 (4), class 02 (4)" in output
    assert "your own" in mlw("download --list")[1]
    code, output, _ = mlw("download my-birds --verify")
    assert code == 0
    assert output.count("is unchanged") == 2
    code, output, errors = mlw("download my-birds:size=20,channels=1")
    assert code == 0, errors
    assert " test: 3 classes, 12 images of 1 x 20 x 20" in output


def test_a_folder_is_forgotten_and_its_images_stay(mlw, tmp_path):
    folder = class_folders(tmp_path / "birds", 3, 4)
    mlw("download my-birds --from", folder)
    code, output, _ = mlw("download my-birds --remove")
    assert code == 0
    assert f"the images in {folder} are not touched" in output
    assert len(list(folder.rglob("*.png"))) == 12
    assert not record_path("my-birds").exists()
    assert not list((tmp_path / "cache" / "prepared").glob("my-birds-*"))
    assert mlw("download my-birds")[0] == 2


def test_a_folder_that_is_gone_and_one_that_changed(mlw, tmp_path):
    folder = class_folders(tmp_path / "birds", 3, 4)
    mlw("download my-birds --from", folder)
    (folder / "class 00" / "0.png").unlink()
    code, _, errors = mlw("download my-birds --verify")
    assert code == 1
    assert (
        f"has changed since it was registered; run: mlw download my-birds --from {folder}"
        in sentence(errors)
    )
    code, output, errors = mlw("download my-birds --from", folder)
    assert code == 0
    assert f"my-birds has changed: the images prepared from {folder} are removed" in errors
    assert "11 images" in output
    folder.rename(tmp_path / "moved")
    assert "which is gone" in mlw("download --list")[1]
    assert mlw("download my-birds --verify")[0] == 0
    assert mlw("download my-birds")[0] == 0
    code, _, errors = mlw("download my-birds:size=20")
    assert code == 1
    assert "is gone; run: mlw download my-birds --from FOLDER" in sentence(errors)


def test_a_damaged_record_is_mended_by_what_the_sentence_says(mlw, tmp_path):
    folder = class_folders(tmp_path / "birds", 3, 4)
    mlw("download my-birds --from", folder)
    record_path("my-birds").write_text("name = 3")
    assert "your own" in mlw("list datasets")[1]
    assert "cannot be read" in mlw("download --list")[1]
    code, _, errors = mlw("info my-birds")
    assert code == 1
    assert "run: mlw download my-birds --from FOLDER" in sentence(errors)
    assert mlw("download my-birds --from", folder)[0] == 0
    assert mlw("info my-birds")[0] == 0


def test_a_name_like_a_plugin_s_is_asked_about(mlw, tmp_path):
    assert (
        "omniglto is a new name (did you mean omniglot?)"
        in mlw("download omniglto --from", class_folders(tmp_path / "b", 3))[2]
    )


def test_methods_are_compared_on_a_folder_of_one_s_own(mlw, tmp_path):
    folder = class_folders(tmp_path / "birds", 40, 4)
    mlw("download my-birds:size=28,channels=1 --from", folder)
    line = "compare protonet baseline:head_epochs=2 --on my-birds:size=28,channels=1 --ways 5"
    few = "--shots 1 --queries 2 --train-queries 2 --episodes 8 --backbone conv4"
    code, output, errors = mlw(f"{line} {few}", *SMALL)
    assert code == 0, errors
    assert "protonet" in output


@real
@pytest.mark.parametrize("ways", ["--from", "over HTTP"])
def test_real_archives(mlw, ways):
    if ways == "--from":
        code, output, errors = mlw("download omniglot_small1 omniglot_small2 --from", SHARED)
    else:
        with serve(SHARED) as running:
            code, output, errors = mlw(
                "download omniglot_small1 omniglot_small2 --from", running.url
            )
    assert code == 0, errors
    assert output.count("checksum verified") == 2
    assert mlw("download omniglot_small1 omniglot_small2 --verify")[0] == 0


# --- files that are not the published ones


def test_files_of_which_no_data_set_can_be_made_are_not_kept(mlw, cache, tmp_path):
    images = {f"ISIC_{number:07}.jpg": b"no image" for number in range(3)}
    archive = write_zip(tmp_path / "ISIC2018_Task3.zip", images)
    code, _, errors = mlw("download isic --partial --from", archive)
    assert code == 1
    assert "The copy of ISIC2018_Task3.zip is not kept." in sentence(errors)
    assert not list(cache.glob("downloads/*/*"))
    assert "isic" not in mlw("download --list")[1]


def test_files_checked_by_count_are_named_by_every_row(mlw, server, tmp_path):
    packed = write_zip(tmp_path / "tiny.zip", drawings(seed=7))
    code, _, errors = mlw("download asked --from", packed)
    assert code == 0
    words = "not the published files: content checked by count, not by checksum"
    assert words in errors
    assert open_dataset("asked").part == "content checked by count, not by checksum"
    assert list(parts_of([open_dataset("asked")])) == [
        "asked: content checked by count, not by checksum"
    ]


# --- paths and addresses instead of names


def test_a_folder_instead_of_a_name_says_how_to_use_it(mlw, tmp_path):
    folder = class_folders(tmp_path / "my birds", 3, 4)
    for name in (folder, "my birds"):
        for command in ("compare nearest_neighbor --on", "download"):
            code, output, errors = mlw(command, name)
            assert (code, output) == (2, "")
            assert "is a folder, not the name of a data set" in sentence(errors)
            assert f"run: mlw download NAME --from '{name}'" in sentence(errors)


def test_an_address_instead_of_a_folder_says_what_to_do(mlw):
    address = "https://example.invalid/birds.zip"
    code, _, errors = mlw("download birds:size=20 --from", address)
    assert code == 2
    assert "download it first, then run: mlw download birds:size=20 --from FILE" in sentence(errors)
    code, _, errors = mlw("compare nearest_neighbor --on", address)
    assert code == 2
    assert "is an address, not the name of a data set" in sentence(errors)


def test_a_bad_name_is_not_called_new(mlw, tmp_path):
    code, _, errors = mlw("download vögel --from", class_folders(tmp_path / "birds", 3))
    assert code == 2
    assert "is a new name" not in errors


def test_options_of_own_images_do_not_fit_others(mlw, tmp_path):
    check_refused(mlw, "download omniglot --level 1", 2, ["--level 1 is for images of your own"])
    check_refused(mlw, "download x --label dx", 2, ["--label dx is for images of your own"])


def test_options_of_own_images_answer_what_is_asked(mlw, tmp_path):
    folder = class_folders(tmp_path / "birds" / "day", 3)
    class_folders(tmp_path / "birds" / "night", 3)
    code, _, errors = mlw("download birds --from", tmp_path / "birds")
    assert code == 1
    assert sentence(errors).endswith(f"mlw download birds --from {folder.parent} --only NAME")
    code, output, _ = mlw("download birds --level 2 --from", tmp_path / "birds")
    assert code == 0
    assert "birds: 3 classes, 18 images" in output


def test_originals_that_are_gone_are_said_when_verifying(mlw, tmp_path):
    folder = class_folders(tmp_path / "birds", 3, 4)
    mlw("download my-birds:size=20 --from", folder)
    folder.rename(tmp_path / "moved")
    code, output, _ = mlw("download my-birds --verify")
    assert code == 0
    assert f"{folder} is gone: the prepared images can be used, with no other options" in output
    assert "run: mlw download my-birds:size=20 --from FOLDER" in output
