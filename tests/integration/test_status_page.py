# SPDX-License-Identifier: Apache-2.0
"""The status page in headless Chromium while a call is up: 1280 and 390 pixels, light and dark, nothing wider than the window."""
import os
import time

import pytest

from harness import netns, ua
from lab_fixtures import set_up

webdriver = pytest.importorskip("selenium.webdriver", reason="needs python3-selenium, and Chromium with its driver")

DRIVER_PORT = 9516
URL = "http://127.0.0.1:9465/"


@pytest.fixture
def browser(lab, tmp_path):
    """browser(width, dark): a driver in Sallyport's own namespace; every use goes through `inside`."""
    service = netns.popen(netns.SBC, ["chromedriver", f"--port={DRIVER_PORT}", f"--log-path={tmp_path / 'driver.log'}"])
    made = []

    def inside(function, *args):
        return netns.inside(netns.SBC, function, *args)

    def make(width, dark):
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--user-data-dir={tmp_path / str(len(made))}",
                         *(["--force-dark-mode"] if dark else [])):
            options.add_argument(argument)
        driver = inside(lambda: webdriver.Remote(f"http://127.0.0.1:{DRIVER_PORT}", options=options))
        made.append(driver)
        # The window of a desktop browser has a least width: a phone's is asked for as one.
        inside(_cdp(driver), "Emulation.setDeviceMetricsOverride",
               {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
        inside(_cdp(driver), "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        return driver, inside

    for _ in range(100):
        try:
            netns.tcp_connect(netns.SBC, "127.0.0.1", DRIVER_PORT).close()
            break
        except OSError:
            time.sleep(0.1)
    yield make
    for driver in made:
        inside(driver.quit)
    netns.stop_process(service)


def _cdp(driver):
    driver.command_executor._commands["sendCdp"] = ("POST", f"/session/{driver.session_id}/goog/cdp/execute")
    return lambda command, parameters: driver.execute("sendCdp", {"cmd": command, "params": parameters})["value"]


def text_of(driver, ident):
    return driver.execute_script(f"return document.getElementById('{ident}').innerText")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("width,dark", [(1280, False), (1280, True), (390, False), (390, True)])
def test_shows_what_is_going_on(door, ends, number, browser, tmp_path, width, dark):
    door()
    caller, callee = ends.pub(), ends.carrier()
    failed = caller.invite("+44" + number[::-1].strip("+"))
    callee.reply(callee.expect("INVITE"), 486, "Busy Here")
    failed.refused()
    callee.expect("ACK")
    near, far, _, _ = set_up(caller, callee, number)
    driver, inside = browser(width, dark)
    inside(driver.get, URL)
    deadline = time.monotonic() + 20
    while inside(text_of, driver, "state") != "live" or inside(text_of, driver, "cps") == "-":
        assert time.monotonic() < deadline, inside(text_of, driver, "state")
        time.sleep(0.3)
    assert inside(text_of, driver, "calls") == "1" and number in inside(text_of, driver, "rows")
    assert "carrier-a" in inside(text_of, driver, "peers") and "core" in inside(text_of, driver, "ports")
    inside(driver.execute_script, "document.querySelector('#failures button').click()")  # the latest failure
    while "486" not in inside(text_of, driver, "ladder"):
        assert time.monotonic() < deadline, inside(text_of, driver, "ladder")
        time.sleep(0.3)
    drawn = inside(text_of, driver, "ladder")
    assert "INVITE (1)" in drawn and "486 Busy Here" in drawn and "ACK" in drawn and netns.CARRIER_A in drawn, drawn
    wide = inside(driver.execute_script, "return [document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1] == width, "nothing is wider than the window"  # less by the bar of a long page
    back = inside(driver.execute_script, "return getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(20, 23, 27)") == dark, back
    faults = [line for line in inside(driver.get_log, "browser") if line["level"] == "SEVERE"]
    assert not faults, faults
    keep = os.environ.get("STATUS_PICTURES")
    if keep:
        inside(driver.save_screenshot, os.path.join(keep, f"status-{width}-{'dark' if dark else 'light'}.png"))
    near.send("BYE")
    far.hear_bye()


@pytest.mark.timeout(120)
def test_says_that_the_process_drains(door, ends, number, browser):
    door()
    caller, callee = ends.pub(), ends.carrier()
    near, far, *_ = set_up(caller, callee, number)
    driver, inside = browser(390, False)
    inside(driver.get, URL)
    deadline = time.monotonic() + 20
    while inside(text_of, driver, "state") != "live":
        assert time.monotonic() < deadline, inside(text_of, driver, "state")
        time.sleep(0.3)
    assert inside(text_of, driver, "phase") == "", "nothing is said of a process that takes calls"
    done = netns.run(netns.SBC, [netns.BINARY, "drain", "--socket", netns.STATE / "admin.sock"])
    assert done.returncode == 0, done
    while "Draining" not in inside(text_of, driver, "phase"):
        assert time.monotonic() < deadline, inside(text_of, driver, "phase")
        time.sleep(0.3)
    assert inside(driver.execute_script, "return getComputedStyle(document.getElementById('phase')).display") == "block"
    wide = inside(driver.execute_script, "return [document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1] == 390
    near.send("BYE")
    far.hear_bye()
    door.stop()  # it ends with its last call
