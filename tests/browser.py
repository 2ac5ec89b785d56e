"""A real browser, for pages that are to work in one."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

DEBIAN = {"chromium": "chromium", "chromedriver": "chromium-driver"}  # a program and the package that has it


class Browser:
    """Headless Chromium. ``driver`` is Selenium's."""

    def __init__(self, driver: webdriver.Chrome):
        self.driver = driver

    def open(self, page: Path | str, width: int = 1280, height: int = 900) -> webdriver.Chrome:
        """Open a file or an address in a window of this size, in pixels; forgets what earlier pages logged."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(page if isinstance(page, str) else page.as_uri())
        return self.driver

    def complaints(self) -> list[str]:
        """What the console has: errors of scripts, refused requests."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every address that the page asked for."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    programs = {name: shutil.which(name) for name in DEBIAN}
    if None in programs.values():
        pytest.fail(f"no Chromium with chromedriver here: apt install {' '.join(DEBIAN.values())}", pytrace=False)
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for word in (
        *("headless=new", "disable-gpu", "disable-quic", "no-first-run", "disable-sync", "disable-dev-shm-usage"),
        *("disable-background-networking", "disable-component-update", "window-size=1280,900"),
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
        *(["no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses its sandbox to root
    ):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Given the path, Selenium does not look for a driver to download.
    driver = webdriver.Chrome(options=options, service=Service(executable_path=programs["chromedriver"]))
    yield Browser(driver)
    driver.quit()
