"""What is imported when: heavy libraries stay out of start-up. In a child process each, since a
static look can't prove a deferral."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdtui.core.runtime import keep_compiled_code

_COMPILED = "TORCHINDUCTOR_CACHE_DIR"
_HEAVY = ("torch", "diffusers", "transformers", "accelerate", "huggingface_hub", "ray", "mcp_types")


_LIGHT = (
    "import sdtui.core.settings",
    "import sdtui.pocket",
    "import sdtui.cli.bench",
    "import sdtui.cli.commands, sdtui.cli.generate, sdtui.cli.doctor, sdtui.cli.history",
    "import sdtui.requests.request, sdtui.requests.record, sdtui.requests.events",
    "import sdtui.jobs",
    "import sdtui.bench.plan, sdtui.bench.report, sdtui.bench.compare",
    "import sdtui.models.catalog, sdtui.models.tokens, sdtui.models.estimate, sdtui.models.hub",
    "from sdtui.models.catalog import installed_models; installed_models()",
    "import sdtui.history, sdtui.history.importers",
    "import sdtui.cli.serve, sdtui.server.lifecycle, sdtui.cli.mcp",
    "import sdtui.cli.worker, sdtui.cluster.join, sdtui.cluster.pool, sdtui.cluster.machine",
)


def _imported(code: str) -> set[str]:
    return set(_output(f"{code}\nimport sys; print('\\n'.join(sys.modules))").split())


def _output(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_nothing_heavy() -> None:
    # In one process: what one line imports counts for the lines behind it too.
    code = [
        f"{line}\nprint({line!r}, set(sys.modules).intersection({_HEAVY!r}), sep=': ')"
        for line in _LIGHT
    ]
    printed = _output("\n".join(["import sys", *code])).splitlines()
    assert printed == [f"{line}: set()" for line in _LIGHT]


@pytest.mark.parametrize("argument", ["--help", "docs"])
def test_help_needs_neither_torch_nor_textual(argument: str) -> None:
    code = (
        f"import sys; sys.argv = ['sdtui', '{argument}']\n"
        "from sdtui.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass"
    )
    assert _imported(code).isdisjoint({*_HEAVY, "textual", "textual_image", "numpy", "PIL"})


def test_the_window_needs_nothing_that_works_behind_it() -> None:
    code = """
import asyncio, sys, sdtui.cli.main, sdtui.cli.app, sdtui.tui.launch
from sdtui.core.settings import load_settings
from sdtui.tui.app import SdtuiApp
from sdtui.tui.screens import main

async def open_the_window():
    seen = asyncio.Event()
    main.run_in_background = lambda *_: seen.set()
    async with SdtuiApp(load_settings(), open_backend=None).run_test():
        await seen.wait()
        print(*sys.modules)

asyncio.run(open_the_window())
"""
    native = {f"sdtui.{part}" for part in ("jobs", "history", "monitor", "models", "core.request")}
    prompts = {"sdtui.core.dynamic_prompts.parser", "sdtui.core.prompt_syntax"}
    behind = {*native, *prompts, "pydantic", "click", "sqlite3"}
    assert _imported(code).isdisjoint({*_HEAVY, *behind, "sdtui.tui.screens.dialogs"})


def test_attached_app_needs_no_index_and_no_arithmetic() -> None:
    code = "import sdtui.jobs.backends.remote.backend, sdtui.jobs.wire.types"
    assert _imported(code).isdisjoint({*_HEAVY, "sqlite3", "numpy", "fastapi", "PIL", "textual"})


@pytest.mark.slow
def test_the_engine_knows_no_interface_and_what_torch_compiles_outlives_a_reboot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(_COMPILED, raising=False)
    found = _imported(f"import sdtui.engine.generator, os\nprint(os.environ[{_COMPILED!r}])")
    assert found.isdisjoint({"textual", "fastapi", "click", "typer"})
    assert str(tmp_path / "sdtui" / "compiled") in found


def test_chosen_folder_for_what_torch_compiles_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_COMPILED, "/somewhere/else")
    keep_compiled_code()
    assert os.environ[_COMPILED] == "/somewhere/else"


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv(_COMPILED, raising=False)
    assert _output("import sdtui.engine; print('imported')") == "imported\n"
