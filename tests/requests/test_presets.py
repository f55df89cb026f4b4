"""Presets: saved, read by people and programs, and checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdtui.core.enums import Speed
from sdtui.core.errors import SettingsError
from sdtui.requests.presets import (
    delete_preset,
    load_presets,
    preset,
    preset_names,
    presets_file,
    save_preset,
    usable_presets,
)


def write(text: str) -> None:
    presets_file().parent.mkdir(parents=True, exist_ok=True)
    presets_file().write_text(text, encoding="utf-8")


def test_what_is_saved_is_read() -> None:
    values = {
        "prompt": 'a "cat"\n\\ 猫 \x7f\x1b',
        "num_inference_steps": 8,
        "guidance_scale": 1.5,
        "init_image": Path("/pictures/a b.png"),
        "speed": Speed.FAST,
    }
    save_preset("draft", values)
    save_preset('odd "name" [x]\n', {"width": 512})
    assert load_presets() == {"draft": values, 'odd "name" [x]\n': {"width": 512}}
    save_preset("draft", {"width": 64})
    assert preset("draft") == {"width": 64}
    delete_preset("draft")
    delete_preset("draft")
    assert list(load_presets()) == ['odd "name" [x]\n']


def test_comments_of_the_file_are_kept() -> None:
    draft = "# mine\n[draft]  # quick\nwidth = 64  # small\nheight = 64\n"
    write(f"{draft}\n# good\n[final]\nwidth = 512\n")
    save_preset("draft", {"width": 128, "num_inference_steps": 8})
    save_preset("new", {"width": 256})
    text = presets_file().read_text()
    for comment in ("# mine", "# quick", "# small", "# good"):
        assert comment in text
    assert load_presets() == {
        "draft": {"width": 128, "num_inference_steps": 8},
        "final": {"width": 512},
        "new": {"width": 256},
    }
    delete_preset("final")
    assert list(load_presets()) == ["draft", "new"]


def test_without_a_file_there_are_none() -> None:
    assert load_presets() == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[draft]\nwidth = 100", 'preset "draft": width: must be a multiple of 8, not 100'),
        ("[draft]\nstep = 8", 'preset "draft": step: is not a field of a request'),
        ("draft = 8", 'preset "draft": should be a table of fields'),
        ("[draft\n", "is not valid TOML"),
        ("x = " + "9" * 5000, "is not valid TOML"),
        ("x = " + "[" * 5000, "is not valid TOML"),
    ],
)
def test_wrong_files_are_explained(text: str, said: str) -> None:
    write(text)
    with pytest.raises(SettingsError, match=r"Correct the file|Write") as caught:
        load_presets()
    assert said in str(caught.value)
    assert str(presets_file()) in str(caught.value)


def test_a_file_of_another_encoding_is_explained() -> None:
    write("")
    presets_file().write_bytes(b"[dr\xe4ft]\n")
    with pytest.raises(SettingsError, match="Save it as UTF-8"):
        load_presets()


def test_a_wrong_file_is_not_overwritten() -> None:
    write("[draft]\nwidth = 100")
    with pytest.raises(SettingsError):
        save_preset("other", {"width": 64})
    assert presets_file().read_text() == "[draft]\nwidth = 100"


def test_a_preset_can_be_used_beside_one_that_is_wrong() -> None:
    write("[newer]\nfuture_field = 3\n[draft]\nwidth = 64")
    assert preset("draft") == {"width": 64}
    assert preset_names() == ["newer", "draft"]
    with pytest.raises(SettingsError, match='preset "newer": future_field: is not a field'):
        preset("newer")
    usable, problems = usable_presets()
    assert usable == {"draft": {"width": 64}}
    assert [str(each).count("future_field") for each in problems] == [1]


def test_a_name_that_is_unknown_is_explained() -> None:
    save_preset("draft", {"width": 64})
    with pytest.raises(SettingsError, match=r'Did you mean "draft"'):
        preset("drfat")


@pytest.mark.parametrize("name", ["", " ", "\ud800"])
def test_a_preset_needs_a_name(name: str) -> None:
    with pytest.raises(SettingsError, match="needs a name"):
        save_preset(name, {})


def test_a_folder_that_cannot_be_written_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/dev/null")
    assert load_presets() == {}
    with pytest.raises(SettingsError, match="can't be written"):
        save_preset("draft", {"width": 64})
