"""`sdtui keys`."""

from __future__ import annotations

import json

from click.testing import CliRunner

from sdtui.cli.keys import keys
from sdtui.core import paths
from sdtui.core.errors import SettingsError


def test_every_action_is_listed_with_its_key() -> None:
    file = paths.config_file()
    file.parent.mkdir(parents=True)
    file.write_text('[keys]\n"history.star" = "*"\n')
    rows = json.loads(CliRunner().invoke(keys, ["--json"]).stdout)
    by_name = {row["action"]: row["keys"] for row in rows}
    assert by_name["picture.star"] == ["asterisk"]
    assert by_name["window.generate"] == ["ctrl+g", "f5"]


def test_unknown_action_is_refused() -> None:
    file = paths.config_file()
    file.parent.mkdir(parents=True)
    file.write_text('[keys]\n"picture.sta" = "x"\n')
    result = CliRunner().invoke(keys)
    assert isinstance(result.exception, SettingsError)
    assert "picture.star" in str(result.exception)
