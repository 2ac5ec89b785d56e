"""The page as its readers use it: opened in a browser from a file, against numbers worked out here."""

import math
import random
import re
from dataclasses import replace
from decimal import Decimal

import pytest

pytest.importorskip("selenium", reason="pages are opened by selenium, which is not installed")

from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from snnet_lightning.evaluation.html_report import NAME, write_html_report
from snnet_lightning.evaluation.results import Row
from snnet_lightning.evaluation.summary import summarise
from tests.browser import browser

__all__ = ["browser"]

WIDE, NARROW, NARROWEST = 1280, 360, 320
SMALL, LARGE = "deit3_small_patch16_224.fb_in22k_ft_in1k", "deit3_large_patch16_224.fb_in22k_ft_in1k"
EVIL = "</script><script>alert('a')</script><b title=\"x\">&amp;"


def stitches(count=50):
    """As of DeiT3-S/L, with names as long, and a cost by which the cheapest is not the smallest."""
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
UNITS = {
    "flops": ("MFLOPs", 10**6),
    "params": ("Mparams", 10**6),
    "latency_ms": ("ms", 1),
    "memory": ("MB", 10**6),
}


def timed(rows, latencies):
    """With memory too, of the first odd row 249 bytes, which 0.000249 times a million falls short of."""
    return [
        replace(row, latency_ms=ms, memory=199 + 5 * row.params + 7 * (row.id % 3))
        for row, ms in zip(rows, latencies, strict=True)
    ]


def unrelated_latencies(rows):
    """From 5 to 180 ms, in another order than the FLOPs."""
    generator = random.Random(1)
    return [5 + generator.uniform(1, 3) * row.flops / 1e9 for row in rows]


TIMED = timed(ROWS, unrelated_latencies(ROWS))
TIMED_ODD = timed(ODD, [0.35, 12.3, 0.002, 0.57, 0.57])
CROSSED = timed(  # which row is on the front depends on the cost
    [Row(i, "abcd"[i], 10**7 * (i + 1), 10**6, acc1, 90.0, 1.0, 9) for i, acc1 in enumerate([70.0, 80.0, 75.0, 90.0])],
    [3.0, 2.0, 1.0, 40.0],
)


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


def budget_in(driver, measure="flops"):
    """The chosen budget, as the number field shows it, in FLOPs, parameters, milliseconds or bytes."""
    return float(Decimal(driver.find_element(By.ID, "amount").get_property("value")) * UNITS[measure][1])


def choose(driver, measure, name="measure"):
    driver.find_element(By.CSS_SELECTOR, f"[name={name}][value={measure}]").click()


def choices(driver, name):
    return [radio.get_attribute("value") for radio in driver.find_elements(By.NAME, name)]


def order(driver):
    return driver.execute_script("return [...document.querySelector('tbody').rows].map(line => +line.dataset.id)")


def places(driver):
    """Where the points are, by id."""
    found = driver.execute_script(
        "return [...document.querySelectorAll('.point')].map(p => [+p.dataset.id, p.transform.baseVal[0].matrix.e,"
        " p.transform.baseVal[0].matrix.f])"
    )
    return {key: (x, y) for key, x, y in found}


def text_of_class(driver, name):
    return driver.find_element(By.CLASS_NAME, name).text


def figures(row):
    """What the page tells of a stitch beside its name."""
    found = [f"{row.flops:,}", f"{row.params:,}", f"{row.acc1:.2f} %", f"{row.acc5:.2f} %"]
    if row.memory is not None:
        found.append(f"{row.memory / 1e6:,.2f} MB ({row.memory:,})")
    if row.latency_ms is not None:
        found.append(f"{row.latency_ms:.{1 if row.latency_ms >= 10 else 2}f} ms")
    return found


def assert_names(driver, row, measure):
    """The panel, the plot and the table agree on this stitch."""
    assert text(driver, "best") == row.name
    panel = text(driver, "figures")
    for figure in figures(row):
        assert figure in panel
    assert text(driver, "select") == f"net.select({row.id})"
    assert text(driver, "unit") == UNITS[measure][0]
    (marked,) = driver.find_elements(By.CSS_SELECTOR, "tr[aria-current]")
    assert marked.get_attribute("data-id") == str(row.id)
    assert "best" in marked.text
    point = driver.find_element(By.CSS_SELECTOR, f".point[data-id='{row.id}'] > *").rect
    ring = driver.find_element(By.CSS_SELECTOR, "#marks .ring").rect
    for start, size in (("x", "width"), ("y", "height")):
        assert point[start] + point[size] / 2 == pytest.approx(ring[start] + ring[size] / 2, abs=2)


@pytest.mark.parametrize(
    ("rows", "measure"),
    [
        (ROWS, "flops"),
        (ROWS, "params"),
        pytest.param(TIMED, "flops", marks=pytest.mark.slow),
        (TIMED, "latency_ms"),
        (TIMED, "memory"),
    ],
    ids=["flops", "params", "flops of timed", "latency", "memory"],
)
def test_the_slider_names_the_best_stitch(opened, rows, measure):
    driver = opened(rows)
    choose(driver, measure)
    slider = driver.find_element(By.ID, "slider")
    slider.send_keys(Keys.HOME)
    seen = []
    for keys in [[Keys.ARROW_RIGHT], *[[Keys.PAGE_UP]] * 5, [Keys.ARROW_LEFT] * 3, [Keys.END]]:
        slider.send_keys(*keys)
        budget = budget_in(driver, measure)
        assert_names(driver, best(rows, measure, budget), measure)
        fitting = sum(getattr(row, measure) <= budget for row in rows)
        assert text(driver, "fitting").startswith(f"{fitting} of {len(rows)} ")
        over = driver.find_elements(By.CSS_SELECTOR, ".point .over")
        assert len(over) == len(rows) - fitting
        seen.append(budget)
    assert seen[0] < seen[1] < seen[5]
    assert max(getattr(row, measure) for row in rows) <= seen[-1]


def test_a_budget_under_the_cheapest_stitch(opened):
    driver = opened(ROWS)
    driver.find_element(By.ID, "slider").send_keys(Keys.HOME)
    assert budget_in(driver) < 4_608_338_304
    assert "No stitch fits" in text(driver, "best")
    assert f"{SMALL}, needs 4,608,338,304 FLOPs" in text(driver, "best")
    assert not driver.find_elements(By.CSS_SELECTOR, "tr[aria-current], .ring:not(.legend *)")


def test_a_budget_under_the_fastest_and_the_smallest_stitch(opened):
    driver = opened(TIMED)
    fastest, smallest = (min(TIMED, key=lambda row: getattr(row, key)) for key in ("latency_ms", "memory"))
    for measure, row, unit in (("latency_ms", fastest, "ms"), ("memory", smallest, "bytes")):
        choose(driver, measure)
        driver.find_element(By.ID, "slider").send_keys(Keys.HOME)
        said = text(driver, "best")
        assert f"the cheapest, {row.name}, needs " in said
        needed = re.search(rf"needs (\S+) {unit}", said)[1].replace(",", "")
        amount = driver.find_element(By.ID, "amount")
        amount.clear()
        amount.send_keys(str(Decimal(needed) / UNITS[measure][1]))
        assert text(driver, "best") == row.name
        assert float(needed) == pytest.approx(getattr(row, measure), abs=0.001)


@pytest.mark.parametrize("measure", UNITS)
def test_a_typed_budget_is_taken_exactly(opened, measure):
    driver = opened(TIMED_ODD)
    choose(driver, measure)
    amount = driver.find_element(By.ID, "amount")
    per = UNITS[measure][1]
    little = 0.001 if per == 1 else 1
    for budget in sorted({getattr(row, measure) + more for row in TIMED_ODD for more in (-little, 0, little)}):
        amount.clear()
        amount.send_keys(f"{budget / per:.6f}")
        expected = best(TIMED_ODD, measure, budget)
        named = text(driver, "best")
        assert named == expected.name if expected else "No stitch fits" in named


@pytest.mark.parametrize(("rows", "axis"), [(ROWS, "flops"), (TIMED, "flops"), (TIMED, "latency_ms")])
def test_pointing_at_a_stitch_touching_it_and_going_on_by_keys(opened, rows, axis):
    driver = opened(rows)
    if axis != "flops":
        choose(driver, axis, "axis")
    in_order = sorted(rows, key=lambda row: getattr(row, axis))
    tip = driver.find_element(By.ID, "tip")
    assert not tip.is_displayed()

    def assert_tells(row):
        assert tip.is_displayed()
        for figure in (row.name, *figures(row)):
            assert figure in tip.text

    for row in (rows[0], rows[1]):
        ActionChains(driver, duration=0).move_to_element(
            driver.find_element(By.CSS_SELECTOR, f".point[data-id='{row.id}'] > *")
        ).perform()
        assert_tells(row)
    ActionChains(driver, duration=0).move_to_element(driver.find_element(By.TAG_NAME, "h1")).perform()
    assert not tip.is_displayed()

    finger = ActionBuilder(driver, mouse=PointerInput(POINTER_TOUCH, "finger"))
    touched = driver.find_element(By.CSS_SELECTOR, ".point[data-id='1'] > *")
    finger.pointer_action.move_to(touched).pointer_down().pointer_up()
    finger.perform()
    assert_tells(rows[1])

    driver.execute_script("document.querySelector('#plot [tabindex=\"0\"]').focus()")
    assert_tells(rows[1])  # the plot is one tab stop, at the stitch touched last
    for key, place in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 1), (Keys.ARROW_UP, 2), (Keys.ARROW_LEFT, 1), (Keys.END, -1)):
        driver.switch_to.active_element.send_keys(key)
        assert_tells(in_order[place])
        assert in_order[place].name in driver.switch_to.active_element.get_attribute("aria-label")
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()


@pytest.mark.parametrize("axis", ["flops", "latency_ms"])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_points_lie_where_their_numbers_say(opened, logarithmic, axis):
    driver = opened(TIMED)
    choose(driver, axis, "axis")
    if logarithmic:
        driver.find_element(By.ID, "log").click()
    where = places(driver)
    assert len(where) == len(TIMED)
    across = math.log if logarithmic else float
    for side, value in ((0, lambda row: across(getattr(row, axis))), (1, lambda row: row.acc1)):
        low, high = value(TIMED[0]), value(TIMED[1])
        for row in TIMED:
            share = (value(row) - low) / (high - low)
            expected = where[0][side] + share * (where[1][side] - where[0][side])
            assert where[row.id][side] == pytest.approx(expected, abs=0.1)
    assert len(driver.find_elements(By.CSS_SELECTOR, ".point .star")) == 2
    assert [label.text for label in driver.find_elements(By.CLASS_NAME, "anchor-name")].count(SMALL) == 1


@pytest.mark.parametrize("rows", [ROWS, TIMED], ids=["not timed", "timed"])
def test_every_column_sorts_both_ways_by_keys(opened, rows):
    driver = opened(rows)
    heads = driver.find_elements(By.CSS_SELECTOR, "thead th")
    natural = [[int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row.name)] for row in rows]
    columns = [[row.id for row in rows], natural]
    keys = ("flops", "params", *(["latency_ms"] if rows is TIMED else []), "acc1", "acc5", "loss")
    columns += [[getattr(row, key) for row in rows] for key in keys]
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


def front_shown(driver):
    """The ids on the plot's line, of points that say so, of lines that say so, and of lines that the filter keeps."""
    where = {(round(x, 1), round(y, 1)): key for key, (x, y) in places(driver).items()}
    line = driver.find_element(By.CSS_SELECTOR, "#lines .front-line").get_attribute("d")
    (start, *steps) = re.findall(r"[MH]([\d.]+)[ V]([\d.]+)", line)
    drawn = [where[round(float(x), 1), round(float(y), 1)] for x, y in (start, *steps)]
    points = driver.find_elements(By.CSS_SELECTOR, ".point[aria-label*='on the Pareto front']")
    only_front = driver.find_element(By.ID, "only-front")
    kept = driver.find_elements(By.CSS_SELECTOR, "tbody tr:not([hidden])")
    only_front.click()
    badges = [row for row in driver.find_elements(By.CSS_SELECTOR, "tbody tr") if "front" in row.text.split()]
    only_front.click()
    return drawn, *({int(element.get_attribute("data-id")) for element in found} for found in (points, badges, kept))


def test_the_axis_and_its_front_can_be_chosen(opened):
    driver = opened(CROSSED, anchors=(0, 3))
    assert choices(driver, "axis") == ["flops", "latency_ms"]
    driver.find_element(By.ID, "only-front").click()
    by_flops, by_latency = ([0, 1, 3], {0, 1, 3}), ([2, 1, 3], {1, 2, 3})
    for axis, name, title, (order, front) in (
        (None, "FLOPs", "MFLOPs", by_flops),
        ("latency_ms", "ms", "ms", by_latency),
        ("flops", "FLOPs", "MFLOPs", by_flops),
    ):
        if axis:
            choose(driver, axis, "axis")
        assert front_shown(driver) == (order, front, front, front)
        assert text(driver, "plot-title") == f"{name} against top-1 accuracy"
        assert title in [element.text for element in driver.find_elements(By.CLASS_NAME, "axis-title")]
        on_front = driver.find_elements(By.CSS_SELECTOR, ".point .on-front")
        assert len(on_front) == len(front - {0, 3})  # anchors have stars


def test_the_budget_is_a_line_in_the_plot_of_its_own_axis(opened):
    driver = opened(CROSSED)
    for measure in ("flops", "latency_ms", "memory"):
        choose(driver, measure)
        for axis in ("flops", "latency_ms"):
            choose(driver, axis, "axis")
            lines = driver.find_elements(By.CSS_SELECTOR, "#lines .budget-line")
            assert len(lines) == (axis == measure)
            if lines:
                across = float(re.match(r"M([\d.]+)", lines[0].get_attribute("d"))[1])
                over = {
                    int(e.get_attribute("data-id")) for e in driver.find_elements(By.CSS_SELECTOR, ".point:has(.over)")
                }
                assert over == {key for key, (x, _) in places(driver).items() if x > across}
                assert over


@pytest.mark.parametrize(
    ("changes", "measures"),
    [({}, ["flops", "params", "memory"]), ({"memory": None}, ["flops", "params"])],
    ids=["memory", "nothing more"],
)
def test_without_latencies_there_is_nothing_of_them(opened, changes, measures):
    driver = opened([replace(row, latency_ms=None, **changes) for row in TIMED])
    assert choices(driver, "measure") == measures
    assert choices(driver, "axis") == []
    assert not re.search(r"\bms\b|latency", driver.find_element(By.TAG_NAME, "body").text)


def without_accuracies(rows):
    return [replace(row, acc1=None, acc5=None, loss=None, images=None) for row in rows]


def assert_cells_are_under_their_heads(driver):
    """In a narrow window a table's line takes several, and its heads do likewise."""
    elements = [driver.find_elements(By.CSS_SELECTOR, line) for line in ("thead th", "tbody tr:first-child td")]
    heads, cells = ([element.rect for element in line] for line in elements)
    assert len(heads) == len(cells)
    numbers = [cell for head, cell in zip(heads, cells, strict=True) if head["y"] > heads[0]["y"]]
    assert min(number["x"] for number in numbers) > cells[0]["x"]  # nothing but the id is in its column
    for head, cell in zip(heads, cells, strict=True):
        assert (cell["x"], cell["width"]) == pytest.approx((head["x"], head["width"]), abs=1)
    assert len({(cell["x"], cell["y"]) for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("rows", "width"),
    [
        *((rows, NARROW) for rows in (ROWS, ODD, ODD[:2], without_accuracies(ROWS))),
        *((rows, NARROWEST) for rows in (TIMED, CROSSED, without_accuracies(TIMED))),
    ],
)
def test_a_narrow_window_shows_everything(opened, rows, width):
    driver = opened(rows, width=width, summary=summarise(ROWS, [0, 1]))
    driver.find_element(By.ID, "log").click()
    for part in ("html", "#table", "#chart", "#budget"):
        element = driver.find_element(By.CSS_SELECTOR, part)
        assert element.get_property("scrollWidth") <= element.get_property("clientWidth") <= width, part
    assert driver.find_element(By.ID, "slider").size["width"] > 200
    assert driver.find_element(By.ID, "chart").size["width"] > width - 60
    assert_cells_are_under_their_heads(driver)


def test_costs_alone_with_latencies(opened):
    rows = without_accuracies(TIMED)
    driver = opened(rows)
    choose(driver, "latency_ms", "axis")
    choose(driver, "latency_ms")
    budget = budget_in(driver, "latency_ms")
    slowest = max((row for row in rows if row.latency_ms <= budget), key=lambda row: row.latency_ms)
    assert text(driver, "best") == slowest.name
    assert text(driver, "plot-title") == "ms against parameters"
    across = {key: x for key, (x, _) in places(driver).items()}
    assert sorted(across, key=across.get) == [row.id for row in sorted(rows, key=lambda row: row.latency_ms)]
    assert not driver.find_elements(By.CSS_SELECTOR, "#lines .front-line")


def test_costs_alone(opened):
    rows = without_accuracies(ROWS)
    driver = opened(rows)
    heads = [head.text.split()[0] for head in driver.find_elements(By.CSS_SELECTOR, "thead th")]
    assert heads == ["id", "stitch", "MFLOPs", "Mparams"]
    budget = budget_in(driver)
    largest = max((row for row in rows if row.flops <= budget), key=lambda row: row.flops)
    assert text(driver, "best") == largest.name
    assert "top-1" not in driver.find_element(By.TAG_NAME, "body").text
    assert not driver.find_elements(By.CSS_SELECTOR, "#lines .front-line")


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
