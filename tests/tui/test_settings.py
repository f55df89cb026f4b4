"""The list of settings, and changing them in the config file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sdtui.core import paths
from sdtui.core.errors import SettingsError
from sdtui.core.settings import ABOUT_SETTINGS, Settings, load_settings, setting_from_text
from sdtui.tui.app import SdtuiApp
from sdtui.tui.screens.dialogs import AskScreen
from sdtui.tui.screens.search_dialog import ChooseScreen
from sdtui.tui.screens.settings import SettingsScreen
from sdtui.tui.settings_file import create_template, template, write_setting
from tests.support.app_harness import AppHarness, running

CONFIG = """# my settings
model = "pocket"  # the small one

[keys]
window.generate = "ctrl+r"
"""


def test_comments_and_tables_stay(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    write_setting(file, "model", "a/b")
    write_setting(file, "speed", "fast")
    assert file.read_text() == CONFIG.replace('"pocket"', '"a/b"').replace(
        "small one\n", 'small one\nspeed = "fast"\n'
    )
    write_setting(file, "speed", None)
    assert load_settings(file, {}).model == "a/b"
    assert "speed" not in file.read_text()


def test_link_to_a_config_file_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    target.write_text(CONFIG)
    target.chmod(0o600)
    link.symlink_to(target)
    write_setting(link, "speed", "fast")
    assert link.is_symlink()
    assert load_settings(target, {}).speed == "fast"
    assert target.stat().st_mode & 0o777 == 0o600


def test_template_has_every_setting_as_a_comment(tmp_path: Path) -> None:
    file = tmp_path / "sdtui" / "config.toml"
    create_template(file)
    assert load_settings(file, {}) == Settings()
    examples = file.read_text().replace("# Settings of sdtui. Take", "")
    uncommented = "\n".join(
        line.removeprefix("# ")
        for line in examples.splitlines()
        if "=" in line or line.startswith("# [")
    )
    assert set(tomllib.loads(uncommented)) == set(ABOUT_SETTINGS)
    file.write_text(uncommented)
    load_settings(file, {})


def test_template_replaces_no_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    create_template(file)
    assert file.read_text() == CONFIG


def test_first_setting_makes_the_file_with_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "sdtui" / "config.toml"
    write_setting(file, "speed", "fast")
    assert load_settings(file, {}) == Settings(speed=load_settings(file, {}).speed)
    assert template().splitlines()[0] in file.read_text()


def test_broken_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("model = ")
    with pytest.raises(SettingsError, match="can't be changed"):
        write_setting(file, "speed", "fast")
    assert file.read_text() == "model = "


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("model", " a/b ", "a/b"),
        ("previews", "off", False),
        ("model_folders", "/a:~/b", ["/a", "~/b"]),
        ("speed", "max", "max"),
    ],
)
def test_typed_values_are_written_in_their_type(key: str, text: str, value: object) -> None:
    assert setting_from_text(key, text) == value


def test_wrong_value_says_what_is_taken() -> None:
    with pytest.raises(SettingsError, match="It takes: auto, cpu"):
        setting_from_text("device", "tpu")


async def open_settings(harness: AppHarness, key: str) -> SettingsScreen:
    """Open the settings with the cursor on one of them."""
    await harness.press("f9")
    screen = harness.app.screen
    assert isinstance(screen, SettingsScreen)
    keys = [setting.key for setting in screen.list.items]
    screen.list.cursor = keys.index(key)
    await harness.settled()
    return screen


async def test_choice_is_written_and_counts_from_the_next_start(harness: AppHarness) -> None:
    async with running(harness):
        screen = await open_settings(harness, "speed")
        await harness.press("enter")
        assert isinstance(harness.app.screen, ChooseScreen)
        await harness.write("fast")
        await harness.press("enter")
        await harness.until(lambda: "next start" in str(screen.details.render()))
        assert load_settings(paths.config_file(), {}).speed == "fast"
        await harness.press("backspace")
        await harness.until(lambda: "next start" not in str(screen.details.render()))
        assert load_settings(paths.config_file(), {}).speed == "quality"


async def test_wrong_text_is_not_taken_and_says_why(harness: AppHarness) -> None:
    async with running(harness):
        await open_settings(harness, "device")
        await harness.press("enter")
        assert isinstance(harness.app.screen, AskScreen)
        await harness.write("9")
        await harness.press("enter")
        assert "there is no device" in harness.screen_text()
        assert isinstance(harness.app.screen, AskScreen)
        await harness.press(*["backspace"] * 5, *"cuda:1", "enter")
        await harness.until(lambda: paths.config_file().exists())
        assert load_settings(paths.config_file(), {}).device == "cuda:1"


async def test_setting_of_the_environment_cannot_be_changed(
    harness: AppHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDTUI_SPEED", "max")
    async with running(harness):
        screen = await open_settings(harness, "speed")
        await harness.press("enter")
        assert harness.app.screen is screen
        assert "SDTUI_SPEED is set" in str(screen.status.render())


async def test_theme_is_taken_at_once(harness: AppHarness) -> None:
    async with running(harness):
        await open_settings(harness, "theme")
        await harness.press("enter")
        await harness.write("sdtui-light")
        await harness.press("enter")
        await harness.until(lambda: paths.config_file().exists())
        await harness.until(lambda: harness.app.theme == "sdtui-light")
        assert load_settings(paths.config_file(), {}).theme == "sdtui-light"


async def test_app_begins_with_the_theme_of_the_settings(tmp_path: Path) -> None:
    harness = AppHarness(tmp_path, theme="sdtui-contrast")
    async with running(harness):
        assert harness.app.theme == "sdtui-contrast"


def test_unknown_theme_is_an_error() -> None:
    with pytest.raises(SettingsError, match='Did you mean "sdtui-dark"'):
        SdtuiApp(Settings(theme="sdtui-drak"), lambda: NotImplemented)
