"""Bringing a picture to the user's machine: scp, the terminal's downloads, clipboard, viewer."""

from __future__ import annotations

import base64
import io
import os
import re
import shlex
import subprocess
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from sdtui.core import paths
from sdtui.core.errors import SdtuiError
from sdtui.tui.picture_export import (
    as_png,
    copies_through_terminal,
    copy_on_this_machine,
    file_strings,
    image_strings,
    scp_line,
    scp_line_from,
    viewer_command,
)
from sdtui.tui.terminal.probe import TerminalCapabilities
from tests.support.app_harness import AppHarness, running
from tests.support.images import png_base64

BY_SSH = {"SSH_CONNECTION": "203.0.113.9 50000 198.51.100.7 22"}
ITERM = TerminalCapabilities(name="iTerm2 3.5.0")
KITTY = TerminalCapabilities(name="kitty(0.36)")


PNG = base64.b64decode(png_base64())


@pytest.fixture(autouse=True)
def no_tmux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no trace of the terminal in which the tests run."""
    for name in ("TMUX", "STY", "TERM_PROGRAM", "LC_TERMINAL", "WT_SESSION", "VIEWER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ("203.0.113.9 50000 198.51.100.7 22", "scp me@198.51.100.7:/a/cat.png ."),
        ("203.0.113.9 50000 198.51.100.7 2222", "scp -P 2222 me@198.51.100.7:/a/cat.png ."),
        ("192.168.1.2 50000 192.168.1.7 22", "scp me@192.168.1.7:/a/cat.png ."),
        ("8.8.8.8 50000 10.0.0.7 22", "scp me@gpu-box:/a/cat.png ."),
        ("2606:4700::1 50000 2606:4700::2 22", "scp 'me@[2606:4700::2]:/a/cat.png' ."),
        ("UNKNOWN 0 UNKNOWN 22", "scp me@gpu-box:/a/cat.png ."),
    ],
)
def test_scp_line_names_the_address_by_which_the_user_came(connection: str, expected: str) -> None:
    environment = {"SSH_CONNECTION": connection}
    assert scp_line(Path("/a/cat.png"), environment, "me", "gpu-box") == expected


@pytest.mark.parametrize(
    "name", ["a cat.png", "it's.png", "$(touch x).png", "[1]*?.png", "Käse 猫.png", 'a"b\\c.png']
)
def test_scp_line_survives_both_shells(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("")
    line = scp_line(tmp_path / name, BY_SSH, "me", "gpu-box")
    command, remote, here = shlex.split(line)
    assert (command, here) == ("scp", ".")
    path = remote.partition(":")[2]
    shown = subprocess.run(
        ["sh", "-c", f"printf %s {path}"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert shown.stdout == str(tmp_path / name)
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_scp_line_of_another_machine_names_it() -> None:
    assert scp_line_from("gpu1", Path("/a/a cat.png")) == "scp 'gpu1:/a/a\\ cat.png' ."
    assert scp_line_from("::1", Path("/a/cat.png")) == "scp '[::1]:/a/cat.png' ."
    with pytest.raises(SdtuiError, match=r"scp can't reach unix:/run/a\.sock"):
        scp_line_from("unix:/run/a.sock", Path("/a/cat.png"))


def test_scp_line_says_why_there_is_none() -> None:
    with pytest.raises(SdtuiError, match="didn't come here by SSH"):
        scp_line(Path("/a/cat.png"), {}, "me", "gpu-box")
    with pytest.raises(SdtuiError, match="control characters"):
        scp_line(Path("/a/c\nat.png"), BY_SSH, "me", "gpu-box")


def test_iterm_gets_the_file_with_its_name() -> None:
    sent = file_strings("a cat.png", b"data", ITERM)
    found = re.fullmatch(r"\x1b\]1337;File=name=([^;]+);size=4;inline=0:(\S+)\x07", sent)
    assert found is not None
    assert [base64.b64decode(part) for part in found.groups()] == [b"a cat.png", b"data"]


def test_large_file_goes_through_tmux_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    data = bytes(range(256)) * 1000
    terminal = TerminalCapabilities(name="iTerm2 3.5.0", passthrough=True)
    parts = re.findall(
        r"\x1bPtmux;\x1b(\x1b\]1337;[^\x07]*)\x07\x1b\\", file_strings("a", data, terminal)
    )
    assert parts[0].startswith("\x1b]1337;MultipartFile=name=")
    assert parts[-1] == "\x1b]1337;FileEnd"
    assert max(map(len, parts)) < 2**20
    content = "".join(part.removeprefix("\x1b]1337;FilePart=") for part in parts[1:-1])
    assert base64.b64decode(content) == data


def test_file_is_not_sent_where_nothing_would_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdtuiError, match="save files"):
        file_strings("a", b"", KITTY)
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    with pytest.raises(SdtuiError, match="allow-passthrough"):
        file_strings("a", b"", ITERM)


def test_kitty_gets_the_image_for_its_clipboard() -> None:
    assert copies_through_terminal(KITTY)
    assert not copies_through_terminal(ITERM)
    data = PNG * 50
    begin, *parts, end = re.findall(r"\x1b\]5522;(.*?)\x1b\\", image_strings(data))
    assert begin == "type=write"
    assert end == "type=wdata"
    kind = base64.b64encode(b"image/png").decode()
    assert all(part.startswith(f"type=wdata:mime={kind};") for part in parts)
    assert all(len(part.partition(";")[2]) <= 4096 for part in parts)
    assert b"".join(base64.b64decode(part.partition(";")[2]) for part in parts) == data


def test_other_formats_are_copied_as_png() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(file, "JPEG")
    assert Image.open(io.BytesIO(as_png(file.getvalue()))).format == "PNG"
    with pytest.raises(SdtuiError, match="can't be read"):
        as_png(b"no picture")


def test_clipboard_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    xclip = tmp_path / "xclip"
    xclip.write_text(f'#!/bin/sh\nfor last; do :; done; cp "$last" "{tmp_path}/copied"\n')
    xclip.chmod(0o755)
    data = PNG
    copy_on_this_machine(data, over_ssh=False)
    assert (tmp_path / "copied").read_bytes() == data
    xclip.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(SdtuiError, match="failed with code 3"):
        copy_on_this_machine(data, over_ssh=False)
    with pytest.raises(SdtuiError, match="only text"):
        copy_on_this_machine(data, over_ssh=True)
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(SdtuiError, match="Install wl-copy or xclip"):
        copy_on_this_machine(data, over_ssh=False)


def test_viewer_is_the_setting_then_the_variable_then_the_desktop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "xdg-open").write_text("")
    (tmp_path / "xdg-open").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    desktop = {"DISPLAY": ":0"}
    assert viewer_command("chafa", {"VIEWER": "feh", **desktop}) == "chafa"
    assert viewer_command("", {"VIEWER": "feh", **desktop}) == "feh"
    assert viewer_command("", desktop) == "xdg-open &"
    for environment in ({}, {**desktop, **BY_SSH}):
        with pytest.raises(SdtuiError, match="no viewer"):
            viewer_command("", environment)


async def with_picture(harness: AppHarness) -> None:
    """Generate a picture and focus the gallery."""
    await harness.generate()
    await harness.finished()
    await harness.until(lambda: harness.panes.gallery.selected is not None)
    await harness.press("tab")


async def test_line_for_scp_is_copied(harness: AppHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", BY_SSH["SSH_CONNECTION"])
    async with running(harness):
        await with_picture(harness)
        await harness.press("y", "s")
        copied = paths.state_folder() / "copied.txt"
        await harness.until(copied.exists)
        (picture,) = harness.settings.pictures.rglob("*.png")
        assert copied.read_text().startswith("scp ")
        assert copied.read_text().endswith(f"@198.51.100.7:{picture} .")


USELESS = {
    "s": "You didn't come here by SSH",
    "d": "Only iTerm2 and WezTerm save files",
    "i": "There is no program for the clipboard here",
    "o": "There is no viewer",
}
"""Key after y → why it does nothing."""


def _is_said(harness: AppHarness, expected: str) -> bool:
    return expected in harness.last_notification


async def test_each_key_says_why_it_does_nothing_here(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    async with running(harness):
        await with_picture(harness)
        for key, expected in USELESS.items():
            await harness.press("y", key)
            await harness.until(partial(_is_said, harness, expected))
            assert harness.at_main
