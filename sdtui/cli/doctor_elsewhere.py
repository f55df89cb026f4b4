"""`sdtui doctor --connect`: the connection to a server, and what it says of itself."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from sdtui import __version__
from sdtui.core.text import one_line
from sdtui.core.units import data_size, duration

if TYPE_CHECKING:
    from sdtui.monitor import Sample

_ROUND_TRIPS = 5


def examine(
    where: str,
    ask_health: Callable[[], dict[str, Any]],
    take_sample: Callable[[], Sample],
    *,
    as_json: bool,
) -> int:
    """Print what is known of a server; return 1 if there is a problem. `ask_health` returns the
    JSON of its /health, `take_sample` what its hardware does. Raises ConnectionLostError."""
    health = ask_health()
    seconds = []
    for _ in range(_ROUND_TRIPS):
        before = time.monotonic()
        ask_health()
        seconds.append(time.monotonic() - before)
    sample = take_sample()
    problems = _problems(health)
    report: dict[str, Any] = {
        "where": where,
        "round_trip": statistics.median(seconds),
        "version": __version__,
        "server": health,
        "memory": {"used": sample.ram_used, "total": sample.ram_total},
        "gpus": [
            {"name": gpu.name, "used": gpu.memory_used, "total": gpu.memory_total}
            for gpu in sample.gpus
        ],
        "problems": problems,
    }
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print(report)
    return 1 if problems else 0


def _problems(health: dict[str, Any]) -> list[str]:
    problems = [str(health["problem"])] if health.get("problem") else []
    if health.get("version") != __version__:
        problems.append(
            f"the server has version {health.get('version')} and this sdtui {__version__}. "
            "Update the older one."
        )
    return problems


def _print(report: dict[str, Any]) -> None:
    health, memory = report["server"], report["memory"]
    rows = [
        ("where", f"{report['where']}, {report['round_trip'] * 1000:.0f} ms away"),
        ("server", f"version {health['version']}, running for {duration(health['uptime'])}"),
        ("model", health["model"] or "none in memory"),
        ("jobs", f"{health['queue_length']} queued"),
        ("memory", f"{data_size(memory['used'])} of {data_size(memory['total'])} in use"),
        *(
            ("GPU", f"{gpu['name']}, {data_size(gpu['used'])} of {data_size(gpu['total'])} in use")
            for gpu in report["gpus"]
        ),
        *(("problem", each) for each in report["problems"]),
    ]
    for name, text in rows:
        click.echo(f"{name:10} {one_line(text)}")
    if not report["problems"]:
        click.echo("no problems")
