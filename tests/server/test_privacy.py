"""Who can read the files of a server."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdtui.cli.logs import log_to_file
from sdtui.cli.main import main
from sdtui.core import paths
from tests.support.images import png_base64
from tests.support.live_server import BODY, live
from tests.support.scripted_generator import ScriptedGenerator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_prompts_of_a_server_are_private_and_pictures_follow_the_umask(
    tmp_path: Path, generator: ScriptedGenerator
) -> None:
    with live(tmp_path, lambda _: generator) as running, running.client() as ask:
        made = Path(ask.post("/generate", json=BODY).json()["path"])
        generator.hold.set()
        ask.post("/jobs", json={**BODY, "init_image": png_base64()}).raise_for_status()
        state = tmp_path / "state" / "sdtui"
        running.until(lambda: bool(list(state.glob("server/queue-*.json"))))
        assert _mode(state) == 0o700
        assert _mode(state / "server") == 0o700
        for pattern in ("queue-*.json", "uploads/*.picture", "link_secret"):
            (file,) = (state / "server").glob(pattern)
            assert _mode(file) == 0o600, pattern
        assert _mode(made) == _mode(made.with_suffix(".json")) == 0o644
        generator.hold.clear()


def test_log_is_private_and_takes_any_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    handlers = logging.getLogger().handlers
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    level = logging.getLogger().level
    log_to_file()
    (handler,) = logging.getLogger().handlers
    logging.getLogger("sdtui").warning("a line")
    logging.getLogger("sdtui").warning("no text: \udcff")
    handler.close()
    logging.captureWarnings(False)
    logging.getLogger().setLevel(level)
    monkeypatch.setattr(logging.getLogger(), "handlers", handlers)
    assert _mode(paths.log_file()) == 0o600
    assert "a line" in paths.log_file().read_text()
    assert "no text: \\udcff" in paths.log_file().read_text()


@pytest.mark.parametrize(("mode", "is_warned"), [(0o600, False), (0o400, False), (0o640, True)])
def test_key_file_that_others_can_read_is_reported(
    mode: int,
    is_warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = tmp_path / "key"
    key.write_text("a\nb")  # two lines are refused, so that no server starts
    key.chmod(mode)
    for name in ("log_to_file", "log_to_stderr"):
        monkeypatch.setattr(f"sdtui.cli.logs.{name}", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["sdtui", "serve", "--api-key-file", str(key)])
    with pytest.raises(SystemExit):
        main()
    assert ("can be read by others" in caplog.text) is is_warned
