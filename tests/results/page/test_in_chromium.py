"""The page in a browser: it sorts, filters and draws, and runs nothing that results contain."""

from __future__ import annotations

import pytest
from chromium import PROGRAM, Chromium
from frames import curves_of, three_methods

from workbench.results.page.whole import html_page
from workbench.results.summary import summary

pytestmark = pytest.mark.skipif(not PROGRAM, reason="there is no Chromium: apt install chromium")

BAD = "<script>window.bad = 1</script><img src=x onerror='window.bad = 1'>%{x}<b>bold</b>"
READY = "document.documentElement?.dataset.ready === 'yes'"
METHODS = """[...document.querySelectorAll("#table tbody tr:not(:first-child)")]
    .filter((row) => row.checkVisibility()).map((row) => row.cells[0].dataset.by)"""
FIRST_CHART = "document.querySelector('[data-figure=accuracy] .chart')"


@pytest.fixture(scope="module")
def frame():
    return three_methods()


@pytest.fixture(scope="module")
def page(frame, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html_page(frame, curves_of(frame)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(page, tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("profile")) as running:
        running.size(1400, 20_000)  # so high that all charts are drawn
        yield running


@pytest.fixture
def opened(browser, page):
    browser.complaints.clear()
    browser.open(page, READY)
    browser.wait("[...document.querySelectorAll('.chart')].every((place) => place.data)")
    yield browser
    assert browser.complaints == []


def click(browser, selector):
    browser.value(f"document.querySelector({selector!r}).click()")


def test_a_click_sorts_the_rows_of_each_group(opened, frame):
    table = summary(frame)
    accuracy = {(row["shots"], row["method"]): row["accuracy"] for row in table.to_dict("records")}
    names = list(table["method"].unique())
    click(opened, "#table th:nth-child(2) button")
    down = opened.value(METHODS)
    click(opened, "#table th:nth-child(2) button")
    up = opened.value(METHODS)
    for number, shots in enumerate((1, 5)):
        ranked = sorted(names, key=lambda name: -accuracy[shots, name])
        assert down[3 * number : 3 * number + 3] == ranked
        assert up[3 * number : 3 * number + 3] == ranked[::-1]
    assert opened.value("document.querySelector('#table th:nth-child(2)').ariaSort") == "ascending"


def test_words_filter_rows(opened):
    opened.value("""{
        const input = document.querySelector("#filter");
        input.value = "5-SHOT proto";
        input.dispatchEvent(new Event("input"));
    }""")
    assert opened.value(METHODS) == ["protonet"]
    assert opened.value("document.querySelector('output').textContent") == "1 of 6 rows"


def test_methods_can_be_left_out_of_the_charts(opened):
    names = f"[...new Set({FIRST_CHART}.data.map((each) => each.name))].sort()"
    assert opened.value(names) == ["", "baseline", "maml:lr=0.1", "protonet"]
    click(opened, "#chips input")
    assert opened.value(names) == ["", "baseline", "maml:lr=0.1"]


def test_the_pointer_shows_numbers(opened, frame):
    first = summary(frame).iloc[0]
    text = opened.value(f"{FIRST_CHART}.data.find((each) => each.name === 'protonet').text[0]")
    assert text.startswith(f"protonet<br>{100 * first['accuracy']:.2f} ± ")


def test_an_axis_becomes_logarithmic(opened):
    kind = "document.querySelector('[data-figure=curves] .chart').layout.xaxis.type"
    assert opened.value(kind) != "log"
    click(opened, ".tools + [data-figure=curves], .tools:has(+ [data-figure=curves]) input")
    assert opened.value(kind) == "log"


def test_two_methods_are_compared_task_by_task(opened, frame):
    words = "document.querySelector('#paired .note').textContent"
    by_task = frame[frame["shots"] == 1].pivot(index="task", columns="algorithm", values="accuracy")
    better = int((by_task["maml"] > by_task["protonet"]).sum())
    expected = f"In 40 tasks, maml:lr=0.1 is better than protonet in {better}, "
    assert opened.value(words).startswith(expected)
    opened.value("""{
        const select = document.querySelector("#paired select");
        select.value = 1;
        select.dispatchEvent(new Event("change"));
    }""")
    title = opened.value("document.querySelector('#paired .card p').textContent")
    assert title == "glyphs, 5-way 5-shot"


def test_static_figures_stand_in_for_charts_without_scripts(page, tmp_path):
    with Chromium(tmp_path, scripts=False) as browser:
        browser.open(page)
        visible = "[...document.images].filter((image) => image.checkVisibility()).length"
        assert browser.value(visible) == 3
        assert browser.value("document.body.innerText").count("This chart needs scripts.") == 2


def test_a_narrow_screen_is_not_scrolled_sideways(opened):
    opened.size(400, 20_000)
    opened.wait("document.documentElement.scrollWidth <= 400")  # charts follow the width
    opened.size(1400, 20_000)


def test_hostile_names_are_text(browser, frame, tmp_path):
    hostile = frame.assign(algorithm=BAD + frame["algorithm"], options=f"a={BAD}", test_on=BAD)
    path = tmp_path / "hostile.html"
    path.write_text(html_page(hostile, curves_of(frame)), encoding="utf-8")
    browser.complaints.clear()
    browser.open(path, READY)
    browser.wait("[...document.querySelectorAll('.chart')].every((place) => place.data)")
    assert BAD in browser.value("document.body.innerText")
    drawn = browser.value(
        "[...document.querySelectorAll('[data-figure=differences] .ytick')]"
        ".map((each) => each.textContent).join('')"
    )
    assert "<script>window.bad" in drawn.replace(" ", " ")
    assert browser.value("window.bad === undefined")
    assert browser.value("document.querySelectorAll('img[src=x], .chart b').length") == 0
    assert browser.complaints == []
