"""How quick the history is with many pictures: makes them, then opens, searches and rebuilds.

    python -m tests.benchmarks.history_speed [--entries 100000] [--folder FOLDER]

A third of the prompts are in Chinese, Japanese and Korean. The bars: 300 ms to open, 50 ms for a
search (p95). A folder that holds the entries already is used again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import click

from sdtui.history import History
from sdtui.history.infotext import encode
from sdtui.history.names import stem
from sdtui.history.sidecar import to_json
from tests.benchmarks.history_prompts import ENGLISH, HARD, QUERIES, prompt
from tests.support.records import picture, record


def make(folder: Path, count: int) -> None:
    """Write `count` small pictures with their JSON, two hundred per day."""
    chance = random.Random(7)
    template = record(pictures=1)
    data = encode(picture(8, 8), template.of_image(0), "png")
    fields = json.loads(to_json(template))
    start = datetime(2024, 1, 1, 8, tzinfo=UTC)
    for number in range(count):
        if number % 200 == 0:
            day = folder / (start + timedelta(days=number // 200)).strftime("%Y-%m-%d")
            day.mkdir(parents=True)
        when = start + timedelta(days=number // 200, seconds=number % 200 * 200)
        text = prompt(chance, number)
        width, height = chance.choice(((512, 512), (512, 768), (768, 512), (1024, 1024)))
        fields |= {"prompt": text, "negative_prompt": " ".join(chance.choices(ENGLISH, k=8))}
        fields |= {"timestamp": when.isoformat(), "seed": number, "starred": number % 50 == 0}
        fields["model"]["name"] = chance.choice(("pocket", "sd15/base", "sdxl/turbo"))
        fields["settings"]["num_inference_steps"] = chance.randint(10, 50)
        content = data + b"%d" % number
        image = {"index": 0, "seed": number, "width": width, "height": height}
        fields["images"] = [{**image, "sha256": hashlib.sha256(content).hexdigest()}]
        path = day / f"{stem(when, number, text)}.png"
        path.write_bytes(data)
        path.with_suffix(".json").write_text(json.dumps(fields, indent=2), encoding="utf-8")


class Took(NamedTuple):
    """Wall-clock seconds and this process's CPU seconds; both are equal on an idle machine."""

    wall: float
    cpu: float


def measure(work: Callable[..., object], *arguments: object) -> Took:
    """Return the time that a call takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(*arguments)
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


def open_and_show(folder: Path, index: Path) -> None:
    """Open the history and read its first page, as `sdtui history list` and the app do."""
    with History(folder, index) as history:
        history.refresh()
        history.entries()


def typing(history: History, query: str) -> list[Took]:
    """Search after every letter of a word; return the time of each search."""
    return [measure(history.entries, query[:end]) for end in range(1, len(query) + 1)]


def in_words(took: list[Took]) -> str:
    """Return median, 95th percentile and maximum, wall-clock and CPU, as text."""
    parts = []
    for name, values in (
        ("wall", [each.wall for each in took]),
        ("CPU", [each.cpu for each in took]),
    ):
        p95 = statistics.quantiles(values, n=20, method="inclusive")[-1]
        figures = [statistics.median(values), p95, max(values)]
        parts.append(f"{name} " + " / ".join(f"{1000 * figure:.1f}" for figure in figures))
    return ", ".join(parts)


def main() -> None:
    """Create the entries, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rebuilds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = options.folder or Path(temporary) / "pictures"
        index = folder.parent / "history.db"
        if not folder.exists():
            click.echo(f"made in {measure(make, folder, options.entries).wall:.0f} s")
        for left in folder.parent.glob("history.db*"):
            left.unlink()
        with History(folder, index) as history:
            rebuilds = [measure(history.reindex) for _ in range(options.rebuilds)]
            count = history.stats().pictures
        opens = [measure(open_and_show, folder, index) for _ in range(7)]
        with History(folder, index) as history:
            usual = [took for query in QUERIES for _ in range(3) for took in typing(history, query)]
            hard = {query: [measure(history.entries, query) for _ in range(7)] for query in HARD}
        command = [sys.executable, "-c", "import sdtui.history"]
        imports = [measure(subprocess.run, command).wall for _ in range(3)]
    click.echo(f"{count:,} entries")
    for took in rebuilds:
        cpu = count / took.cpu
        click.echo(f"rebuild: {count / took.wall:,.0f} files/s, {cpu:,.0f} a second of CPU")
    click.echo("below: median / p95 / worst in ms")
    click.echo(f"open + first page: {in_words(opens)}")
    click.echo(f"  in a new interpreter: {1000 * min(imports):.0f} ms more to import sdtui.history")
    click.echo(f"search as typed: {in_words(usual)}")
    for query, times in hard.items():
        click.echo(f"  {query:16} {in_words(times)}")


if __name__ == "__main__":
    main()
