"""The page of `paint` in a headless Chromium: driven by the tests, timed by the bench, pictured for the README."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

import faceinpaint

PATIENCE = 60  # seconds for the page to answer
OFF = ("gpu", "quic", "background-networking", "component-update", "sync")
# When the page has drawn a restored part, in milliseconds since the pointer was let go, into `window.restored`.
WATCH = """
window.restored = [];
let released = 0;
const draw = CanvasRenderingContext2D.prototype.drawImage, shown = document.querySelectorAll("canvas")[1];
addEventListener("lostpointercapture", () => (released = performance.now()), true);
CanvasRenderingContext2D.prototype.drawImage = function (image, ...place) {
  draw.call(this, image, ...place);
  if (this.canvas !== shown || !(image instanceof ImageBitmap)) return;
  requestAnimationFrame(() => setTimeout(() => restored.push(performance.now() - released)));
};
"""


def installed() -> bool:
    """Whether there is a browser to drive, on Debian by `apt-get install chromium chromium-driver`."""
    return all(map(shutil.which, ("chromium", "chromedriver")))


@contextmanager
def painting(photo: Path, *options):
    """The command `paint` at work on `photo`: gives its process and the address of its page."""
    package = str(Path(faceinpaint.__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-m", "faceinpaint", "paint", str(photo), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment | {"PYTHONPATH": package}, **pipes) as process:
        try:
            lines = (re.search(r"http://\S+", line) for line in process.stdout)
            found = next(filter(None, lines), None)
            if not found:
                raise RuntimeError(process.stderr.read())
            yield process, found[0]
        finally:
            process.kill()


@contextmanager
def browser(address: str, width=1280, height=800, phone=False):
    """A Chromium that shows `address` in a window, or on a phone's screen, of that many CSS pixels."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as profile:
        for flag in ("headless", "no-sandbox", "no-first-run", *(f"disable-{name}" for name in OFF)):
            options.add_argument(f"--{flag}")
        options.add_argument(f"--user-data-dir={profile}")
        options.add_argument(f"--window-size={width},{height}")
        if phone:
            screen = {"width": width, "height": height, "pixelRatio": 2, "touch": True}
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": screen})
        driver = Chrome(options, Service(shutil.which("chromedriver")))
        try:
            driver.get(address)
            until(lambda: driver.execute_script("return document.querySelector('.sheet img')?.naturalWidth > 0"))
            driver.execute_script(WATCH)
            yield driver
        finally:
            driver.quit()


def until(condition):
    """Waits until `condition()` gives something, and gives it."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError("the page does not answer")
        time.sleep(0.05)
    return found


class Hand:
    """Points at places of the photo, of `size` (width, height), that a page shows."""

    def __init__(self, driver, size):
        self.driver, self.size = driver, size

    def place(self, x, y, panel=0) -> tuple[int, int]:
        """The photo's (x, y) in CSS pixels of the window."""
        script = "return document.querySelectorAll('.sheet')[arguments[0]].getBoundingClientRect().toJSON()"
        sheet = self.driver.execute_script(script, panel)
        across, down = (np.array([x, y]) + 0.5) / self.size
        return round(sheet["left"] + across * sheet["width"]), round(sheet["top"] + down * sheet["height"])

    def stroke(self, *points, button=0, kind="mouse", panel=0):
        """Presses a `button` of a pointer of that `kind` at the first of `points` and lets it go at the last."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        actions = ActionBuilder(self.driver, mouse=PointerInput(kind, kind), duration=20)
        for number, point in enumerate(points):
            actions.pointer_action.move_to_location(*self.place(*point, panel))
            if number == 0:
                actions.pointer_action.pointer_down(button)
        actions.pointer_action.pointer_up(button)
        actions.perform()

    def restored(self) -> list[float]:
        """Milliseconds from the last pointer let go to each restored part drawn since the last call."""
        return until(lambda: self.driver.execute_script("return restored.splice(0)"))


def stroke_milliseconds(photo: Path, eyes, strokes) -> list[float]:
    """From the end of each of `strokes`, points of the `photo`, to the restored face on the page."""
    size = cv2.imread(str(photo)).shape[1::-1]
    named = ",".join(map(str, np.ravel(eyes)))
    with painting(photo, "--eyes", named) as (_, address), browser(address) as driver:
        hand, found = Hand(driver, size), []
        for points in strokes:
            driver.execute_script("restored.splice(0)")
            hand.stroke(*points)
            found.append(hand.restored()[0])
            time.sleep(1)  # until all of it is refined
        return found


def screenshot(path):
    """Writes the README's picture of the page: a portrait in the public domain with scratches, half painted over."""
    from skimage.data import astronaut

    photo = cv2.resize(astronaut()[10:250, 90:370], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    scratches = [[(255, 215), (300, 300), (380, 265)], [(480, 150), (530, 480)]]
    for scratch in scratches:
        cv2.polylines(photo, [np.array(scratch)], False, (235, 228, 215), 12, cv2.LINE_AA)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "portrait.png"
        cv2.imwrite(str(file), photo[..., ::-1])
        with painting(file, "--eyes", "340,274,466,277") as (_, address), browser(address, 1080, 760) as driver:
            hand = Hand(driver, photo.shape[1::-1])
            for scratch in scratches:
                hand.stroke(*scratch)
                hand.restored()
            time.sleep(2)
            driver.save_screenshot(str(path))
