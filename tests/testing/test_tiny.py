"""The tiny data that the contract is computed on."""

from __future__ import annotations

from workbench.testing import tiny_data, tiny_source


def test_tiny_data():
    data = tiny_data((3, 5, 6), classes=4, images=7, name="small")
    assert data.labels == ("small",)
    assert data.image_shape == (3, 5, 6)
    (domain,) = data.domains("test")
    assert domain.images.shape == (4 * 7, 3, 5, 6)
    assert domain.classes.counts.tolist() == [7] * 4


def test_tiny_source():
    task = next(tiny_source(ways=4, shots=1, queries=2, stack=2).tasks())
    assert task.support.x.shape == (2, 4, 1, 16, 16)
    assert task.query.y.sort(dim=1).values.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]] * 2
