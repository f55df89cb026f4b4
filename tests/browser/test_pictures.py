"""Making pictures with the page, looking at them, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from tests.support.browser import Open, until
from tests.support.live_server import QUICK, Live

_IS_DRAWN = """() => {
    const canvas = document.querySelector("#stage-preview.is-shown");
    return canvas && canvas.getContext("2d").getImageData(0, 0, 1, 1).data[3] === 255;
}"""
_SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const { value, hadRecentInput, sources } of list.getEntries()) {
            const isNewTile = sources.every(({ node }) => node?.closest?.("#gallery"));
            if (!hadRecentInput && !isNewTile) window.shifted += value;
        }
    }).observe({ type: "layout-shift", buffered: true });
"""


def make(running: Live, *prompts: str) -> None:
    """Make pictures by the API."""
    with running.client() as ask:
        for prompt in prompts:
            assert ask.post("/generate", json={**QUICK, "prompt": prompt}).status_code == 200


def newest(ask: httpx.Client) -> dict[str, Any]:
    """The newest picture of the history."""
    entry: dict[str, Any] = ask.get("/history").json()["entries"][0]
    return entry


def swipe(page: Any, places: Iterable[int]) -> None:
    """Move a finger over these places from left to right or right to left."""
    session = page.context.new_cdp_session(page)
    for number, x in enumerate(places):
        kind = "touchMove" if number else "touchStart"
        session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": 400}]}
        )
        page.wait_for_timeout(16)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_picture_is_made_seen_while_it_forms_and_starred(
    size: str, pocket: Live, open_page: Open
) -> None:
    make(pocket, "before")
    page = open_page(pocket.url, size)
    page.wait_for_selector("#stage[data-state=picture]")
    page.evaluate(_SHIFTS)
    page.fill("#prompt", f"a tiger, {size}")
    if size == "phone":
        page.click("#settings-toggle")
    page.fill("#num_inference_steps", "60")
    page.click("#make")
    page.wait_for_selector("#stage[data-state=running]")
    until(page, _IS_DRAWN)
    until(page, "document.querySelector('#stage-bar').value > 10")
    assert " % sdtui" in page.title()
    page.wait_for_selector("#stage[data-state=picture]")
    page.wait_for_selector(f"#gallery li:first-child button[aria-label='a tiger, {size}']")
    page.click("#stage-star")
    page.wait_for_selector("#stage-star[aria-pressed=true]")
    with pocket.client() as ask:
        assert newest(ask)["starred"]
        assert newest(ask)["steps"] == 60
    assert page.evaluate("window.shifted") < 0.02


def test_pictures_are_stepped_through_by_keys_and_the_focus_comes_back(
    pocket: Live, open_page: Open
) -> None:
    make(pocket, "one", "two", "three")
    page = open_page(pocket.url)
    page.focus("#gallery button[aria-label=three]")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.ariaLabel") == "two"
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    assert page.inner_text("#viewer-prompt") == "two"
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('#viewer-prompt').textContent === 'one'")
    page.keyboard.press("s")
    page.wait_for_selector("#viewer-star[aria-pressed=true]")
    page.keyboard.press("Delete")
    assert page.evaluate("document.activeElement.id") == "viewer-keep"
    page.click("[data-do=trash-now]")
    until(page, "document.querySelector('#viewer-prompt').textContent !== 'one'")
    page.keyboard.press("Escape")
    page.wait_for_selector("#viewer", state="hidden")
    until(page, "document.activeElement.closest('#gallery')")
    assert page.locator("#gallery button[aria-label^=one]").count() == 0


def test_way_back_closes_the_viewer_and_swiping_shows_the_next_picture(
    pocket: Live, open_page: Open
) -> None:
    make(pocket, "one", "two")
    page = open_page(pocket.url, "phone")
    page.tap("#gallery li:first-child button")
    page.wait_for_selector("#viewer[open]")
    swipe(page, range(330, 60, -20))
    until(page, "document.querySelector('#viewer-prompt').textContent === 'one'")
    page.go_back()
    page.wait_for_selector("#viewer", state="hidden")
    assert page.url == f"{pocket.url}/"


def test_picture_is_varied_repeated_and_downloaded(pocket: Live, open_page: Open) -> None:
    with pocket.client() as ask:
        body = {**QUICK, "prompt": "a house", "seed": 5, "sampler": "Euler a", "clip_skip": 2}
        ask.post("/generate", json=body)
        file = ask.get(f"{newest(ask)['url']}/picture").content
        page = open_page(pocket.url)
        page.click("#gallery li:first-child button")
        with page.expect_download() as download:
            page.keyboard.press("d")
        assert download.value.path().read_bytes() == file
        assert download.value.suggested_filename.endswith("-5-a-house.png")
        page.keyboard.press("v")
        page.wait_for_selector("#viewer", state="hidden")
        assert "clip skip" in page.inner_text("#more-text")
        for name, value in (("prompt", "a house"), ("sampler", "Euler a"), ("seed", "")):
            assert page.input_value(f"#{name}") == value
        page.fill("#prompt", "a red house")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#gallery li:first-child button[aria-label='a red house']")
        varied = ask.get(newest(ask)["url"]).json()["record"]
        assert varied["settings"]["sampler"] == "Euler a"
        assert varied["request"]["encoding"]["clip_skip"] == 2
        page.click("#stage-actions [data-do=again]")
        page.wait_for_selector("#gallery li:nth-child(2) button[aria-label='a red house']")
        assert newest(ask)["seed"] != varied["seed"]


def test_settings_are_copied_without_a_secure_connection(pocket: Live, open_page: Open) -> None:
    make(pocket, "a fish")
    page = open_page(pocket.url, permissions=["clipboard-read", "clipboard-write"])
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.click("#gallery li:first-child button")
    page.keyboard.press("c")
    page.wait_for_selector("#toast.is-shown")
    assert page.inner_text("#toast") == "Copied the settings"


def test_search_and_stars_filter_the_pictures(pocket: Live, open_page: Open) -> None:
    make(pocket, "a unicorn", "a cat")
    page = open_page(pocket.url, allowed="422")
    page.wait_for_selector("#gallery button[aria-label='a cat']")
    page.fill("#search", "unicorn")
    page.wait_for_selector("#gallery li:first-child button[aria-label='a unicorn']")
    page.fill("#search", "unicorn star:yes")
    page.wait_for_selector("#gallery-empty:not([hidden])")
    page.fill("#search", "colour:red")
    page.wait_for_selector("#search-problem:not(:empty)")


def test_prompt_is_shown_as_text(pocket: Live, open_page: Open) -> None:
    prompt = "<img src=x onerror=alert(1)><b>bold</b>"
    make(pocket, prompt)
    page = open_page(pocket.url)
    page.wait_for_selector("#stage[data-state=picture]")
    assert page.inner_text("#stage-prompt") == prompt
    page.click("#gallery li:first-child button")
    assert page.inner_text("#viewer-prompt") == prompt
    assert page.locator("#stage-prompt *, #viewer-prompt *").count() == 0
