"""`sdtui docs`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pexpect
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from sdtui.cli.commands import sdtui
from sdtui.docs import TOPICS, page_file
from tests.support.terminal import ROOT


def on_terminal(*arguments: str, rows: int = 24, **environment: str) -> str:
    """Return the output of `sdtui ARGUMENTS` on a terminal of 80 columns, with a pager that marks
    lines."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "sdtui", *arguments],
        env={
            "TERM": "xterm-256color",
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "PAGER": "sed s/^/PAGED/",
            **environment,
        },
        dimensions=(rows, 80),
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    child.close()
    output = str(child.before)
    assert child.exitstatus == 0, output
    return output


def test_list_has_every_topic_with_a_line() -> None:
    result = CliRunner().invoke(sdtui, ["docs"])
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == list(TOPICS)
    assert all(line.endswith(about) for line, about in zip(lines, TOPICS.values(), strict=True))


@pytest.mark.parametrize("topic", TOPICS)
def test_page_is_plain_markdown_in_a_pipe(topic: str) -> None:
    result = CliRunner().invoke(sdtui, ["docs", topic])
    assert result.exit_code == 0
    assert result.output == page_file(topic).read_text()


def test_unknown_topic_names_the_nearest_one() -> None:
    result = CliRunner().invoke(sdtui, ["docs", "modls"])
    assert result.exit_code == 2
    assert 'Did you mean "models"?' in result.output
    result = CliRunner().invoke(sdtui, ["docs", "\x1b]0;zzzz\x07"])
    assert result.exit_code == 2
    assert '"sdtui docs" lists the topics' in result.output
    assert "\x1b" not in result.output


def test_topics_complete() -> None:
    completion = ShellComplete(sdtui, {}, "sdtui", "_SDTUI_COMPLETE")
    found = completion.get_completions(["docs"], "me")
    assert [(item.value, item.help) for item in found] == [("memory", TOPICS["memory"])]


def test_completion_script_is_printed_though_no_command_is_given() -> None:
    assert "compdef" in on_terminal(_SDTUI_COMPLETE="zsh_source")


def test_page_is_rendered_on_a_terminal() -> None:
    output = on_terminal("docs", "memory", rows=200)
    assert "PAGED" not in output
    assert "\x1b[1" in output  # bold
    assert "# Memory" not in output
    assert "](" not in output


def test_page_longer_than_the_screen_goes_through_the_pager() -> None:
    assert "PAGED" in on_terminal("docs", "server")


@pytest.mark.parametrize(("no_color", "has_colours"), [("", True), ("1", False)])
def test_no_color_leaves_the_colours_out(no_color: str, has_colours: bool) -> None:
    output = on_terminal("docs", "memory", rows=200, NO_COLOR=no_color)
    assert bool(re.search("\x1b\\[[0-9;]*3[0-7]m", output)) == has_colours


def test_control_characters_in_a_page_do_not_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.md").write_text("# The app\n\n\x1b]0;title\x07\n")
    monkeypatch.setattr("sdtui.docs.page_file", lambda topic: tmp_path / f"{topic}.md")
    result = CliRunner().invoke(sdtui, ["docs", "app"])
    assert result.output == "# The app\n\n\\x1b]0;title\\x07\n"
