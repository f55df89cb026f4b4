"""What the page says and does when something goes wrong, and what it keeps secret."""

from __future__ import annotations

from pathlib import Path

from sdtui.core.errors import OutOfMemoryError
from sdtui.requests.record import Stage
from sdtui.server.keep import Keep
from tests.support.browser import Open, until
from tests.support.live_server import BODY, KEY, Live, live
from tests.support.scripted_generator import ScriptedGenerator


def test_key_is_asked_for_and_sent_as_a_header_alone(
    tmp_path: Path, generator: ScriptedGenerator, open_page: Open
) -> None:
    with live(tmp_path, lambda _: generator, api_key=KEY) as running:
        page = open_page(running.url, allowed="401")
        urls: list[str] = []
        refused: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        page.on("response", lambda each: refused.append(each.url) if each.status == 401 else None)
        page.wait_for_selector("#key-dialog[open]")
        assert [url for url in urls if "/page/" not in url] == []
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#key-problem:not(:empty)")
        assert refused == [f"{running.url}/health"]
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("#server[data-state=ok]")
        page.fill("#prompt", "x")
        page.click("#make")
        page.wait_for_selector("#gallery li:first-child img[src^='blob:']")
        assert not any(KEY in url for url in urls)
        assert page.evaluate("Object.values(sessionStorage)") == [KEY]
        assert page.evaluate("Object.keys(localStorage)") == ["sdtui-form"]
        assert page.evaluate("document.cookie") == ""
        page.reload()
        page.wait_for_selector("#server[data-state=ok]")
        page.click("#server")
        page.click("#forget-key")
        page.wait_for_selector("#key-dialog[open]")


def test_job_is_cancelled_and_a_full_queue_is_named(
    scripted: Live, generator: ScriptedGenerator, open_page: Open
) -> None:
    generator.hold.set()
    page = open_page(scripted.url, "phone", allowed="429")
    page.wait_for_selector("#server[data-state=ok]")
    for number in range(4):
        page.fill("#prompt", f"job {number}")
        page.click("#make")
        if number < 3:
            until(page, f"document.querySelectorAll('#queue .line').length === {number}")
    page.wait_for_selector("#refusal:not(:empty)")
    assert "Try again in about" in page.inner_text("#refusal")
    assert page.input_value("#prompt") == "job 3"
    page.click("#queue li:has-text('job 2') button")
    until(page, "document.querySelectorAll('#queue .line').length === 1")
    page.click("#stage-cancel")
    until(page, "document.querySelector('#stage-prompt').textContent === 'job 1'")
    generator.hold.clear()
    page.wait_for_selector("#stage[data-state=picture]")


def test_wrong_value_is_explained_at_its_field(scripted: Live, open_page: Open) -> None:
    page = open_page(scripted.url, "phone", allowed="422")
    page.wait_for_selector("#server[data-state=ok]")
    page.click("#make")
    page.wait_for_selector("#prompt-problem:not(:empty)")
    page.fill("#prompt", "x")
    assert page.inner_text("#prompt-problem") == ""
    page.click("#settings-toggle")
    page.fill("#num_inference_steps", "100000")
    page.click("#settings-toggle")
    page.click("#make")
    page.wait_for_selector("#num_inference_steps-problem:not(:empty)")
    assert page.evaluate("document.activeElement.id") == "num_inference_steps"


def test_job_that_ran_out_of_memory_says_so(
    scripted: Live, generator: ScriptedGenerator, open_page: Open
) -> None:
    generator.failure = OutOfMemoryError(
        "the picture needs more memory than there is", stage=Stage.DENOISE
    )
    page = open_page(scripted.url)
    page.wait_for_selector("#server[data-state=ok]")
    page.fill("#prompt", "a large one")
    page.click("#make")
    page.wait_for_selector(".failure")
    text = page.inner_text(".failure")
    assert "Out of memory" in text
    assert "a large one" in text
    page.click(".failure button")
    page.wait_for_selector(".failure", state="detached")


def test_server_that_is_away_is_named_until_it_is_back(scripted: Live, open_page: Open) -> None:
    page = open_page(scripted.url, allowed="ERR_INTERNET_DISCONNECTED")
    page.wait_for_selector("#server[data-state=ok]")
    page.context.set_offline(True)
    page.wait_for_selector("#away", state="visible")
    page.fill("#prompt", "kept")
    page.click("#make")
    page.wait_for_selector("#refusal:not(:empty)")
    page.context.set_offline(False)
    page.wait_for_selector("#away", state="hidden")
    page.click("#make")
    page.wait_for_selector("#gallery button[aria-label=kept]")


def test_page_works_below_a_prefix(
    tmp_path: Path, generator: ScriptedGenerator, open_page: Open
) -> None:
    with live(tmp_path, lambda _: generator, root_path="/sd") as running:
        with running.client() as ask:
            ask.post("/generate", json=BODY)
        page = open_page(f"{running.url}/sd")
        urls: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        page.fill("#prompt", "y")
        page.click("#make")
        page.wait_for_selector("#gallery li:first-child button[aria-label=y]")
        addresses = [url for url in urls if not url.startswith("blob:")]
        assert all(url.startswith(f"{running.url}/sd/") for url in addresses)


def test_picture_that_is_not_kept_is_shown_and_downloaded_alone(
    tmp_path: Path, generator: ScriptedGenerator, open_page: Open
) -> None:
    with live(tmp_path, lambda _: generator, keep=Keep(days=0)) as running:
        page = open_page(running.url)
        page.wait_for_selector("#stage[data-state=empty]")
        page.fill("#prompt", "fleeting")
        page.click("#make")
        page.wait_for_selector("#stage[data-state=picture]")
        page.click("#gallery button[aria-label=fleeting]")
        page.wait_for_selector("#viewer img[src^='blob:']")
        assert page.locator("#viewer-actions button:visible").count() == 1
        with page.expect_download() as download:
            page.keyboard.press("d")
        assert download.value.path().read_bytes()[:4] == b"\x89PNG"
