"""axe-core's rules over every state of the page, in both sizes and all themes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Open
from tests.support.live_server import KEY, QUICK, Live, live
from tests.support.scripted_generator import ScriptedGenerator

THEMES: dict[str, dict[str, Any]] = {
    "dark": {"color_scheme": "dark"},
    "light": {"color_scheme": "light"},
    "contrast": {"contrast": "more", "reduced_motion": "reduce"},
}


def check(page: Any) -> None:
    """Fail with every rule that the page breaks now."""
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    broken = [
        (each["id"], [(node["html"][:120], node["failureSummary"]) for node in each["nodes"]])
        for each in found["violations"]
    ]
    assert broken == []


@pytest.fixture(scope="module")
def axe() -> str:
    """The text of axe.min.js."""
    if "SDTUI_TEST_AXE" not in os.environ:
        pytest.skip("SDTUI_TEST_AXE doesn't name axe.min.js")
    return Path(os.environ["SDTUI_TEST_AXE"]).read_text()


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("theme", THEMES)
def test_no_rule_is_broken(theme: str, size: str, axe: str, pocket: Live, open_page: Open) -> None:
    with pocket.client() as ask:
        for _ in range(3):
            ask.post("/generate", json=QUICK)
        ask.put(f"{ask.get('/history').json()['entries'][0]['url']}/star")
    page = open_page(pocket.url, size, **THEMES[theme])
    page.wait_for_selector("#stage[data-state=picture]")
    page.evaluate(axe)
    check(page)
    if size == "phone":
        page.click("#settings-toggle")
        check(page)
    page.fill("#prompt", "a cat")
    page.fill("#num_inference_steps", "60")
    page.click("#make")
    page.click("#make")
    page.wait_for_selector("#queue .line")
    check(page)
    page.click("#stage-cancel")
    page.click("#gallery li:nth-child(2) button")
    page.click("#viewer-info-toggle")
    check(page)
    page.keyboard.press("Delete")
    check(page)
    page.keyboard.press("Escape")
    page.click("#server")
    check(page)


def test_no_rule_is_broken_by_the_empty_page_and_by_the_question_for_the_key(
    axe: str, tmp_path: Path, generator: ScriptedGenerator, open_page: Open
) -> None:
    with live(tmp_path, lambda _: generator, api_key=KEY) as running:
        page = open_page(running.url)
        page.wait_for_selector("#key-dialog[open]")
        page.evaluate(axe)
        check(page)
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("#stage[data-state=empty]")
        check(page)
