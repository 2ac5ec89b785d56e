"""The page as its readers use it: opened in a browser from a file, against numbers worked out here."""

import math
import random
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from snnet_lightning.evaluation.html_report import NAME, write_html_report
from snnet_lightning.evaluation.results import Row
from snnet_lightning.evaluation.summary import summarise

WIDE, NARROW = 1280, 360
SMALL, LARGE = "deit3_small_patch16_224.fb_in22k_ft_in1k", "deit3_large_patch16_224.fb_in22k_ft_in1k"
EVIL = "</script><script>alert('a')</script><b title=\"x\">&amp;"
MAX_BYTES = 5_000_000


def stitches(count=134):
    """As many as DeiT3-S/L has, with names as long, and a cost by which the cheapest is not the smallest."""
    generator = random.Random(count)
    small = Row(0, SMALL, 4_608_338_304, 22_059_496, 81.4, 95.5, 0.9, 50_000)
    large = Row(1, LARGE, 61_604_136_960, 304_374_760, 87.0, 98.1, 0.6, 50_000)
    rows = [small, large]
    for i in range(2, count):
        share = generator.random()
        flops = int(small.flops + share * (large.flops - small.flops))
        params = int(small.params + generator.uniform(0.5, 1) * share * (large.params - small.params))
        acc1 = 81.4 + 5.6 * share + generator.uniform(-1.5, 1)
        name = f"{LARGE}[:{i % 24}] > {SMALL}[{i % 11}:{i}] > {LARGE}[{i % 7}:]"
        rows.append(Row(i, name, flops, params, acc1, generator.uniform(90, 99), generator.random(), 50_000))
    return rows


ROWS = stitches()
ODD = [
    Row(0, EVIL, 1_000, 10, 50.0, 60.0, 2.5, 9),
    Row(1, "b", 5_000, 90, 70.0, 80.0, 1.5, 9),
    Row(2, "unknown", 2_000, 20, math.nan, math.nan, math.nan, 0),
    Row(3, "cheap twin", 3_000, 30, 65.0, 80.0, 1.5, 9),
    Row(4, "dear twin", 4_000, 25, 65.0, 80.0, 1.5, 9),
]


def best(rows, key, budget):
    """By definition: the most accurate of those that fit; of equals, the one that takes less of the budget."""
    fitting = [row for row in rows if getattr(row, key) <= budget and not math.isnan(row.acc1)]
    return max(fitting, key=lambda row: (row.acc1, -getattr(row, key)), default=None)


@pytest.fixture
def opened(browser, tmp_path):
    """The page of these rows in the browser; in the end nothing was asked for but it, and nothing complained."""

    def open_page(rows, anchors=(0, 1), width=WIDE, summary=None):
        write_html_report(rows, anchors, tmp_path, summary)
        return browser.open(tmp_path / NAME, width)

    yield open_page
    assert browser.complaints() == []
    assert {url for url in browser.requests() if not url.startswith("data:")} == {(tmp_path / NAME).as_uri()}


def text(driver, name):
    return driver.find_element(By.ID, name).text


def budget_in(driver):
    """The chosen budget, as the number field shows it, in FLOPs or parameters."""
    return int(Decimal(driver.find_element(By.ID, "amount").get_property("value")) * 10**6)


def choose(driver, measure):
    driver.find_element(By.CSS_SELECTOR, f"[name=measure][value={measure}]").click()


def order(driver):
    return driver.execute_script("return [...document.querySelector('tbody').rows].map(line => +line.dataset.id)")


def text_of_class(driver, name):
    return driver.find_element(By.CLASS_NAME, name).text


def assert_names(driver, row, measure):
    """The panel, the plot and the table agree on this stitch."""
    assert text(driver, "best") == row.name
    panel = text(driver, "figures")
    for figure in (f"{row.flops:,}", f"{row.params:,}", f"{row.acc1:.2f} %", f"{row.acc5:.2f} %"):
        assert figure in panel
    assert text(driver, "select") == f"net.select({row.id})"
    assert text(driver, "unit") == {"flops": "MFLOPs", "params": "Mparams"}[measure]
    (marked,) = driver.find_elements(By.CSS_SELECTOR, "tr[aria-current]")
    assert marked.get_attribute("data-id") == str(row.id)
    assert "best" in marked.text
    point = driver.find_element(By.CSS_SELECTOR, f".point[data-id='{row.id}'] > *").rect
    ring = driver.find_element(By.CSS_SELECTOR, "#marks .ring").rect
    for start, size in (("x", "width"), ("y", "height")):
        assert point[start] + point[size] / 2 == pytest.approx(ring[start] + ring[size] / 2, abs=2)


@pytest.mark.parametrize("measure", ["flops", "params"])
def test_the_slider_names_the_best_stitch(opened, measure):
    driver = opened(ROWS)
    choose(driver, measure)
    slider = driver.find_element(By.ID, "slider")
    slider.send_keys(Keys.HOME)
    seen = []
    for keys in [[Keys.ARROW_RIGHT], *[[Keys.PAGE_UP]] * 5, [Keys.ARROW_LEFT] * 3, [Keys.END]]:
        slider.send_keys(*keys)
        budget = budget_in(driver)
        assert_names(driver, best(ROWS, measure, budget), measure)
        fitting = sum(getattr(row, measure) <= budget for row in ROWS)
        assert text(driver, "fitting").startswith(f"{fitting} of {len(ROWS)} ")
        over = driver.find_elements(By.CSS_SELECTOR, ".point .over")
        assert len(over) == len(ROWS) - fitting
        seen.append(budget)
    assert seen[0] < seen[1] < seen[5]
    assert max(getattr(row, measure) for row in ROWS) <= seen[-1]


def test_a_budget_under_the_cheapest_stitch(opened):
    driver = opened(ROWS)
    driver.find_element(By.ID, "slider").send_keys(Keys.HOME)
    assert budget_in(driver) < 4_608_338_304
    assert "No stitch fits" in text(driver, "best")
    assert f"{SMALL}, needs 4,608,338,304 FLOPs" in text(driver, "best")
    assert not driver.find_elements(By.CSS_SELECTOR, "tr[aria-current], .ring:not(.legend *)")


@pytest.mark.parametrize("measure", ["flops", "params"])
def test_a_typed_budget_is_taken_exactly(opened, measure):
    driver = opened(ODD)
    choose(driver, measure)
    amount = driver.find_element(By.ID, "amount")
    for budget in sorted({getattr(row, measure) + more for row in ODD for more in (-1, 0, 1)}):
        amount.clear()
        amount.send_keys(f"{budget / 1e6:.6f}")
        expected = best(ODD, measure, budget)
        assert expected.name in text(driver, "best") if expected else "No stitch fits" in text(driver, "best")


def test_pointing_at_a_stitch_touching_it_and_going_on_by_keys(opened):
    driver = opened(ROWS)
    by_flops = sorted(ROWS, key=lambda row: row.flops)
    tip = driver.find_element(By.ID, "tip")
    assert not tip.is_displayed()

    def assert_tells(row):
        assert tip.is_displayed()
        for figure in (row.name, f"{row.flops:,}", f"{row.params:,}", f"{row.acc1:.2f} %", f"{row.acc5:.2f} %"):
            assert figure in tip.text

    for row in (ROWS[0], ROWS[1]):
        ActionChains(driver).move_to_element(
            driver.find_element(By.CSS_SELECTOR, f".point[data-id='{row.id}'] > *")
        ).perform()
        assert_tells(row)
    ActionChains(driver).move_to_element(driver.find_element(By.TAG_NAME, "h1")).perform()
    assert not tip.is_displayed()

    finger = ActionBuilder(driver, mouse=PointerInput(POINTER_TOUCH, "finger"))
    touched = driver.find_element(By.CSS_SELECTOR, ".point[data-id='1'] > *")
    finger.pointer_action.move_to(touched).pointer_down().pointer_up()
    finger.perform()
    assert_tells(ROWS[1])

    driver.execute_script("document.querySelector('#plot [tabindex=\"0\"]').focus()")
    assert_tells(ROWS[1])  # the plot is one tab stop, at the stitch touched last
    for key, place in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 1), (Keys.ARROW_UP, 2), (Keys.ARROW_LEFT, 1), (Keys.END, -1)):
        driver.switch_to.active_element.send_keys(key)
        assert_tells(by_flops[place])
        assert by_flops[place].name in driver.switch_to.active_element.get_attribute("aria-label")
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()


@pytest.mark.parametrize("logarithmic", [False, True])
def test_points_lie_where_their_numbers_say(opened, logarithmic):
    driver = opened(ROWS)
    if logarithmic:
        driver.find_element(By.ID, "log").click()
    places = driver.execute_script(
        "return [...document.querySelectorAll('.point')].map(p => [+p.dataset.id, p.transform.baseVal[0].matrix.e,"
        " p.transform.baseVal[0].matrix.f])"
    )
    assert len(places) == len(ROWS)
    where = {key: (x, y) for key, x, y in places}
    across = math.log if logarithmic else float
    for axis, value in ((0, lambda row: across(row.flops)), (1, lambda row: row.acc1)):
        low, high = value(ROWS[0]), value(ROWS[1])
        for row in ROWS:
            share = (value(row) - low) / (high - low)
            expected = where[0][axis] + share * (where[1][axis] - where[0][axis])
            assert where[row.id][axis] == pytest.approx(expected, abs=0.1)
    assert len(driver.find_elements(By.CSS_SELECTOR, ".point .star")) == 2
    assert [label.text for label in driver.find_elements(By.CLASS_NAME, "anchor-name")].count(SMALL) == 1


def test_every_column_sorts_both_ways_by_keys(opened):
    driver = opened(ROWS)
    heads = driver.find_elements(By.CSS_SELECTOR, "thead th")
    natural = [[int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row.name)] for row in ROWS]
    columns = [[row.id for row in ROWS], natural]
    columns += [[getattr(row, key) for row in ROWS] for key in ("flops", "params", "acc1", "acc5", "loss")]
    assert len(heads) == len(columns)
    for head, values in zip(heads[1:] + heads[:1], columns[1:] + columns[:1], strict=True):
        directions = []
        for _ in range(2):
            head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
            directions.append(head.get_attribute("aria-sort"))
            found = [values[key] for key in order(driver)]
            assert found == sorted(values, reverse=directions[-1] == "descending")
            assert len(driver.find_elements(By.CSS_SELECTOR, "[aria-sort]")) == 1
        assert sorted(directions) == ["ascending", "descending"]


def test_unknown_accuracies_sort_last_and_names_are_only_text(opened):
    driver = opened(ODD, summary={"test/acc1": math.nan, "test/gap": -0.5, EVIL: 1.0})
    head = driver.find_elements(By.CSS_SELECTOR, "thead button")[4]
    for _ in range(2):
        head.click()
        assert order(driver)[-1] == 2
    assert [cell.text for cell in driver.find_elements(By.CSS_SELECTOR, "tr[data-id='2'] td")][4:] == ["–"] * 3
    assert driver.find_element(By.CSS_SELECTOR, "tr[data-id='0'] .stitch").text == EVIL
    assert EVIL in driver.title
    assert [p.get_attribute("data-id") for p in driver.find_elements(By.CLASS_NAME, "point")].count("2") == 0
    summary = text_of_class(driver, "summary")
    assert "−0.50 points" in summary
    assert EVIL in summary


def test_the_front_alone_and_the_summary(opened):
    summary = summarise(ROWS, [0, 1])
    driver = opened(ROWS, summary=summary)
    driver.find_element(By.ID, "only-front").click()
    shown = {int(t.get_attribute("data-id")) for t in driver.find_elements(By.CSS_SELECTOR, "tbody tr:not([hidden])")}
    dominated = {
        row.id for row in ROWS if any(o.flops <= row.flops and o.acc1 >= row.acc1 and o is not row for o in ROWS)
    }
    assert shown == {row.id for row in ROWS} - dominated
    assert len(driver.find_elements(By.CSS_SELECTOR, "#plot .on-front, #plot [aria-label*='Pareto'] .star")) == len(
        shown
    )
    for name, value in summary.items():
        number = f"{value:+.2f}".replace("-", "−") if name == "test/gap" else f"{value:.2f}"
        assert number in text_of_class(driver, "summary"), name


@pytest.mark.parametrize("rows", [ROWS, ODD, ODD[:2], [replace(r, acc1=None, acc5=None, loss=None) for r in ROWS]])
def test_a_narrow_window_shows_everything(opened, rows):
    driver = opened(rows, width=NARROW, summary=summarise(ROWS, [0, 1]))
    driver.find_element(By.ID, "log").click()
    for part in ("html", "#table", "#chart", "#budget"):
        element = driver.find_element(By.CSS_SELECTOR, part)
        assert element.get_property("scrollWidth") <= element.get_property("clientWidth") <= NARROW, part
    assert driver.find_element(By.ID, "slider").size["width"] > 200
    assert driver.find_element(By.ID, "chart").size["width"] > 300


def test_costs_alone(opened):
    rows = [replace(row, acc1=None, acc5=None, loss=None, images=None) for row in ROWS]
    driver = opened(rows)
    heads = [head.text.split()[0] for head in driver.find_elements(By.CSS_SELECTOR, "thead th")]
    assert heads == ["id", "stitch", "MFLOPs", "Mparams"]
    budget = budget_in(driver)
    largest = max((row for row in rows if row.flops <= budget), key=lambda row: row.flops)
    assert text(driver, "best") == largest.name
    assert "top-1" not in driver.find_element(By.TAG_NAME, "body").text
    assert not driver.find_elements(By.CSS_SELECTOR, "#lines .front-line")


def test_one_small_file_that_refers_to_nothing_outside(tmp_path):
    write_html_report(stitches(150), [0, 1], tmp_path)
    (written,) = tmp_path.iterdir()
    assert written.stat().st_size < MAX_BYTES
    content = written.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w+\.\w|@import|url\(|<(script|img|iframe)[^>]*\bsrc", content)
    assert re.findall(r'<link [^>]*href="([^"]*)"', content) == ["data:,"]


HYDRA = """\
hydra:
  mode: RUN
  overrides:
    hydra: ['hydra.run.dir=runs/a b', hydra.mode=RUN]
    task: [anchors=timm, 'anchors.names=[x,y]', 'note=${{seed}}']
  job:
    name: renamed
    config_name: train
    num: {number}
"""


@pytest.mark.parametrize(
    ("number", "more"), [("???", " 'hydra.run.dir=runs/a b'"), ("3", "")], ids=["run", "job of a sweep"]
)
def test_the_command_and_the_configuration(opened, tmp_path, number, more):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "hydra.yaml").write_text(HYDRA.format(number=number))
    (tmp_path / "config.yaml").write_text(f"name: {EVIL}\nseed: 1\n")
    driver = opened(ODD)
    assert text(driver, "command") == f"python train.py anchors=timm 'anchors.names=[x,y]' 'note=${{seed}}'{more}"
    config = driver.find_element(By.ID, "config")
    assert not config.is_displayed()
    driver.find_element(By.CSS_SELECTOR, "summary").click()
    assert config.text == f"name: {EVIL}\nseed: 1"


def test_without_a_command_the_page_is_whole(opened):
    driver = opened(ODD)
    assert not driver.find_elements(By.CSS_SELECTOR, "#command, #config")
    assert "torch" in driver.find_element(By.TAG_NAME, "main").text
