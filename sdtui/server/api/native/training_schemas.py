"""The bodies and answers of trainings."""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import quote

from fastapi import Request
from pydantic import BaseModel, ConfigDict, RootModel, model_validator

from sdtui.requests.training.request import TRAINING_FIELDS, TrainingRequest
from sdtui.requests.training.status import TrainingCondition, TrainingStatus
from sdtui.server.api.native.schemas import request_schema
from sdtui.server.scopes import root_path_of


class TrainingBody(RootModel[dict[str, Any]]):
    """What to train. The values are checked where a request is made of them."""

    @model_validator(mode="before")
    @classmethod
    def _few(cls, values: Any) -> Any:
        """Refuse bodies with too many fields, since each unknown one is an error of its own."""
        if isinstance(values, dict) and len(values) > len(TRAINING_FIELDS):
            raise ValueError(f"has {len(values)} fields; there are {len(TRAINING_FIELDS)}")
        return values

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic: the schema of a TrainingRequest, which also takes its fields without
        sections."""
        whole = request_schema(TrainingRequest)
        properties = whole["properties"]
        flat = {
            name: properties[field.section]["properties"][field.path[-1]]
            for name, field in TRAINING_FIELDS.items()
            if field.section
        }
        return {
            **whole,
            "properties": {**properties, **flat},
            "title": cls.__name__,
            "description": "What to train. The fields of sections may also stand without them.",
            "examples": [{"instance_data_dir": "zorb", "output_name": "zorb"}],
        }


class CheckpointAnswer(BaseModel):
    """A LoRA that was written after a step."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    step: int
    smoothed: float
    """The smoothed loss at that step; 0 if it is unknown."""
    url: str
    """Of the file. POST URL/keep makes it the training's LoRA."""


class SampleAnswer(BaseModel):
    """A picture that was made after a step."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    step: int
    number: int
    """Of the prompt, from 0."""
    prompt: str
    url: str
    """Of the picture, which is in the history too."""


class ListedTraining(BaseModel):
    """A training, whether it runs or not. Numbers are 0 as long as they are unknown."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)

    name: str
    url: str
    """Of this training; its events are at URL/events, its loss is at URL/curve."""
    condition: TrainingCondition
    is_elsewhere: bool
    """True if it runs in another process than this server's."""
    model: str
    step: int
    """Steps that are done."""
    steps: int
    loss: float
    smoothed: float
    learning_rate: float
    step_seconds: float
    """Of a step, on average over the last fifty."""
    seconds_left: float | None
    """Until the last step; null unless it is running."""
    memory: int
    """Bytes in use on the device."""
    activity: str
    """What is prepared before the first step, e.g. "latents"; empty afterwards."""
    lora: str | None
    """URL of the LoRA's file, once there is one."""
    lora_step: int
    """The step that it is of."""
    error: str
    """Why it failed."""
    notices: tuple[str, ...]
    """Sentences that people should know, of its last run."""

    @classmethod
    def of(cls, http: Request, status: TrainingStatus) -> Self:
        """Return the answer for a training."""
        url = url_of(http, status.name)
        return cls.model_validate({**vars(status), "url": url, **cls._links(url, status)})

    @classmethod
    def _links(cls, url: str, status: TrainingStatus) -> dict[str, Any]:
        return {"lora": f"{url}/lora" if status.lora else None}


class TrainingAnswer(ListedTraining):
    """A training with its samples and checkpoints."""

    samples: list[SampleAnswer]
    checkpoints: list[CheckpointAnswer]

    @classmethod
    def _links(cls, url: str, status: TrainingStatus) -> dict[str, Any]:
        samples = [
            {**vars(each), "url": f"{url}/samples/{each.step}/{each.number}"}
            for each in status.samples
        ]
        checkpoints = [
            {**vars(each), "url": f"{url}/checkpoints/{each.step}"} for each in status.checkpoints
        ]
        return {**super()._links(url, status), "samples": samples, "checkpoints": checkpoints}


class CurveAnswer(BaseModel):
    """The loss over the steps. Each point is the mean of a stretch of steps, whose last one is in
    `steps`."""

    model_config = ConfigDict(from_attributes=True)

    steps: tuple[int, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]


def url_of(http: Request, name: str) -> str:
    """Return the URL of a training."""
    return f"{root_path_of(http.scope)}/trainings/{quote(name, safe='')}"
