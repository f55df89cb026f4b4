"""The manual and the README fit the code: links, flags, settings, keys, routes, commands."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import click
import pytest

from sdtui.cli.commands import sdtui
from sdtui.core.enums import MemoryMode, Policy, Speed
from sdtui.core.settings import ABOUT_SETTINGS, load_settings
from sdtui.docs import TOPICS
from sdtui.engine.features.feature import Feature
from sdtui.engine.memory.ladder import LADDERS
from sdtui.history.search import FIELDS as SEARCH_FIELDS
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.server.api.a1111.routes import ROUTERS as A1111_ROUTERS
from sdtui.server.api.native.routes import ROUTERS as NATIVE_ROUTERS
from sdtui.server.api.openai.routes import ROUTERS as OPENAI_ROUTERS
from sdtui.tui.actions import ACTIONS
from sdtui.tui.key_names import key_names
from sdtui.tui.keymap import check_keymap
from tests.support.manual import (
    EVERY_PAGE,
    PAGES,
    ROOT,
    anchors,
    blocks,
    code_spans,
    command_lines,
    flags_of,
    links,
    parse,
)

_TEST_COMMAND = re.compile(r"<!-- tests -->\n```\n(.+)\n```\n")


def text(topic: str) -> str:
    return PAGES[topic].read_text()


def ids(page: Path) -> str:
    return page.name


def test_every_page_has_a_topic_and_every_topic_a_page() -> None:
    folder = PAGES["app"].parent
    assert {page.stem for page in folder.glob("*.md")} == set(TOPICS)


def test_readme_is_short_links_every_page_and_keeps_the_command_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 150
    for page in PAGES.values():
        assert f"({page.relative_to(ROOT)})" in readme
    found = _TEST_COMMAND.findall(readme)
    assert len(found) == 1
    assert "pytest" in found[0]


@pytest.mark.parametrize("page", EVERY_PAGE, ids=ids)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", EVERY_PAGE, ids=ids)
def test_every_command_line_parses(page: Path) -> None:
    for arguments in command_lines(page):
        try:
            parse(arguments)
        except click.UsageError as error:
            pytest.fail(f"sdtui {' '.join(arguments)}: {error}")


def test_command_lines_are_found_and_wrong_ones_noticed() -> None:
    found = list(command_lines(PAGES["generate"]))
    assert ["generate", "a red apple", "--count", "8"] in found
    for wrong in (["generate", "x", "--stepz", "3"], ["paint"], ["generate", "x", "--policy", "y"]):
        with pytest.raises(click.UsageError):
            parse(wrong)


@pytest.mark.parametrize(
    ("topic", "command"), [("generate", "generate"), ("server", "serve"), ("speed", "bench")]
)
def test_every_flag_is_in_a_table_of_its_page(topic: str, command: str) -> None:
    rows = [line for line in text(topic).splitlines() if line.startswith("|")]
    for flag in flags_of(command):
        assert any(f"`{flag}`" in row for row in rows), flag


def test_every_field_of_a_request_is_in_the_table_of_json_names() -> None:
    page = text("generate")
    for name, field in REQUEST_FIELDS.items():
        row = next((row for row in page.splitlines() if f"`{'.'.join(field.path)}`" in row), "")
        assert row.startswith("|"), name
        assert f"`{name}`" in row, name


def test_every_example_of_a_request_is_valid() -> None:
    found = "".join(blocks(PAGES["generate"], "json")).splitlines()
    assert len(found) > 2
    for line in found:
        GenerationRequest.parse(json.loads(line))


def test_every_field_of_the_search_language_is_in_the_table() -> None:
    rows = [line for line in text("history").splitlines() if line.startswith("| `")]
    terms = " ".join(row.split(" | ")[0] for row in rows)
    for name in SEARCH_FIELDS:
        assert re.search(rf"`-?{name}[:<>=]", terms), name


def test_every_command_is_explained() -> None:
    named = {tuple(line[:1]) for page in PAGES.values() for line in command_lines(page)}
    group = click.Context(sdtui)
    assert {(name,) for name in sdtui.list_commands(group)} <= named
    history = sdtui.get_command(group, "history")
    assert isinstance(history, click.Group)
    for name in history.commands:
        assert {name, f"sdtui history {name}"} & {
            re.sub(r" [A-Z\[].*", "", span) for span in code_spans(PAGES["history"])
        }, name


def test_every_setting_is_in_the_table() -> None:
    rows = [line for line in text("configuration").splitlines() if line.startswith("| `")]
    keys = {row.split("`")[1] for row in rows}
    assert set(ABOUT_SETTINGS) <= keys


def test_every_action_is_listed_with_its_keys_and_help() -> None:
    listed = [line for line in text("app").splitlines() if re.match(r"\| `\w+\.\w+`", line)]
    assert listed == [
        f"| `{action.id}` | {' '.join(f'`{key}`' for key in key_names(action.keys))} | "
        f"{action.help} |"
        for action in ACTIONS
    ]


def test_memory_page_has_every_mode_policy_and_rung() -> None:
    rows = [line for line in text("memory").splitlines() if line.startswith("|")]
    names = [mode for mode in MemoryMode if mode is not MemoryMode.AUTO]
    for name in (*names, *Policy):
        assert any(row.startswith(f"| `{name}`") for row in rows), name
    for rung in LADDERS[Policy.KEEP]:
        assert any(row.startswith(f"| {rung.name} ") or rung.name in row for row in rows), rung.name


def test_packages_without_an_engine_are_dependencies() -> None:
    found = re.search(r"pip install (textual.*?)```", text("remote"), re.DOTALL)
    assert found is not None
    named = found[1].replace("\\\n", " ").replace("'", "").split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in named:
        assert any(each.startswith(name) for each in project["dependencies"]), name


def test_speed_page_has_every_preset() -> None:
    for preset in Speed:
        assert f"\n| `{preset}` |" in text("speed")


def test_server_page_has_every_route() -> None:
    spans = " ".join(code_spans(PAGES["server"]))
    for router in (*NATIVE_ROUTERS, *OPENAI_ROUTERS):
        for route in router.routes:
            path = getattr(route, "path", "/")
            known = re.sub(r"\{[^}]*id\}", "ID", path).replace("{index}", "0")
            known = known.replace("{name}", "NAME").replace("{step}", "250")
            known = known.replace("{number}", "0")
            if getattr(route, "include_in_schema", False) and not known.endswith("}"):
                assert known in spans, path


def test_server_page_has_every_metric() -> None:
    source = "".join(each.read_text() for each in (ROOT / "sdtui" / "server").glob("*metrics.py"))
    names = set(re.findall(r'"(sdtui_[a-z_]+)"', source))
    assert len(names) > 10
    for name in names:
        assert f"`{name}`" in text("server") or f"`{name}_total`" in text("server"), name


def test_every_variable_that_the_code_reads_is_documented() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "sdtui").rglob("*.py"))
    manual = "".join(page.read_text() for page in PAGES.values())
    names = set(re.findall(r"\b_?(?:SDTUI|HF|XDG|OMP)_[A-Z_]*[A-Z]\b", sources))
    assert "SDTUI_API_KEY" in names
    for name in names:
        assert name in manual, name


def test_server_page_names_no_route_of_a1111_that_is_not_there() -> None:
    known = {getattr(route, "path", "") for router in A1111_ROUTERS for route in router.routes}
    (row,) = (line for line in text("server").splitlines() if line.startswith("| A1111 |"))
    names = re.findall(r"`([a-z0-9-]+)`", row)
    assert len(names) > 10
    assert {f"/sdapi/v1/{name}" for name in names} <= known


@pytest.mark.parametrize("page", EVERY_PAGE, ids=ids)
def test_every_example_of_a_config_file_is_valid(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "toml")):
        tomllib.loads(block)
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        check_keymap(load_settings(file, {}).keys)


@pytest.mark.parametrize("topic", ["architecture", "development"])
def test_every_path_of_the_code_is_there(topic: str) -> None:
    for span in code_spans(PAGES[topic]):
        if re.fullmatch(r"[a-z_0-9./]*/[a-z_0-9./]*", span):
            assert (ROOT / span).exists() or (ROOT / "sdtui" / span).exists(), span


def test_development_page_has_every_hook_of_a_feature() -> None:
    hooks = {name for name in vars(Feature) if not name.startswith("_") and name != "name"}
    spans = set(code_spans(PAGES["development"]))
    assert hooks
    assert hooks <= spans


def test_architecture_lists_every_package() -> None:
    for package in (ROOT / "sdtui").iterdir():
        if (package / "__init__.py").is_file():
            assert f"`{package.name}/`" in text("architecture"), package.name
