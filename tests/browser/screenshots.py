"""Renew the screenshots of the web page: `python -m tests.browser.screenshots`, with
SDTUI_TEST_BROWSER as for the tests."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.support.browser import DESKTOP, PHONE, until
from tests.support.live_server import Live, live

FOLDER = Path(__file__).parents[2] / "screenshots"
PROMPTS = (
    "a penguin",
    "a red car",
    "a green tree",
    "a house",
    "an owl",
    "a yellow flower",
    "a zebra",
    "a blue fish",
    "a red apple",
    "a tiger",
)
PHONE_WIDTH = 390


def save(page: Any, name: str, width: int) -> None:
    """Write the window as a small file."""
    with Image.open(io.BytesIO(page.screenshot())) as opened:
        height = round(opened.height * width / opened.width)
        image = opened.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    image.save(FOLDER / name, quality=85, method=6)


def fill(running: Live) -> None:
    """Make pictures, and star two of them."""
    with running.client() as ask:
        for number, prompt in enumerate(PROMPTS * 2):
            body = {"prompt": prompt, "seed": 100 + number}
            ask.post("/generate", json=body).raise_for_status()
        entries = ask.get("/history").json()["entries"]
        for entry in (entries[2], entries[7]):
            ask.put(f"{entry['url']}/star").raise_for_status()


def main() -> None:
    """Make the screenshots."""
    with (
        tempfile.TemporaryDirectory() as folder,
        live(Path(folder)) as running,
        sync_playwright() as playwright,
    ):
        fill(running)
        browser = playwright.chromium.launch(
            executable_path=os.environ["SDTUI_TEST_BROWSER"], args=["--no-sandbox"]
        )
        page = browser.new_context(**DESKTOP, color_scheme="dark").new_page()
        page.goto(running.url)
        until(page, "document.querySelectorAll('.tile.skeleton').length === 0")
        page.fill("#prompt", "a tiger on a blue background")
        save(page, "page-desktop.webp", DESKTOP["viewport"]["width"])
        page = browser.new_context(**PHONE, color_scheme="light").new_page()
        page.goto(running.url)
        until(page, "document.querySelector('#server').dataset.state === 'ok'")
        page.click("#settings-toggle")
        page.fill("#num_inference_steps", "60")
        page.fill("#prompt", "a red apple")
        page.click("#make")
        until(page, "document.querySelector('#stage-bar').value > 50")
        save(page, "page-phone.webp", PHONE_WIDTH)
        browser.close()


if __name__ == "__main__":
    main()
