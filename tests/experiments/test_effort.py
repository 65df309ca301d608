"""Rows say how much was trained: steps, images, and what recipe and guessing say."""

from __future__ import annotations

import math

import pytest
from small_runs import evaluated, trained


def told(frame, *names):
    """Return columns whose value is the same in all rows."""
    (row,) = frame[list(names)].drop_duplicates().to_dict("records")
    return row


def test_a_training_says_its_steps_and_images(data, tmp_path):
    run = trained(data, tmp_path, meta_batch=2, train_ways=4, train_shots=1, train_queries=5)
    frame = evaluated(run, data)
    row = told(frame, "steps", "images", "recipe")
    # three steps of two tasks, of four ways with one shot and five queries each
    assert row == {"steps": 3, "images": 3 * 2 * 4 * (1 + 5), "recipe": "quick"}
    assert (frame["recipe_steps"] > 3).all()  # so it is marked
    assert set(frame["chance_loss"]) == {math.log(4)}
    assert frame["train_loss"].notna().all()


def test_a_method_that_draws_no_tasks_guesses_among_all_classes(data, tmp_path):
    frame = evaluated(trained(data, tmp_path, "baseline:head_epochs=1,batch_size=16"), data)
    assert set(frame["chance_loss"]) == {math.log(8)}
    assert set(frame["images"]) == {3 * 16}


@pytest.mark.parametrize(
    "spec", ["url:adapt_steps=1", "relation", "siamese:units=8", "reptile:test_steps=1"]
)
def test_a_loss_that_is_no_cross_entropy_is_not_compared_with_guessing(data, tmp_path, spec):
    frame = evaluated(trained(data, tmp_path, spec), data)
    assert frame["train_loss"].notna().all()
    assert frame["chance_loss"].isna().all()


def test_earlier_stages_count(data, tmp_path):
    """simpleshot takes no step of its own: its backbone was trained for three of many."""
    frame = evaluated(trained(data, tmp_path, "simpleshot"), data)
    assert set(frame["steps"]) == {3}
    assert (frame["recipe_steps"] > 3).all()
    assert frame["train_loss"].isna().all()


def test_what_a_recipe_asks_for_is_enough(data, tmp_path):
    untrained = evaluated(trained(data, tmp_path, "nearest_pixel", backbone=None), data)
    assert (untrained["steps"] == 0).all()
    assert (untrained["recipe_steps"] == 0).all()
