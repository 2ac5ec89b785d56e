"""The page of a server as its readers use it: opened in a browser, against what the server and the network say."""

import base64
import json
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread

import pytest

pytest.importorskip("selenium", reason="pages are opened by selenium, which is not installed")

from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from snnet_lightning.serve.page import page
from snnet_lightning.serve.table import ServedTable
from tests.browser import browser
from tests.serve.conftest import png

__all__ = ["browser"]

EVIL = "</script><script>alert('a')</script><b title=\"x\">&amp;"


@pytest.fixture
def opened(browser, server):
    """The server's page; in the end nothing outside was asked for, and nothing complained."""

    def open_page(width=1280):
        return browser.open(f"{server.url}/", width)

    yield open_page
    assert browser.complaints() == []
    assert_asked_only(browser, server.url)


def assert_asked_only(browser, url):
    assert {asked for asked in browser.requests() if not asked.startswith((f"{url}/", "blob:", "data:"))} == set()


def found(driver, name):
    return driver.find_element(By.ID, name)


def text(driver, name):
    return found(driver, name).text


def until(driver, condition):
    return WebDriverWait(driver, 30, 0.05).until(lambda _: condition())


def said(driver, different_from="Nothing was asked yet."):
    """What is said of the image, once that is something else."""
    until(driver, lambda: text(driver, "said") not in ("", different_from))
    return text(driver, "said")


def figures(driver):
    """By their labels, as they are at one moment."""
    return dict(
        driver.execute_script(
            "return [...document.querySelectorAll('#figures > div')].map(pair =>"
            " [...pair.children].map(part => part.textContent))"
        )
    )


def classes(driver):
    """[(name, percent, width of the bar in percent)]."""
    lines = driver.execute_script(
        "return [...document.querySelectorAll('#classes li')].map(line => [...line.children].map(part =>"
        " part.textContent || 100 * part.firstChild.offsetWidth / part.clientWidth))"
    )
    return [(name, float(percent.removesuffix(" %")), width) for name, percent, width in lines]


def type_in(driver, name, amount):
    field = found(driver, name)
    field.clear()
    field.send_keys(str(amount), Keys.TAB)


def drawing(driver):
    """The bytes of the drawing as the browser writes them."""
    return base64.b64decode(driver.execute_script("return document.getElementById('pad').toDataURL().split(',')[1]"))


def mouse_one(driver):
    pad = found(driver, "pad")
    ActionChains(driver).move_to_element_with_offset(pad, 0, -90).click_and_hold().move_by_offset(
        0, 180
    ).release().perform()


def finger_one(driver):
    finger = PointerInput(POINTER_TOUCH, "finger")
    actions = ActionBuilder(driver, mouse=finger)
    pad = found(driver, "pad")
    actions.pointer_action.move_to(pad, 0, -90).pointer_down().move_to(pad, 0, 90).pointer_up()
    actions.perform()


@pytest.mark.parametrize("draw", [mouse_one, finger_one])
def test_a_stroke_is_answered_as_the_same_image_by_itself(opened, server, draw):
    driver = opened()
    found(driver, "pad").location_once_scrolled_into_view  # noqa: B018 - fingers do not scroll to it
    driver.find_element(By.CSS_SELECTOR, "[value=flops]").click()
    draw(driver)
    assert said(driver).startswith("Most likely: ")
    stitch = int(figures(driver)["stitch"].rpartition("(")[2].rstrip(")"))
    told = server.predict(drawing(driver), stitch=stitch).json()
    assert said(driver) == f"Most likely: {told['classes'][0]['name']}"
    for (name, percent, width), expected in zip(classes(driver), told["classes"], strict=True):
        assert name == expected["name"]
        assert percent == pytest.approx(100 * expected["probability"], abs=0.051)
        assert width == pytest.approx(percent, abs=1)
    white = "const p = document.getElementById('pad').getContext('2d').getImageData(128, 128, 1, 1).data; return [...p]"
    assert driver.execute_script(white) == [255, 255, 255, 255]
    found(driver, "clear").click()
    assert driver.execute_script(white) == [0, 0, 0, 255]
    assert text(driver, "said") == ""


def test_a_file_gets_the_networks_own_class_by_the_stitch_that_the_budget_buys(opened, server, predictions, tmp_path):
    driver = opened()
    stitches = server.get("stitches").json()["stitches"]
    driver.find_element(By.CSS_SELECTOR, "[value=flops]").click()
    assert text(driver, "unit") == "MFLOPs"
    for number in (3, 11, 17):
        (tmp_path / f"{number}.png").write_bytes(png(number))
        for bought in (min(stitches, key=lambda s: s["flops"]), stitches[5], max(stitches, key=lambda s: s["flops"])):
            type_in(driver, "amount", bought["flops"] / 1e6)
            fitting = [stitch for stitch in stitches if stitch["flops"] <= bought["flops"]]
            best = max(fitting, key=lambda stitch: (stitch["acc1"], -stitch["flops"], -stitch["id"]))
            found(driver, "file").send_keys(str(tmp_path / f"{number}.png"))
            until(driver, lambda best=best: figures(driver).get("stitch") == f"{best['name']} ({best['id']})")
            assert said(driver) == f"Most likely: {predictions(number, best['id'])}"
            assert figures(driver)["why"] == "asked for"
            assert text(driver, "buys").startswith(f"{best['name']} ({best['id']}): top-1 {best['acc1']:.2f} %")
            found(driver, "clear").click()
    (tmp_path / "wide.png").write_bytes(png(3, side=600))
    found(driver, "file").send_keys(str(tmp_path / "wide.png"))
    said(driver)
    assert driver.execute_script("return document.getElementById('chosen').naturalWidth") == 600
    assert found(driver, "chosen").is_displayed()


def test_a_budget_under_the_cheapest_stitch_sends_nothing(opened, server):
    driver = opened()
    cheapest = min(server.get("stitches").json()["stitches"], key=lambda stitch: stitch["flops"])
    driver.find_element(By.CSS_SELECTOR, "[value=flops]").click()
    found(driver, "slider").send_keys(Keys.HOME)
    assert text(driver, "buys").startswith(f"No stitch fits: the cheapest, {cheapest['name']}, needs ")
    found(driver, "example").click()
    assert said(driver) == "Nothing was sent: no stitch fits."
    found(driver, "load").click()
    assert text(driver, "sent") == "Nothing was sent: no stitch fits."
    assert found(driver, "load").text == "Make load"


def test_milliseconds_are_the_servers_objective_until_another_is_chosen(opened, server):
    driver = opened()
    assert found(driver, "amount").get_property("value") == "200"
    found(driver, "example").click()
    assert said(driver).startswith("Most likely: ")
    assert figures(driver)["in all"].split(" of ")[1].startswith("200 ms")
    type_in(driver, "amount", "777.5")
    until(driver, lambda: " of 778 ms" in figures(driver)["in all"])
    found(driver, "slider").send_keys(Keys.ARROW_LEFT)
    chosen = found(driver, "amount").get_property("value")
    assert chosen == "399"
    until(driver, lambda: " of 399 ms" in figures(driver)["in all"])


def test_dropped_and_pasted_files_are_sent(opened, predictions):
    driver = opened()
    give = """
        const [data, how] = arguments;
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "digit.png", { type: "image/png" }));
        document.body.dispatchEvent(how === "drop"
          ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
          : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
    """
    driver.find_element(By.CSS_SELECTOR, "[value=flops]").click()
    for number, how in ((4, "drop"), (6, "paste")):
        found(driver, "clear").click()
        driver.execute_script(give, base64.b64encode(png(number)).decode(), how)
        assert said(driver).startswith("Most likely: ")
        stitch = int(figures(driver)["stitch"].rpartition("(")[2].rstrip(")"))
        assert said(driver) == f"Most likely: {predictions(number, stitch)}"


def test_what_is_no_image_is_told_in_the_servers_words(browser, server, tmp_path):
    driver = browser.open(f"{server.url}/")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "text.txt").write_text("no image")
    answers = [server.predict(b"no image", kind=kind) for kind in ("image/png", "text/plain")]
    for file, answer in zip(("text.png", "text.txt"), answers, strict=True):
        before = text(driver, "said")
        found(driver, "file").send_keys(str(tmp_path / file))
        assert said(driver, before) == answer.json()["error"]
        assert not classes(driver)
        assert not found(driver, "chosen").is_displayed()
    complaints = browser.complaints()  # a browser tells of every 4xx; nothing else is told
    assert ["400" in complaints[0], "415" in complaints[1], len(complaints)] == [True, True, 2]
    assert_asked_only(browser, server.url)


def answered_of(server):
    """Requests that the server has answered, by its metrics."""
    lines = server.get("metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith('snnet_requests_total{status="200"}'))


def recent(server):
    return server.get("recent").json()["seconds"]


def test_load_is_what_the_server_counts_until_it_is_stopped(opened, server):
    driver = opened()
    found(driver, "example").click()
    said(driver)
    until(driver, lambda: recent(server))
    before, started = answered_of(server), recent(server)[-1]["second"]
    type_in(driver, "rate", 25)
    found(driver, "load").click()
    until(driver, lambda: text(driver, "now").startswith("In the last second: "))
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#charts .answered"))
    until(driver, lambda: sum(s["answered"] for s in recent(server) if s["second"] > started) >= 25)
    assert found(driver, "load").text == "Stop"
    found(driver, "load").click()
    assert found(driver, "load").text == "Make load"
    sent = int(text(driver, "sent").split()[0])
    until(driver, lambda: text(driver, "sent").startswith(f"{sent} sent, {sent} answered, 0 failed"))
    assert answered_of(server) - before == sent >= 25
    time.sleep(0.5)
    assert answered_of(server) - before == sent
    assert text(driver, "sent").startswith(f"{sent} sent")


def brightness(colour):
    """Of rgba(...), from 0 to 1."""
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 765


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_shows_everything(opened, browser, scheme):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver = opened(width=320)
    found(driver, "example").click()
    said(driver)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#charts .run"))
    for part in ("html", "#square", "#budget", "#answer", "#chart"):
        element = driver.find_element(By.CSS_SELECTOR, part)
        assert element.get_property("scrollWidth") <= element.get_property("clientWidth") <= 320, part
    assert found(driver, "slider").size["width"] > 200
    body = driver.find_element(By.TAG_NAME, "body")
    ground, ink = (brightness(body.value_of_css_property(name)) for name in ("background-color", "color"))
    assert (ground < 0.2 and ink > 0.8) if scheme == "dark" else (ground > 0.8 and ink < 0.2)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_everything_is_reached_and_worked_by_keys(opened):
    driver = opened()
    reached = []
    for _ in range(9):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        reached.append(driver.switch_to.active_element.get_attribute("id"))
        if reached[-1] == "example":
            driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert reached == ["clear", "example", "file", "", "amount", "slider", "rate", "load", "still"]
    assert said(driver).startswith("Most likely: ")


class Canned:
    """A server of the page that says what a test tells it to."""

    def __init__(self, html):
        self.said = {"/": (200, html), "/recent": (200, json.dumps({"now": 100, "waiting": 0, "seconds": []}))}

    @contextmanager
    def running(self):
        canned = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, body = canned.said[self.path.partition("?")[0]]
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8" if self.path == "/" else "application/json")
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET  # noqa: N815 - its name is given

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", server
        finally:
            server.shutdown()
            server.server_close()


@pytest.fixture
def table(network_folder):
    return ServedTable.of(network_folder, "folder")


def test_names_are_only_text_and_gigaflops_are_told_as_such(browser, table):
    rows = [replace(row, name=f"{EVIL} {row.id}", flops=row.flops * 10**4) for row in table.rows]
    canned = Canned(page(replace(table, rows=rows), 40))
    canned.said["/predict"] = 200, json.dumps({
        "classes": [{"name": EVIL, "probability": 0.75}], "why": EVIL, "ms": 3.0, "batch": 2, "waiting": 0,
        "stitch": {"id": 1, "name": EVIL, "acc1": 90.0, "flops": 2 * 10**9, "params": 5},
        "waited_ms": 1.0, "total_ms": 44.0, "max_latency_ms": 40.0,
    })  # fmt: skip
    with canned.running() as (url, _):
        driver = browser.open(f"{url}/")
        found(driver, "example").click()
        assert said(driver) == f"Most likely: {EVIL}"
        assert classes(driver)[0][:2] == (EVIL, 75.0)
        told = figures(driver)
        assert (told["stitch"], told["why"], told["FLOPs"]) == (f"{EVIL} (1)", EVIL, "2 GFLOPs")
        assert told["in all"] == "44 ms of 40 ms, late"
        driver.find_element(By.CSS_SELECTOR, "[value=flops]").click()
        assert text(driver, "unit") == "GFLOPs"
        assert EVIL in text(driver, "buys")
        assert not driver.find_elements(By.CSS_SELECTOR, "main b")
        assert browser.complaints() == []


def test_a_failed_network_and_a_server_that_is_gone_are_told(browser, table):
    canned = Canned(page(table, 40))
    canned.said["/predict"] = 500, json.dumps({"error": "the network failed on this image"})
    with canned.running() as (url, _):
        driver = browser.open(f"{url}/")
        found(driver, "example").click()
        assert said(driver) == "the network failed on this image"
    found(driver, "example").click()
    assert said(driver, "the network failed on this image") == "the server does not answer"
    until(driver, lambda: text(driver, "now") == "The server does not answer.")


def test_the_charts_show_the_seconds_where_they_belong_and_gaps_between(browser, table):
    answered = {50: 4, 51: 2, 60: 8}
    seconds = [
        {"second": second, "answered": count, "refused": 0, "p50_ms": 4.0, "p99_ms": 400.0, "in_time": 0.5,
         "accuracy": 95.0, "stitches": {"2": 1, "30": count - 1}}
        for second, count in answered.items()
    ] + [{"second": 99, "answered": 0, "refused": 4}]  # fmt: skip
    canned = Canned(page(table, 40))
    canned.said["/recent"] = 200, json.dumps({"now": 100, "waiting": 7, "seconds": seconds})
    with canned.running() as (url, _):
        driver = browser.open(f"{url}/")
        until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, "#charts .answered")) == 3)
        found(driver, "still").click()
        assert text(driver, "now") == "In the last second: 0 answered, 4 refused, 7 waiting."
        boxes = "return [...document.querySelectorAll(arguments[0])].map(mark => { const box = mark.getBBox();"
        boxes += " return [box.x, box.y, box.x + box.width, box.y + box.height] })"
        bars = driver.execute_script(boxes, "#charts .answered")
        (refused,) = driver.execute_script(boxes, "#charts .refused")
        (second,) = {round(b[0] - a[0], 1) for a, b in pairwise(bars[:2])}
        assert bars[2][0] - bars[0][0] == pytest.approx(10 * second, abs=1)
        assert refused[0] - bars[0][0] == pytest.approx(49 * second, abs=3)
        heights = [bottom - top for _, top, _, bottom in bars]
        assert [height / heights[1] for height in heights] == pytest.approx([2, 1, 4], abs=0.01)
        assert refused[3] - refused[1] == pytest.approx(heights[0], abs=0.01)
        runs = driver.find_elements(By.CSS_SELECTOR, "#charts .run")
        assert [run.get_attribute("d").count("M") for run in runs] == [2, 2, 2]  # 50 and 51 are one, 60 another
        lines = driver.execute_script(boxes, "#charts .run")
        assert {round(box[0] - bars[0][0]) for box in lines} == {round(lines[0][0] - bars[0][0])}  # one axis of time
        (objective,) = driver.execute_script(boxes, "#charts .objective")
        p50, p99, _ = lines
        assert p50[1] - objective[1] == pytest.approx(objective[1] - p99[1], abs=0.1)  # a tenth and ten times of it
        assert browser.complaints() == []
