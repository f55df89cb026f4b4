"""Every key is listed and can be rebound."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from textual.binding import Binding
from textual.dom import DOMNode

import sdtui.tui
from sdtui.cli.keys import keys
from sdtui.core.errors import SettingsError
from sdtui.tui.actions import ACTIONS
from sdtui.tui.keymap import check_keymap
from sdtui.tui.screens.dialogs import ConfirmScreen
from tests.support.app_harness import AppHarness, running

_NOT_TO_CHANGE = ("ctrl+c",)
"""Explains how to quit, as users of terminals expect."""


def own_classes() -> Iterator[type[DOMNode]]:
    """Return the widget, screen and app classes of sdtui."""
    for module in pkgutil.walk_packages(sdtui.tui.__path__, "sdtui.tui."):
        importlib.import_module(module.name)
    yield from (kind for kind in made_of(DOMNode) if kind.__module__.startswith("sdtui.tui"))


def made_of(kind: type[DOMNode]) -> list[type[DOMNode]]:
    """Return a class and its subclasses."""
    return [kind, *(below for each in kind.__subclasses__() for below in made_of(each))]


def test_every_binding_is_an_action_with_code_behind_it() -> None:
    known = {action.id: action for action in ACTIONS}
    bound = set()
    for kind in own_classes():
        for binding in kind.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding)
            if binding.key in _NOT_TO_CHANGE and binding.id is None:
                continue
            assert binding.id in known, f"{kind.__name__}: {binding.key} is not in the list"
            # A screen may bind keys for actions of its subclasses.
            if binding.action.startswith("screen.verb("):
                bound.add(binding.id)
                continue
            able = [hasattr(each, f"action_{binding.action}") for each in made_of(kind)]
            assert any(able), f"{kind.__name__}.{binding.action}"
            bound.add(binding.id)
    assert bound == set(known)


def test_all_are_listed_with_what_the_config_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[keys]\nwindow.generate = "f10"\n"list.last" = "end,z"\n')
    monkeypatch.setenv("SDTUI_CONFIG", str(file))
    done = CliRunner().invoke(keys, ["--json"])
    assert done.exit_code == 0
    listed = {row["action"]: row["keys"] for row in json.loads(done.output)}
    assert set(listed) == {action.id for action in ACTIONS}
    assert listed["window.generate"] == ["f10"]
    assert listed["list.last"] == ["end", "z"]
    assert listed["app.quit"] == ["ctrl+q"]


async def test_keys_of_panes_controls_and_dialogs_can_be_changed(tmp_path: Path) -> None:
    changed = {"log.filter": "z", "number.increase": "plus", "question.leave": "x"}
    harness = AppHarness(tmp_path, keys=changed)
    async with running(harness):
        main = harness.app.main
        main.window.show_tab("log")
        await harness.press("f")
        assert "Warnings" not in harness.screen_text()
        await harness.press("z")
        assert "Warnings and errors" in harness.screen_text()
        await harness.go_to_field("num_inference_steps")
        harness.app.recipe.change({"num_inference_steps": "7"})
        await harness.press("right", "plus")
        assert harness.texts["num_inference_steps"] == "8"
        harness.app.push_screen(ConfirmScreen("?", "?", "yes", "no"))
        await harness.press("escape")
        assert not harness.at_main
        await harness.press("x")
        assert harness.at_main


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"window.generat" = "f10"', r'line 3: keys: .*"window.generat".*"window.generate"'),
        ('"window.generate" = "ctrl+nothing"', r"line 3: keys: window.generate: .*ctrl\+nothing"),
        ('"window.generate" = ""', r"line 3: keys: window.generate: there is no key"),
        ('"window.generate" = "ctrl+q"', r"line 3: keys: .*app.quit.*share the key ctrl\+q"),
        ('"history.star" = "d"', r"line 3: keys: .*picture.trash share the key d"),
        ('"history.star" = "ctrl+c"', r"line 3: keys: window.cancel leaves picture.star without"),
        ('"window.cancel" = "s"', r"line 3: keys: window.cancel: s could no longer be written"),
        ('"app.help" = "f2"', r"line 3: keys: .*share the key f2"),
        ('"choose.choose" = "space"', r"line 3: keys: choose.choose: space could no longer"),
    ],
)
def test_wrong_keys_name_the_line(
    line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"# my keys\n[keys]\n{line}\n")
    monkeypatch.setenv("SDTUI_CONFIG", str(file))
    assert isinstance(CliRunner().invoke(keys).exception, SettingsError)
    name, _, key = line.partition(" = ")
    with pytest.raises(SettingsError, match=said):
        check_keymap({name.strip('"'): key.strip('"')})


def test_no_two_actions_of_a_place_share_a_key() -> None:
    check_keymap({})
