"""Defaults, the config file, the environment, and what is said about mistakes in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdtui.core.enums import DType, Policy
from sdtui.core.errors import SettingsError
from sdtui.core.settings import Settings, load_settings, settings_origin


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a config file goes."""
    return tmp_path / "config.toml"


def test_no_file_and_no_variables(file: Path) -> None:
    assert load_settings(file, {}) == Settings()


def test_the_file(file: Path) -> None:
    file.write_text('model = "a/b"\ndtype = "bfloat16"\npreviews = false\nmodel_folders = ["~/m"]')
    settings = load_settings(file, {})
    assert settings.model == "a/b"
    assert settings.dtype is DType.BFLOAT16
    assert not settings.previews
    assert settings.model_folders == (Path("~/m").expanduser(),)


def test_the_environment_goes_before_the_file(file: Path) -> None:
    file.write_text('model = "a/b"\npolicy = "strict"')
    variables = {
        "SDTUI_MODEL": "c/d",
        "SDTUI_PREVIEWS": "0",
        "SDTUI_MODEL_FOLDERS": os.pathsep.join(["/one", "~/two"]),
        "MODEL": "no",
    }
    settings = load_settings(file, variables)
    assert settings.model == "c/d"
    assert settings.policy is Policy.STRICT
    assert not settings.previews
    assert settings.model_folders == (Path("/one"), Path("~/two").expanduser())


def test_an_empty_list_in_the_environment(file: Path) -> None:
    assert load_settings(file, {"SDTUI_MODEL_FOLDERS": ""}).model_folders == ()


def test_where_the_file_is(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = own_folders / "config" / "sdtui"
    place.mkdir(parents=True)
    (place / "config.toml").write_text('model = "from/xdg"')
    assert load_settings().model == "from/xdg"
    (place / "other.toml").write_text('model = "from/other"')
    monkeypatch.setenv("SDTUI_CONFIG", str(place / "other.toml"))
    assert load_settings().model == "from/other"


def failure(file: Path, text: str, variables: dict[str, str] | None = None) -> str:
    """What is said about a config file."""
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, variables or {})
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_unknown_keys_with_the_nearest(file: Path) -> None:
    said = failure(file, 'modle = "x"')
    assert said == f'{file}, line 1: there is no setting "modle". Did you mean "model"?'
    assert "sdtui docs configuration" in failure(file, "zzzzqqq = 1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("device", '"tpu"'),
        ("dtype", '"float8"'),
        ("memory_mode", "3"),
        ("model", '""'),
        ("model_folders", '"/one"'),
        ("pictures", "[]"),
        ("previews", '"perhaps"'),
    ],
)
def test_wrong_values_name_file_line_and_key(file: Path, key: str, value: str) -> None:
    said = failure(file, f"# mine\n\n{key} = {value}")
    assert said.startswith(f"{file}, line 3: {key}: ")


def test_a_wrong_key_in_a_table_is_named_by_its_line(file: Path) -> None:
    said = failure(file, 'previews = true\n[keys]\n"app.quit" = "q"\n"app.help" = 3\n')
    assert said.startswith(f"{file}, line 4: keys: ")


def test_where_a_setting_comes_from(file: Path) -> None:
    file.write_text('device = "cpu"\n[keys]\n"app.quit" = "q"\nwindow.generate = "f10"\n')

    def origin(*key: str) -> str:
        return settings_origin(*key, file=file, environment={"SDTUI_MODEL": "x"})

    assert origin("device") == f"{file}, line 1"
    assert origin("keys", "app.quit") == f"{file}, line 3"
    assert origin("keys", "window.generate") == f"{file}, line 4"
    assert origin("model") == "the environment variable SDTUI_MODEL"
    assert origin("dtype") == "default"


def test_names_of_actions_need_no_quotes(file: Path) -> None:
    file.write_text('[keys]\nwindow.generate = "f10"\n"app.quit" = "f12"\n')
    assert load_settings(file, {}).keys == {"window.generate": "f10", "app.quit": "f12"}


def test_wrong_values_name_the_variable(file: Path) -> None:
    said = failure(file, 'device = "cpu"', {"SDTUI_DEVICE": "tpu"})
    assert said.startswith("the environment variable SDTUI_DEVICE: device: ")
    assert "auto, cpu, mps, cuda or cuda:N" in said


def test_not_toml(file: Path) -> None:
    assert failure(file, "model = ").startswith(f"{file} is not valid TOML")


def test_not_text(file: Path) -> None:
    file.write_bytes(b"model = '\xff\xfe'")
    with pytest.raises(SettingsError, match="can't be read"):
        load_settings(file, {})


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:11"])
def test_devices(file: Path, device: str) -> None:
    assert load_settings(file, {"SDTUI_DEVICE": device}).device == device


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('pictures = "~nobody-here/p"', "'~nobody-here/p': Could not determine home"),
        ("device = 3", "should be a text, not 3"),
        ('dtype = "half"', "'half' is none of auto, float32, float16, bfloat16"),
        ("model_folders = [1]", "should be a text, not 1"),
        ("previews = 2", "should be true or false, not 2"),
        ('keys = "q"', "should be a table of actions and their keys"),
        ("[keys]\nwindow.generate = 5", "window.generate should be a text, not 5"),
    ],
)
def test_what_is_wrong_is_said(file: Path, text: str, said: str) -> None:
    assert said in failure(file, text)
