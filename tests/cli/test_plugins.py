"""`mlw plugins`: what each registers, and what is wrong with a broken one."""

from __future__ import annotations

import json

import pytest
from plugin_packages import place

from workbench.plugin.registry import registry


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A plugin that cannot be imported."""
    place(tmp_path / "site", "mlw-broken", "import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.cache_clear()
    yield
    registry.cache_clear()


def test_each_plugin_is_a_row(mlw):
    rows = {row["name"]: row for row in json.loads(mlw("plugins --json")[1])}
    assert "protonet" in rows["metric"]["algorithms"]
    assert rows["metric"]["distribution"] == "mlw-metric"
    assert "glyphs" in rows["vision"]["datasets"]
    assert {row["error"] for row in rows.values()} == {""}
    output = mlw("plugins")[1]
    assert "algorithms: " in output
    assert "datasets: " in output


def test_a_broken_one_is_a_row_and_stops_no_other(mlw, broken):
    rows = {row["name"]: row for row in json.loads(mlw("plugins --json")[1])}
    assert "nothing_of_this_name" in rows["broken"]["error"]
    assert rows["broken"]["algorithms"] == []
    assert "protonet" in rows["metric"]["algorithms"]
    code, output, errors = mlw("list algorithms")
    assert code == 0
    assert "protonet" in output
    assert "broken did not load; see: mlw plugins" in errors
