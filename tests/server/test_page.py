"""The web page as it is served. `tests/browser` uses it."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from sdtui.server.api.page import routes
from sdtui.tui.themes import CONTRAST, DARK, LIGHT
from tests.support.live_server import KEY, Live, live
from tests.support.scripted_generator import ScriptedGenerator

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FILES = Path(str(files(routes.__package__))) / "files"


def test_browser_gets_the_page_without_the_key_and_others_what_they_got(locked: Live) -> None:
    with locked.client() as ask:
        page = ask.get("/", headers=BROWSER)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "Accept" in page.headers["vary"]
        assert "data-needs-key" in page.text
        for accept in ("*/*", "application/json"):
            assert ask.get("/", headers={"Accept": accept}).status_code == 401
            keyed = ask.get("/", headers={"Accept": accept, "X-API-Key": KEY})
            assert (keyed.status_code, keyed.headers["location"]) == (307, "/docs")
        assert ask.get("/health", headers=BROWSER).status_code == 401


def test_page_loads_its_own_files_alone_and_they_are_asked_for_by_etag(locked: Live) -> None:
    with locked.client() as ask:
        page = ask.get("/", headers=BROWSER)
        named = set(re.findall(r"""(?:href|src)="([^"]+)""", page.text)) - {"./", "docs"}
        imported = re.findall(r'from "\./([^"]+)"', "".join(map(Path.read_text, _scripts())))
        assert named >= {f"page/{name}" for name in imported}
        for path in named:
            first = ask.get(f"/{path}")
            assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache"), path
            known = {"If-None-Match": first.headers["etag"]}
            assert ask.get(f"/{path}", headers=known).status_code == 304, path
        for path in ("/page/index.html", "/page/routes.py", "/page/..%2froutes.py"):
            assert ask.get(path).status_code == 404, path


def test_policy_allows_no_inline_script_and_no_other_host(locked: Live) -> None:
    with locked.client() as ask:
        answer = ask.get("/", headers=BROWSER)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'self'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script>|<style>|\sstyle=|\son\w+=", answer.text)
        assert "innerHTML" not in "".join(map(Path.read_text, _scripts()))


def test_paths_of_the_page_begin_with_the_prefix(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator, root_path="/sd") as running, running.client() as ask:
        for path in ("/sd", "/sd/", "/"):
            page = ask.get(path, headers=BROWSER, follow_redirects=True)
            assert '<base href="/sd/">' in page.text, path
        assert ask.get("/sd/page/main.js").status_code == 200


def test_script_is_not_asked_for_a_password_by_the_browser(locked: Live) -> None:
    with locked.client(headers={"X-Requested-With": "XMLHttpRequest"}) as ask:
        assert ask.get("/health").headers["www-authenticate"] == 'Bearer realm="sdtui"'


def test_colours_are_those_of_the_apps_themes() -> None:
    style = (FILES / "style.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    for block, theme in zip(blocks, (DARK, LIGHT, CONTRAST), strict=False):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
        expected = {**vars(theme), **theme.variables}
        assert len(colours) > 10
        assert colours == {name: expected[name] for name in colours}


def _scripts() -> list[Path]:
    return sorted(FILES.glob("*.js"))
