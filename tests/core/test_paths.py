"""Folders of a user, also of one without a home or with names that aren't UTF-8."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import NoReturn

import pytest

from sdtui.core.errors import SettingsError
from sdtui.core.paths import home_folder
from sdtui.core.settings import load_settings
from sdtui.core.text import is_text
from sdtui.models.catalog import models_in
from tests.support.tiny_models import make_sd1


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user that has no HOME and no entry in the passwd file."""

    def unknown(_: object) -> NoReturn:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("no_home")
def test_working_directory_takes_the_place_of_an_unknown_home(tmp_path: Path) -> None:
    assert home_folder() == tmp_path


@pytest.mark.parametrize("home", ["relative", "/nonexistent"])
def test_working_directory_takes_the_place_of_a_wrong_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str
) -> None:
    monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relative").mkdir()
    assert home_folder() == tmp_path


def test_name_that_is_no_text_is_refused_as_a_folder(tmp_path: Path) -> None:
    assert not is_text("a\udcff")
    for key in ("PICTURES", "MODEL_FOLDERS"):
        with pytest.raises(SettingsError, match="no valid text"):
            load_settings(tmp_path / "none", {f"SDTUI_{key}": "/a\udcff"})


def test_model_whose_name_is_no_text_is_not_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_sd1(tmp_path / "good", seed=1)
    (tmp_path / "good").rename(tmp_path / "bad\udcff")
    assert list(models_in([tmp_path])) == []
    assert "no valid text" in caplog.text
