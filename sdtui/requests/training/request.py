"""TrainingRequest: the input of a training of a LoRA.

A field is defined here or in a section, and nowhere else: flags and error messages are derived from
`TRAINING_FIELDS`. The names are those of diffusers' training scripts, and of kohya's where
diffusers has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from sdtui.core.enums import POCKET
from sdtui.core.fields import FieldSpec, Section
from sdtui.requests.field_table import FieldTable, fields_of
from sdtui.requests.request import MAX_SEED
from sdtui.requests.training.data import TrainingData
from sdtui.requests.training.network import Network
from sdtui.requests.training.optimization import Optimization, Optimizer
from sdtui.requests.training.output import TrainingExecution, TrainingOutput

_FORBIDDEN_IN_NAMES = frozenset('/\\:<>,|?*"')
"""Characters that some file systems, or the tag <lora:NAME:WEIGHT> in prompts, don't take."""

_MOST_BYTES = 200
"""File systems take 255 in UTF-8; the names of checkpoints are longer."""


def _file_name(name: str) -> str:
    """Return a name without blanks around it. Raises ValueError if it can't name a file."""
    plain = name.strip()
    if not plain or plain.startswith(".") or not plain.isprintable():
        raise ValueError("must be the name of a file, without a dot in front")
    if len(plain.encode()) > _MOST_BYTES:
        raise ValueError("is too long for the name of a file")
    if found := _FORBIDDEN_IN_NAMES.intersection(plain):
        raise ValueError(f"must not have {min(found)} in it")
    return plain


@dataclass(frozen=True)
class TrainingRequest(Section):
    """A user's request of a training. Fields that are None are chosen when the model and the
    pictures are known (see `sdtui.training.plan`).

    Use `TrainingRequest.parse` for values from users or programs: the constructor checks nothing.
    """

    instance_data_dir: Annotated[
        Path,
        FieldSpec(
            label="Pictures",
            help="A folder of pictures with captions in .txt files, or of folders such as"
            " 10_name, in which each picture counts ten times an epoch.",
            group="Pictures",
            flags=("--folder",),
            open_text="a folder, needed",
        ),
    ]
    output_name: Annotated[
        str,
        FieldSpec(
            label="Name",
            help="The name of the LoRA.",
            group="Output",
            flags=("--name",),
            open_text="of the LoRA, needed",
            min_length=1,
            max_length=100,
            check=_file_name,
        ),
    ]
    model: Annotated[
        str,
        FieldSpec(
            label="Model",
            help="The model that learns: Stable Diffusion 1, 2 or XL, or pocket.",
            group="Network",
            flags=("--model", "-m"),
            min_length=1,
            widget="model",
        ),
    ] = POCKET
    seed: Annotated[
        int,
        FieldSpec(
            label="Seed",
            help="Decides noise, order and shuffling.",
            group="Optimizer",
            ge=0,
            le=MAX_SEED,
        ),
    ] = 0
    data: TrainingData = TrainingData()  # noqa: RUF009  # frozen
    network: Network = Network()  # noqa: RUF009  # frozen
    optimization: Optimization = Optimization()  # noqa: RUF009  # frozen
    output: TrainingOutput = TrainingOutput()  # noqa: RUF009  # frozen
    execution: TrainingExecution = TrainingExecution()  # noqa: RUF009  # frozen

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Make a request from loose values, flat or in sections.

        Raises InvalidRequestError that names every wrong field, its value and its limit.
        """
        from sdtui.requests.validation import validate

        return validate(cls, TRAINING_FIELDS, values)

    def with_model_values(self, values: Mapping[str, Any]) -> Self:
        """Return the request with a model's own values, by unique names, where it leaves them
        open. Prodigy finds its learning rate itself."""
        own = TRAINING_FIELDS.values_of(self)
        is_prodigy = self.optimization.optimizer is Optimizer.PRODIGY
        for name, value in values.items():
            if own[name] is None and not (is_prodigy and name == "learning_rate"):
                own[name] = value
        return self.parse(own)

    @property
    def alpha(self) -> float:
        """The LoRA's alpha: as asked for, or the rank."""
        return float(self.network.lora_alpha or self.network.rank)


TRAINING_FIELDS: FieldTable = fields_of(TrainingRequest)
"""All fields of a request, by unique name."""
