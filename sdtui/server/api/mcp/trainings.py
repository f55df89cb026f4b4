"""The tool that lists trainings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdtui.core.errors import HistoryError
from sdtui.jobs import Pictures
from sdtui.requests.training.status import TrainingStatus
from sdtui.server.api.mcp.pictures import id_text
from sdtui.server.api.mcp.schemas import (
    ListedTraining,
    ListTrainingsArguments,
    TrainingSample,
    TrainingsAnswer,
)
from sdtui.server.api.mcp.tools import ToolAnswer, ToolCall

_MOST_SAMPLES = 8
"""Of a training."""


async def list_trainings(call: ToolCall, arguments: Mapping[str, Any]) -> ToolAnswer:
    """List the trainings, or one."""
    wanted = ListTrainingsArguments.model_validate(arguments)
    pictures, trainings = call.services.backend.pictures, call.services.backend.trainings

    def find() -> TrainingsAnswer:
        found = trainings.all() if wanted.name is None else [trainings.status(wanted.name)]
        return TrainingsAnswer(trainings=[_listed(each, pictures) for each in found])

    return ToolAnswer(await asyncio.to_thread(find))


def _listed(status: TrainingStatus, pictures: Pictures) -> ListedTraining:
    samples = list(_samples(status, pictures))
    return ListedTraining.model_validate({**vars(status), "samples": samples})


def _samples(status: TrainingStatus, pictures: Pictures) -> Iterator[TrainingSample]:
    """Yield the newest samples that are in the history, oldest first."""
    for each in status.samples[-_MOST_SAMPLES:]:
        try:
            entry = pictures.get(Path(each.path))
        except HistoryError:  # it was deleted
            continue
        yield TrainingSample(id=id_text(entry.id), step=each.step, prompt=each.prompt)
