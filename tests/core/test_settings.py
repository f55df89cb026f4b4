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


def test_settings_default_without_file_and_variables(file: Path) -> None:
    assert load_settings(file, {}) == Settings()


def test_settings_are_read_from_the_file(file: Path) -> None:
    file.write_text('model = "a/b"\ndtype = "bfloat16"\npreviews = false\nmodel_folders = ["~/m"]')
    settings = load_settings(file, {})
    assert settings.model == "a/b"
    assert settings.dtype is DType.BFLOAT16
    assert not settings.previews
    assert settings.model_folders == (Path("~/m").expanduser(),)


def test_environment_precedes_the_file(file: Path) -> None:
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


def test_empty_variable_is_an_empty_list(file: Path) -> None:
    assert load_settings(file, {"SDTUI_MODEL_FOLDERS": ""}).model_folders == ()


def test_config_file_is_found_in_xdg_or_by_variable(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_unknown_key_is_refused_with_a_suggestion(file: Path) -> None:
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
        ("connect", '"ftp://box"'),
        ("daemon_end_hours", '"soon"'),
        ("daemon_end_hours", "-1"),
        ("model_folders", '"/one"'),
        ("pictures", "[]"),
        ("previews", '"perhaps"'),
    ],
)
def test_wrong_value_is_refused_by_file_line_and_key(file: Path, key: str, value: str) -> None:
    said = failure(file, f"# mine\n\n{key} = {value}")
    assert said.startswith(f"{file}, line 3: {key}: ")


def test_wrong_value_in_a_table_is_refused_by_its_line(file: Path) -> None:
    said = failure(file, 'previews = true\n[keys]\n"app.quit" = "q"\n"app.help" = 3\n')
    assert said.startswith(f"{file}, line 4: keys: ")


def test_origin_of_a_setting_is_its_line_or_variable(file: Path) -> None:
    file.write_text('device = "cpu"\n[keys]\n"app.quit" = "q"\nwindow.generate = "f10"\n')

    def origin(*key: str) -> str:
        return settings_origin(*key, file=file, environment={"SDTUI_MODEL": "x"})

    assert origin("device") == f"{file}, line 1"
    assert origin("keys", "app.quit") == f"{file}, line 3"
    assert origin("keys", "window.generate") == f"{file}, line 4"
    assert origin("model") == "the environment variable SDTUI_MODEL"
    assert origin("dtype") == "default"


def test_action_names_need_no_quotes(file: Path) -> None:
    file.write_text('[keys]\nwindow.generate = "f10"\n"app.quit" = "f12"\n')
    assert load_settings(file, {}).keys == {"window.generate": "f10", "app.quit": "f12"}


def test_wrong_variable_is_refused_by_its_name(file: Path) -> None:
    said = failure(file, 'device = "cpu"', {"SDTUI_DEVICE": "tpu"})
    assert said.startswith("the environment variable SDTUI_DEVICE: device: ")
    assert "auto, cpu, mps, cuda or cuda:N" in said


def test_invalid_toml_is_refused(file: Path) -> None:
    assert failure(file, "model = ").startswith(f"{file} is not valid TOML")


def test_config_that_is_not_text_is_refused(file: Path) -> None:
    file.write_bytes(b"model = '\xff\xfe'")
    with pytest.raises(SettingsError, match="can't be read"):
        load_settings(file, {})


def test_folder_as_config_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:11"])
def test_every_kind_of_device_is_accepted(file: Path, device: str) -> None:
    assert load_settings(file, {"SDTUI_DEVICE": device}).device == device


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('pictures = "~nobody-here/p"', "'~nobody-here/p': Could not determine home"),
        ("device = 3", "should be a text, not 3"),
        ('dtype = "half"', "'half' is not one of auto, float32, float16, bfloat16"),
        ("model_folders = [1]", "should be a text, not 1"),
        ("previews = 2", "should be true or false, not 2"),
        ('keys = "q"', "should be a table of actions and their keys"),
        ("[keys]\nwindow.generate = 5", "window.generate should be a text, not 5"),
    ],
)
def test_wrong_settings_are_refused_with_the_reason(file: Path, text: str, said: str) -> None:
    assert said in failure(file, text)


@pytest.mark.parametrize("tab", ["create", "queue", "history"])
def test_old_action_names_in_the_keys_table_still_work(file: Path, tab: str) -> None:
    file.write_text(f'[keys]\nwindow.{tab}_room = "f10"\n')
    assert load_settings(file, {}).keys == {f"window.{tab}_tab": "f10"}


def test_old_names_of_actions_on_orphaned_jobs_still_work(file: Path) -> None:
    file.write_text('[keys]\n"left_behind.no" = "f10"\n')
    assert load_settings(file, {}).keys == {"orphaned_jobs.no": "f10"}


def test_config_below_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "null").touch()
    assert load_settings(tmp_path / "null" / "sdtui" / "config.toml", {}) == load_settings(
        tmp_path / "missing.toml", {}
    )
