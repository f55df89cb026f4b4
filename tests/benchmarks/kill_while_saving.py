"""Kill a saving process repeatedly at random moments and check its files.

    python -m tests.benchmarks.kill_while_saving [--times 1000]

A child saves, stars and trashes pictures as fast as it can and is killed with SIGKILL after a
random delay. After every kill no partial picture or JSON may have its final name, and no picture
may lack its JSON; after a refresh the index must match the folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import click

from sdtui.history import History
from sdtui.history.image_metadata import is_whole
from sdtui.history.names import sidecar_path
from tests.support.records import picture, record

SEED = 20261122


def save_for_ever(folder: Path, index: Path, ready: Connection) -> None:
    """Print "ready" and then change the history in an endless loop. Run by the child."""
    image = picture(96, 96)
    with History(folder, index) as history:
        ready.send(True)
        number = 0
        while True:
            path = history.save(image, record(f"picture {number}", seed=number), 0).path
            if number % 3 == 0:
                history.star(path)
            if number % 5 == 0:
                path = history.restore(history.trash(path)).path
            if number % 7 == 0:
                history.trash(path)
            number += 1


def kill_once(folder: Path, index: Path, delay: float) -> None:
    """Start the child and kill it after `delay` seconds."""
    processes = multiprocessing.get_context("fork")
    receiver, sender = processes.Pipe(duplex=False)
    child = processes.Process(target=save_for_ever, args=(folder, index, sender))
    child.start()
    receiver.recv()
    time.sleep(delay)
    child.kill()
    child.join()
    if child.exitcode != -signal.SIGKILL:
        raise SystemExit("the child ended by itself")
    receiver.close()
    sender.close()


def faults(folder: Path) -> list[str]:
    """Return the errors on disk right after a kill, before any recovery."""
    found = []
    for path in folder.rglob("*.png"):
        if not is_whole(path):
            found.append(f"{path} is partial")
        if not sidecar_path(path).is_file():
            found.append(f"{path} has no JSON")
    for path in folder.rglob("*.json"):
        try:
            fields = json.loads(path.read_bytes())
        except ValueError:
            found.append(f"{path} is partial")
            continue
        image = path.with_suffix(".png")
        if image.exists():
            sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
            if sha256 != fields["images"][0]["sha256"]:
                found.append(f"{image} is not the picture that its JSON means")
    return found


def faults_after_refresh(folder: Path, index: Path) -> list[str]:
    """Return the errors after the next start: leftover files, or an index that differs from the
    folder."""
    with History(folder, index) as history:
        history.refresh()
        listed = {entry.path for entry in history.every()}
        skipped = [f"{each.path}: {each.reason}" for each in history.skipped()]
    trash = folder / "trash"
    there = {path for path in folder.rglob("*.png") if not path.is_relative_to(trash)}
    parts = [str(path) for path in folder.rglob(".*.part") if not path.is_relative_to(trash)]
    wrong = [str(path) for path in listed ^ there]
    return [*parts, *skipped, *(f"{path} is listed or there, not both" for path in wrong)]


def main() -> None:
    """Kill and check repeatedly; exits with 1 after any error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    options = parser.parse_args()
    chance = random.Random(SEED)
    wrong: list[str] = []
    leftovers = pictures = 0
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(options.times):
            folder = Path(temporary) / f"pictures-{number // 25}"
            index = folder.with_suffix(".db")
            kill_once(folder, index, chance.uniform(0, 0.08))
            wrong += faults(folder)
            leftovers += any(folder.rglob(".*.part"))
            wrong += faults_after_refresh(folder, index)
            if number % 25 == 24 or number == options.times - 1:
                pictures += sum(1 for _ in folder.rglob("*.png"))
    click.echo(f"{options.times} kills, {pictures} pictures, {leftovers} kills left a .part file")
    for fault in wrong:
        click.echo(fault)
    click.echo(f"{len(wrong)} faults")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
