"""Trainings whose process is a shell script."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sdtui.requests.training.request import TrainingRequest

_SCRIPT = """#!/bin/sh
folder=$3
say() { echo "$1"; echo "$1" >> "$folder/events.jsonl"; }
say '{"kind": "notice", "text": "'$SDTUI_DEVICE'"}'
say '{"kind": "step", "step": 5, "steps": 9, "loss": 1, "smoothed": 1, "learning_rate": 1,
 "seconds": 1, "memory": 1}'
end() { say '{"kind": "finished", "step": 9, "path": "/lora", "seconds": 1, "is_stopped": '$1'}'; }
while [ ! -e "$folder/command" ]; do sleep 0.01; done
case $(cat "$folder/command") in
    pause) say '{"kind": "paused", "step": 5}';;
    stop) end true;;
    finish) end false;;
    crash) kill -9 $$;;
esac
""".replace(",\n", ",")


def script_trainings(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let a script stand for the processes of trainings. It makes a step and waits for a command:
    pause, stop, finish or crash."""
    program = folder / "python"
    program.write_text(_SCRIPT)
    program.chmod(0o755)
    patch.setattr(sys, "executable", str(program))


def training_request(folder: Path, name: str = "dog") -> TrainingRequest:
    """Return a request with a folder of no pictures."""
    return TrainingRequest.parse({"instance_data_dir": folder, "output_name": name})
