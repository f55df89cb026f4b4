"""Enumerations that several packages share."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Literal

PictureFormat = Literal["png", "jpeg", "webp"]

POCKET = "pocket"
"""The name of the bundled model."""
UNKNOWN_MODEL = "unknown"
"""The model in records of pictures that don't name one."""


class Policy(StrEnum):
    """What may be done when memory runs out."""

    KEEP = "keep"
    STRICT = "strict"
    TUTORIAL = "tutorial"


class MemoryMode(StrEnum):
    """Where the weights are during a run; members are in order of speed, fastest first."""

    AUTO = "auto"
    FULL = "full"
    MODEL_OFFLOAD = "model_offload"
    GROUP_OFFLOAD = "group_offload"
    SEQUENTIAL_OFFLOAD = "sequential_offload"
    PARTS = "parts"


class DType(StrEnum):
    """The number format of the weights."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Quantize(StrEnum):
    """How weights are stored that take fewer bits than the precision of the computation."""

    NONE = "none"
    FP8 = "fp8"
    INT8 = "int8"
    NF4 = "nf4"


class Speed(StrEnum):
    """What may be given up for speed."""

    QUALITY = "quality"
    FAST = "fast"
    MAX = "max"


class Runtime(StrEnum):
    """What computes a model on a CPU."""

    AUTO = "auto"
    TORCH = "torch"
    OPENVINO = "openvino"


class ImageProtocol(StrEnum):
    """How a terminal draws pictures."""

    AUTO = "auto"
    KITTY = "kitty"
    ITERM = "iterm"
    SIXEL = "sixel"
    HALFCELL = "halfcell"


class Colours(StrEnum):
    """How many colours the app uses."""

    AUTO = "auto"
    TRUE = "24bit"
    EIGHT_BIT = "256"
    FOUR_BIT = "16"


class Notify(StrEnum):
    """How the app says that a job is done."""

    AUTO = "auto"
    BELL = "bell"
    OFF = "off"


class Rng(StrEnum):
    """Whose random numbers noise is made of."""

    CPU = "cpu"
    NV = "nv"

    @classmethod
    def _missing_(cls, value: object) -> Rng | None:
        """A1111's spellings: its GPU is NVIDIA's nearly always."""
        plain = str(value).lower()
        names = {**{each.value: each for each in cls}, "gpu": cls.NV, "cuda": cls.NV}
        return names.get(plain)


class PromptSyntax(StrEnum):
    """What brackets and words such as AND mean in a prompt."""

    A1111 = "a1111"
    PLAIN = "plain"


class UnusableLoras(StrEnum):
    """What happens if a LoRA isn't here, can't be read or is made for another family."""

    REFUSE = "refuse"
    LEAVE_OUT = "leave_out"


class Emphasis(StrEnum):
    """How the weights of words are applied; the modes are A1111's."""

    ORIGINAL = "original"
    NO_NORM = "no_norm"
    IGNORE = "ignore"
    NONE = "none"

    @classmethod
    def _missing_(cls, value: object) -> Emphasis | None:
        """A1111's spellings: "No norm"."""
        plain = value.lower().replace(" ", "_") if isinstance(value, str) else value
        return next((each for each in cls if each.value == plain), None)


class DynamicPrompts(StrEnum):
    """What becomes of alternatives, variables and wildcards in prompts."""

    RANDOM = "random"
    COMBINATORIAL = "combinatorial"
    OFF = "off"


class ImageFit(StrEnum):
    """How an init image or a control picture is fitted to a size of another aspect ratio."""

    CROP = "crop"
    PAD = "pad"
    STRETCH = "stretch"


class InpaintFill(StrEnum):
    """What a masked area holds before it is repainted."""

    ORIGINAL = "original"
    FILL = "fill"
    NOISE = "noise"
    NOTHING = "nothing"


class TileOrder(StrEnum):
    """The order in which the tiles of a picture are redrawn."""

    LINEAR = "linear"
    CHESS = "chess"


class EventLevel(IntEnum):
    """The importance of an event in the log."""

    DETAIL = 0
    INFO = 1
    SUCCESS = 2
    WARNING = 3
    ERROR = 4


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """True if the job won't change any more."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)

    @property
    def is_wanted(self) -> bool:
        """True if the job waits or runs and nobody has cancelled it."""
        return self in (JobState.QUEUED, JobState.RUNNING)
