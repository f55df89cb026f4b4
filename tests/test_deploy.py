"""The ready-made files for operators fit the commands, options and metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.process_collector import ProcessCollector

from sdtui.cli.serve import serve
from sdtui.cli.server_options import VARIABLE_PREFIX
from sdtui.core.settings import ABOUT_SETTINGS
from sdtui.server.options import DEFAULT_PORT, ServerOptions
from tests.support import manual
from tests.support.manual import PAGES, ROOT, flags_of
from tests.support.nginx import nginx_command

FOLDER = PAGES["server"].parent / "deploy"
FILES = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir()}
OTHER_VARIABLES = {"SDTUI_CONFIG", "SDTUI_API_KEY"}
OF_PROMETHEUS = {"instance", "job"}
"""The labels that Prometheus adds."""


def test_variables_and_flags_are_those_of_the_server() -> None:
    known = {option.envvar for option in serve.server_options.values()} | OTHER_VARIABLES
    known |= {f"SDTUI_{key.upper()}" for key in ABOUT_SETTINGS}
    text = "\n".join(FILES.values())
    assert VARIABLE_PREFIX in text
    assert set(re.findall(r"\bSDTUI_[A-Z_]+", text)) <= known
    named = set(re.findall(r"(--(?:trusted|unix|max|api|grace)[\w-]*)", text))
    assert "--trusted-proxy" in named
    assert named <= flags_of("serve")


def test_ports_sizes_and_times_are_those_of_the_server() -> None:
    options = ServerOptions()
    for name in ("Caddyfile", "Dockerfile", "compose.yaml", "nginx.conf", "sdtui.socket"):
        assert str(DEFAULT_PORT) in FILES[name], name
    assert f"client_max_body_size {options.max_body // 2**20}m;" in FILES["nginx.conf"]
    assert f"max_size {options.max_body // 2**20}MiB\n" in FILES["Caddyfile"]
    for found in (
        re.search(r"TimeoutStopSec=(\d+)", FILES["sdtui.service"]),
        re.search(r"stop_grace_period: (\d+)s", FILES["compose.yaml"]),
    ):
        assert found is not None
        assert int(found[1]) > options.grace


def queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard and the alerts, and the text that shows its results."""
    dashboard = json.loads(FILES["grafana.json"])
    for panel in dashboard["panels"]:
        yield from ((each["expr"], each["legendFormat"]) for each in panel["targets"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield (
                re.sub(r"label_values\((\w+), (\w+)\)", r"sum by (\2) (\1)", variable["query"]),
                "",
            )
    for rule in yaml.safe_load(FILES["alerts.yaml"])["groups"][0]["rules"]:
        yield rule["expr"], rule["annotations"]["summary"]


def test_every_metric_and_label_is_exposed() -> None:
    known = manual.metrics()
    known |= {each.name: set() for each in ProcessCollector(registry=None).collect()}
    seen = set()
    for query, shown in queries():
        names = set(re.findall(r"\b(?:sdtui|process)_\w+", query)) - {"sdtui"}
        labels = set(OF_PROMETHEUS)
        for name in names:
            plain = re.sub("_(bucket|count|sum)$", "", name)
            assert plain in known, name
            labels |= known[plain] | ({"le"} if name.endswith("_bucket") else set())
        grouped = re.findall(r"\bby \(([\w, ]+)\)", query)
        used = {*re.findall(r"(\w+)(?:=~?|!=|!~)\"", query), *re.findall(r"\w+", " ".join(grouped))}
        # A template can show only what the query leaves.
        left = set(re.findall(r"\w+", " ".join(grouped))) if grouped else labels
        texts = re.findall(r"{{\s*(?:\$labels\.)?(\w+)\s*}}", shown)
        assert used <= labels, query
        assert set(texts) <= left, (query, shown)
        seen |= names
    assert len(seen) > 15


def test_alerts_and_dashboard_are_well_formed() -> None:
    panels = json.loads(FILES["grafana.json"])["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for rule in yaml.safe_load(FILES["alerts.yaml"])["groups"][0]["rules"]:
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}, rule
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))


def test_containers_are_built_from_what_is_there_and_write_into_volumes_alone() -> None:
    copied = " ".join(re.findall(r"^COPY (.+) \S+$", FILES["Dockerfile"], re.MULTILINE)).split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"pyproject.toml", project["readme"], "LICENSE", "sdtui"} == set(copied)
    assert all((ROOT / source).exists() for source in copied)
    assert FILES["Dockerfile"].index("\nUSER ") < FILES["Dockerfile"].index("\nCMD ")
    compose = yaml.safe_load(FILES["compose.yaml"])
    for service in compose["services"].values():
        assert (FOLDER / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert service["read_only"]
        named = {each.split(":")[0] for each in service["volumes"] if not each.startswith("/")}
        assert named == set(compose["volumes"])
        assert set(service["secrets"]) == set(compose["secrets"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for name in ("sdtui.service", "sdtui.socket"):
        text = FILES[name].replace("/opt/sdtui/bin/sdtui", shutil.which("true") or "")
        (tmp_path / name).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    checked = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    command = [*nginx_command(tmp_path, f"unix:{tmp_path}/socket", "127.0.0.1:7860"), "-t", "-q"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_file_is_linked_from_the_page_for_operators() -> None:
    page = PAGES["operating"].read_text(encoding="utf-8")
    assert {name for name in FILES if f"(deploy/{name})" not in page} == set()
