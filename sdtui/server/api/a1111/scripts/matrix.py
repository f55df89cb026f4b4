"""A1111's script "Prompt matrix": every combination of the parts of a prompt between bars.

scripts/prompt_matrix.py of A1111 1.10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdtui.core.text import shortened
from sdtui.requests.grids import GridOptions, MatrixKind, joined_values
from sdtui.requests.request import GenerationRequest
from sdtui.server.api.a1111.scripts.script import (
    GridScript,
    ScriptArgument,
    ScriptInfo,
    margin_argument,
    margin_of,
    wrong_argument,
)
from sdtui.server.services.grids import WantedAxis

NAME = "prompt matrix"

_PROMPTS = {"positive": "prompt", "negative": "negative_prompt"}
_SEPARATORS = {"comma": ", ", "space": " "}
_ARGUMENTS = 5


@dataclass(frozen=True)
class MatrixScript:
    """What a client asks of the script."""

    is_at_start: bool
    """True if the optional parts stand before the first one."""
    has_seeds: bool
    """True if the seed counts up."""
    prompt: str
    """The field with the bars."""
    separator: str
    margin: int

    def as_grid(self, request: GenerationRequest) -> GridScript:
        """Return the grid of a request: the first half of the optional parts, and one more if their
        number is odd, makes the columns."""
        base, *others = request.values()[self.prompt].split("|")
        parts = [each.strip().strip(",") for each in others]
        columns = len(parts) - len(parts) // 2
        kind = MatrixKind(
            "Prompt matrix",
            prompt=self.prompt,
            separator=self.separator,
            before=base if self.is_at_start else None,
        )
        return GridScript(
            tuple(
                WantedAxis(kind.label, joined_values(each), kind)
                for each in (parts[:columns], parts[columns:])
            ),
            GridOptions(("X", "Y") if self.has_seeds else (), margin=self.margin),
            changes={self.prompt: base, "num_images_per_prompt": 1},
        )


def parse_arguments(arguments: Sequence[Any]) -> MatrixScript:
    """Parse `script_args`. Raises ApiError (422)."""
    if len(arguments) != _ARGUMENTS:
        message = f"the script Prompt matrix takes {_ARGUMENTS} arguments, not {len(arguments)}"
        raise wrong_argument(message)
    is_at_start, has_seeds, prompt, separator, margin = arguments
    for value, choices in ((prompt, _PROMPTS), (separator, _SEPARATORS)):
        if not isinstance(value, str) or value not in choices:
            wrong = shortened(str(value))
            message = f"the script Prompt matrix takes {' or '.join(choices)}, not {wrong}"
            raise wrong_argument(message)
    return MatrixScript(
        bool(is_at_start),
        bool(has_seeds),
        _PROMPTS[prompt],
        _SEPARATORS[separator],
        margin_of(margin, "Prompt matrix"),
    )


def script_info(*, is_img2img: bool) -> ScriptInfo:
    """Describe the script's arguments."""
    return ScriptInfo(
        name=NAME,
        is_alwayson=False,
        is_img2img=is_img2img,
        args=[
            ScriptArgument(label="Put variable parts at start of prompt", value=False),
            ScriptArgument(label="Use different seed for each picture", value=False),
            ScriptArgument(label="Select prompt", value="positive", choices=[*_PROMPTS]),
            ScriptArgument(label="Select joining char", value="comma", choices=[*_SEPARATORS]),
            margin_argument(),
        ],
    )
