"""`sdtui doctor`: check this machine, and say how to fix what is wrong."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdtui.cli.backend import examine_server
from sdtui.cli.connect import connect_option, connected_settings
from sdtui.core import paths
from sdtui.core.text import one_line
from sdtui.core.units import data_size

if TYPE_CHECKING:
    from sdtui.core.settings import Settings
    from sdtui.engine.diagnostics import Diagnosis

_LITTLE_DISK = 10 * 2**30
"""Bytes; SDXL in fp16 needs 7 GB."""
_ANSWER_SECONDS = 1.0
"""How long a terminal may take to say what it can draw."""
_PROTOCOLS = {"kitty": "Kitty", "iterm": "iTerm2", "sixel": "Sixel", "halfcell": "half cells"}


@click.command()
@connect_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Look at this machine: Python, torch, GPUs, memory, hub cache, disk, terminal.

    With --connect, at the server and the line to it. Ends with 1 if there is a problem.
    """
    import json
    from dataclasses import asdict, replace
    from importlib.metadata import version

    from sdtui.cli.logs import log_to_file

    log_to_file()
    settings = connected_settings()
    if (code := examine_server(settings, as_json=as_json)) is not None:
        return code
    from sdtui.engine.diagnostics import diagnose  # not where only clients are installed
    from sdtui.models import hub_cache_folder

    found = diagnose(settings)
    found = replace(found, versions={**found.versions, "textual": version("textual")})
    terminal = _terminal(settings)
    places = {
        "config": str(paths.config_file()),
        "pictures": str(settings.pictures),
        "log": str(paths.log_file()),
        "hub cache": str(hub_cache_folder()),
    }
    disk = {name: _free(Path(places[name])) for name in ("pictures", "hub cache")}
    problems = [
        *found.problems,
        *_disk_problems(disk, places),
        *_picture_problems(settings.pictures),
    ]
    report = {
        **asdict(found),
        "places": places,
        "disk_free": disk,
        "terminal": terminal,
        "problems": problems,
    }
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print(found, places, disk, terminal, problems)
    return 1 if problems else 0


def _print(
    found: Diagnosis,
    places: dict[str, str],
    disk: dict[str, int],
    terminal: dict[str, Any],
    problems: list[str],
) -> None:
    versions = "  ".join(f"{name} {number}" for name, number in found.versions.items())
    rows = [("versions", versions), ("CUDA", found.cuda or "torch is built without it")]
    rows += [
        (f"GPU {index}", f"{gpu.name}, {data_size(gpu.free)} of {data_size(gpu.total)} free")
        for index, gpu in enumerate(found.gpus)
    ]
    free, total = data_size(found.memory_free), data_size(found.memory_total)
    memory = f"{free} of {total} free, {found.cores} cores"
    mode = (found.memory_mode or "chosen when it is downloaded").replace("_", " ")
    rows += [
        ("memory", memory),
        ("chosen", f"{found.device}, {found.dtype}; {found.model}: {mode} memory"),
    ]
    if found.device == "cpu":
        rows.append(("OpenVINO", _openvino(found)))
    for name, place in places.items():
        free = f"  ({data_size(disk[name])} free)" if name in disk else ""
        rows.append((name, f"{place}{free}"))
    rows.append(("terminal", ", ".join(f"{name} {value}" for name, value in terminal.items())))
    for name, text in rows:
        click.echo(f"{name:10} {one_line(text)}")
    for problem in problems:
        click.echo(f"problem    {one_line(problem)}")
    if not problems:
        click.echo("no problems")


def _openvino(found: Diagnosis) -> str:
    if found.openvino is None:
        return "not installed; pip install 'sdtui[openvino]' makes Stable Diffusion faster on a CPU"
    return f"{found.openvino}, computes Stable Diffusion with --speed fast and max"


def _terminal(settings: Settings) -> dict[str, Any]:
    """Return what the terminal supports, by its environment variables and its own answers."""
    from sdtui.core.enums import ImageProtocol
    from sdtui.tui.terminal import colours, environment
    from sdtui.tui.terminal.image_protocol import protocol_here
    from sdtui.tui.terminal.probe import TerminalCapabilities, TerminalProbe

    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    found = TerminalProbe().answers(_ANSWER_SECONDS)[0] if is_terminal else TerminalCapabilities()
    choice = colours.colours_before_asking(settings.colours) or colours.colours_after_asking(found)
    protocol = protocol_here(ImageProtocol.AUTO, found, choice.colours)
    return {
        "TERM": os.environ.get("TERM", "none"),
        "colours": choice.about,
        "in tmux": environment.in_tmux(),
        "over SSH": environment.over_ssh(),
        "name": found.name or "not said",
        "pictures": _PROTOCOLS[protocol] if is_terminal else "not a terminal",
    }


def _free(place: Path) -> int:
    """Return the free bytes on the disk of `place`, which need not exist yet."""
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def _disk_problems(disk: dict[str, int], places: dict[str, str]) -> list[str]:
    return [
        f"only {data_size(free)} are free at {places[name]}. Make room, or move it by the settings"
        + (" (HF_HOME for the hub cache)." if name == "hub cache" else ".")
        for name, free in disk.items()
        if free < _LITTLE_DISK
    ]


def _picture_problems(pictures: Path) -> list[str]:
    existing = next(folder for folder in (pictures, *pictures.parents) if folder.exists())
    if os.access(existing, os.W_OK | os.X_OK):
        return []
    return [f"{existing} can't be written. Set `pictures` to another folder in the config file."]
