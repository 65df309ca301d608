"""Forms of a data set, and suffixes of file names."""

from __future__ import annotations

import pytest

from workbench.data.download.entry import ManifestEntry, RemoteFile, suffix_of


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.b.tar.gz", ".tar.gz"), ("a.TGZ", ".TGZ"), ("a.zip", ".zip"), ("a.pkl", ".pkl"), ("a", "")],
)
def test_suffixes(name, suffix):
    assert suffix_of(name) == suffix


def files(*names_and_forms: tuple[str, str]) -> ManifestEntry:
    listed = tuple(RemoteFile(name, form=form) for name, form in names_and_forms)
    return ManifestEntry("x", "", "", "", listed)


def test_a_file_without_a_form_is_part_of_every_form():
    entry = files(("a.tar", "tar"), ("b.pkl", "pickle"), ("labels.csv", ""))
    tar, pickle, labels = entry.files
    assert list(entry.forms.items()) == [("tar", (tar, labels)), ("pickle", (pickle, labels))]


def test_a_data_set_without_forms_has_one():
    entry = files(("a.tar", ""), ("labels.csv", ""))
    assert entry.forms == {"": entry.files}
