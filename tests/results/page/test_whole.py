"""The page: whole, loads nothing, says the results, and shows hostile names as text."""

from __future__ import annotations

import base64
import re

import pandas as pd
from frames import Page, cell, frame_of

from workbench.results.page.whole import html_page
from workbench.results.summary import summary


class TestPage:
    def test_is_whole_and_needs_nothing_else(self, frame, curves):
        text = html_page(frame, curves)
        parsed = Page(text)
        assert len(parsed.loads) == parsed.tags.count("img") == 3
        for source in parsed.loads:
            kind, data = source.split(",")
            assert kind == "data:image/png;base64"
            assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
        assert not {"link", "iframe", "object"} & set(parsed.tags)
        assert sorted(parsed.scripts) == ["", "data", "library"]
        assert not re.search(r"https?:|@import|url\(", text)

    def test_its_contents_lead_to_sections(self, frame):
        text = html_page(frame)
        links = Page(text).links
        assert "#results" in links
        assert "#differences" in links
        for link in links:
            assert f"<h2 id={link[1:]}>" in text

    def test_figures_are_dark_where_the_page_is(self, frame):
        blocks = html_page(frame).split("prefers-color-scheme: dark)")[1:]
        assert any(re.search(r"img \{[^}]*invert\(1\)", block) for block in blocks)

    def test_says_the_results_and_how_they_were_made(self, frame):
        parsed = Page(html_page(frame))
        words = " ".join("".join(parsed.words).split())
        for row in summary(frame).to_dict("records"):
            assert f"{100 * row['accuracy']:.2f} ± {100 * row['interval']:.2f}" in words
        for said in (
            "ahead of maml:lr=0.1 by",
            "98.8 ± 0.4",
            "Snell et al. 2017",
            "40 test tasks (episodes) from split test, 15 queries per class, task seed 0",
            "training seed 0",
            "together, not one by one: maml:lr=0.1.",
            "1.96 standard errors",
            "paired",
        ):
            assert said in words
        assert parsed.tags.count("img") == 2  # no curves were given

    def test_says_how_to_repeat_it(self, frame):
        runs = pd.DataFrame({"run": frame["run"].unique()})
        runs = runs.assign(command="mlw compare <b>", seed=0, hardware="cpu, 2 threads")
        runs["versions"] = "workbench 1.0, torch 2.9"
        words = "".join(Page(html_page(frame, runs=runs)).words)
        assert "How to repeat" in words
        assert "mlw compare <b> trained protonet, maml:lr=0.1 and baseline." in words
        for shots in (1, 5):
            line = f"mlw eval RUN --on glyphs --ways 5 --shots {shots} --queries 15 --episodes "
            assert line in words
        assert "Trained on: cpu, 2 threads." in words
        assert "Versions: workbench 1.0, torch 2.9." in words
        assert "Recipe quick: protonet, maml:lr=0.1 and baseline." in words
        words = "".join(Page(html_page(frame, runs=runs.assign(command=""))).words)
        assert "protonet, maml:lr=0.1 and baseline: trained from Python" in words

    def test_says_how_long_was_trained(self, frame):
        table = "".join(Page(html_page(frame.assign(steps=123_456, images=7_654_321))).words)
        for said in ("Steps", "123,456", "Images seen", "7,654,321"):
            assert said in table

    def test_does_not_call_a_winner_that_the_tasks_do_not_show(self):
        words = "".join(
            Page(html_page(frame_of(cell("a", [0.5, 0.6, 0.4]), cell("b", [0.4, 0.7, 0.39])))).words
        )
        assert (
            "a reaches 50.00 ± 11.32%; "
            "b cannot be told apart from it (0.33 ± 11.33 percentage points behind)" in words
        )

    def test_escapes_hostile_names(self, frame, curves):
        bad = "<script>alert('x')</script>&\"><img src=http://bad.example/x onerror=y>"
        hostile = frame.assign(
            algorithm=bad + frame["algorithm"], backbone=bad, published_source=bad
        )
        hostile = hostile.assign(train_on=bad, test_on=bad, split=bad)
        parsed = Page(html_page(hostile, curves.assign(label=bad)))
        assert parsed.tags.count("script") == 3  # our own
        assert all(source.startswith("data:image/png;base64,") for source in parsed.loads)
        assert bad in "".join(parsed.words)  # shown as text
