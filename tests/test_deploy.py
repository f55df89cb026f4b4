"""The ready-made files for operators fit the commands, options and metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from sdtui.cli.serve import serve
from sdtui.cli.server_options import VARIABLE_PREFIX
from sdtui.core.settings import ABOUT_SETTINGS
from tests.support.manual import PAGES, flags_of

FOLDER = PAGES["server"].parent / "deploy"
FILES = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()}
OTHER_VARIABLES = {"SDTUI_CONFIG", "SDTUI_API_KEY"}


def test_variables_and_flags_are_those_of_the_server() -> None:
    known = {option.envvar for option in serve.server_options.values()} | OTHER_VARIABLES
    known |= {f"SDTUI_{key.upper()}" for key in ABOUT_SETTINGS}
    text = "\n".join(FILES.values())
    assert VARIABLE_PREFIX in text
    assert set(re.findall(r"\bSDTUI_[A-Z_]+", text)) <= known
    assert {"--trusted-proxy"} <= flags_of("serve")


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yaml"])
def test_metrics_are_there(name: str) -> None:
    table = PAGES["server"].read_text(encoding="utf-8").partition("## Metrics")[2]
    listed = set(re.findall(r"sdtui_\w+", table))
    named = set(re.findall(r"\bsdtui_\w+", FILES[name]))
    assert len(named) > 5
    assert {re.sub("_(bucket|count|sum)$", "", metric) for metric in named} <= listed


def test_files_are_well_formed() -> None:
    panels = json.loads(FILES["grafana.json"])["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    alerts = yaml.safe_load(FILES["alerts.yaml"])["groups"][0]["rules"]
    assert all({"alert", "expr", "annotations"} <= set(rule) for rule in alerts)
    services = yaml.safe_load(FILES["compose.yaml"])["services"]
    assert (FOLDER / services["sdtui"]["build"]["context"] / "pyproject.toml").exists()
    assert Path(services["sdtui"]["build"]["dockerfile"]).name in FILES


def test_every_file_is_linked_from_the_page_for_operators() -> None:
    page = PAGES["operating"].read_text(encoding="utf-8")
    assert {name for name in FILES if f"(deploy/{name})" not in page} == set()
