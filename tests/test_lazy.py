"""Public names that are imported on first use."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from workbench.lazy import lazy_names


def test_a_name_is_imported_from_its_home():
    get = lazy_names("package", {"OrderedDict": "collections"})
    assert get("OrderedDict") is OrderedDict
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'other'"):
        get("other")
