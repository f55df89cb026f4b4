"""The process that measures. It writes messages to its standard output, one JSON object a line:
`checks` and `machine` once, then `begin` before and `row` after each check.

It is a process of its own since an error may leave the GPU's context unusable: the main process
starts another one for the checks that are left.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import torch

from sdtui.bench.machine import describe_machine
from sdtui.engine.device import Device, choose_device
from sdtui.engine.library_setup import quiet_libraries
from tests.gpu import (
    adapters,
    control,
    families,
    fewer_bits,
    inpainting,
    lifecycle,
    machine,
    memory,
    passes,
    same_picture,
    speed,
    upscaling,
)
from tests.gpu.context import GIB, Check, Context
from tests.gpu.models import Models
from tests.gpu.rows import Reading, Row, Status

_log = logging.getLogger(__name__)

CHECKS: tuple[Check, ...] = tuple(
    check
    for module in (
        *(same_picture, adapters, control, inpainting, passes, upscaling, families, fewer_bits),
        *(memory, lifecycle, machine, speed),
    )
    for check in module.checks()
)


def main() -> None:
    """Run the checks from number `--first` on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the models are")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Libraries may print, too.
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.ERROR)
    quiet_libraries()
    device = choose_device("cpu" if options.dry else "auto")
    _send(
        messages,
        machine=_describe(device),
        checks=[[check.group, check.name] for check in CHECKS],
        accelerated=device.is_accelerator,
    )
    context = Context(device, Models(options.folder, device.torch, dry=options.dry), options.dry)
    for number, check in list(enumerate(CHECKS))[options.first :]:
        _send(messages, begin=number)
        row, lost = _run(check, context)
        _send(messages, row=asdict(row))
        if lost:
            sys.exit(1)
    context.close()


def _end_with_parent() -> None:
    """Wait for the end of the standard input, a pipe that only the parent can write to."""
    sys.stdin.read()
    os._exit(1)


def _run(check: Check, context: Context) -> tuple[Row, bool]:
    """Return the row of a check, and whether its error left the GPU unusable."""
    if check.needs_gpu and context.device.torch.type != "cuda":
        return Row(check.group, check.name, Status.NOT_HERE), False
    started = time.perf_counter()
    try:
        reading = check.measure(context)
    except Exception as error:  # noqa: BLE001  # the other rows go on
        _log.exception("%s: %s", check.group, check.name)
        reading = Reading(None, least=0, detail=f"{type(error).__name__}: {error}"[:200])
    row = Row.of(check.group, check.name, reading, time.perf_counter() - started)
    return row, row.status is Status.FAILED and not context.device.works()


def _describe(device: Device) -> dict[str, str]:
    found = describe_machine(device)
    return {
        "device": f"{found.name} ({found.device}, {found.memory / GIB:.0f} GiB)",
        "torch": f"torch {torch.__version__}",
        "system": f"{found.system}, {found.cores} cores",
    }


def _send(messages: TextIO, **values: Any) -> None:
    messages.write(json.dumps(values) + "\n")
    messages.flush()


if __name__ == "__main__":
    main()
