"""The tools, with the texts by which an agent chooses among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.requests.request import REQUEST_FIELDS
from sdtui.server.api.mcp import tools
from sdtui.server.api.mcp.listing import list_things
from sdtui.server.api.mcp.schemas import (
    GetAnswer,
    GetArguments,
    ListAnswer,
    ListArguments,
    ListTrainingsArguments,
    MadeAnswer,
    SearchAnswer,
    SearchArguments,
    TrainingsAnswer,
    model_schema,
    request_schema,
)
from sdtui.server.api.mcp.trainings import list_trainings

INSTRUCTIONS = (
    "sdtui makes pictures with Stable Diffusion and other diffusion models on a GPU of its owner. "
    "Each picture is kept in a history with its settings. Tools name pictures by ids, so that one "
    "can be edited or upscaled without sending it. A picture takes seconds to minutes, the first "
    "one of a model longer: report the progress and don't start it twice."
)
_COMMON = (
    "model",
    "width",
    "height",
    "num_inference_steps",
    "guidance_scale",
    "sampler",
    "seed",
    "num_images_per_prompt",
    "loras",
    "styles",
)
_MORE = (
    " Leave out what the user has no wish for: the model's own values are used. All other fields "
    "of sdtui's requests are accepted, too."
)


@dataclass(frozen=True)
class Tool:
    """A tool."""

    name: str
    title: str
    description: str
    answer: type[BaseModel]
    run: tools.RunTool
    arguments: type[BaseModel] | None = None
    fields: tuple[str, ...] = ()
    """The fields of a request that are its arguments, in place of `arguments`."""
    required: tuple[str, ...] = ()
    is_read_only: bool = False

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raise InvalidRequestError if an argument that the tool needs is missing."""
        given = REQUEST_FIELDS.flat(arguments)
        missing = [name for name in self.required if given.get(name) is None]
        if missing:
            raise InvalidRequestError([Problem(name, None, "is missing") for name in missing])

    def input_schema(self, *, allow_files: bool) -> dict[str, Any]:
        """Return the JSON schema of the arguments."""
        if self.arguments is not None:
            return model_schema(self.arguments)
        return request_schema(self.fields, self.required, allow_files=allow_files)

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the answer."""
        return model_schema(self.answer)


_ALL = (
    Tool(
        "generate_image",
        "Generate pictures",
        "Make one or several pictures from a prompt and show them." + _MORE,
        MadeAnswer,
        tools.generate_image,
        fields=("prompt", "negative_prompt", *_COMMON, "hires_scale"),
        required=("prompt",),
    ),
    Tool(
        "edit_image",
        "Edit a picture",
        "Make pictures from a picture: in another style or content (strength), with a part "
        "painted anew (mask_image), with borders painted around it (outpaint), or as an editing "
        "model is told to (references). The prompt describes the whole result, or says what to "
        "change if the model is an editing one." + _MORE,
        MadeAnswer,
        tools.edit_image,
        fields=(
            *("prompt", "init_image", "negative_prompt", "strength"),
            *("mask_image", "mask_blur", "mask_invert", "only_masked", "outpaint", "references"),
            *_COMMON,
        ),
        required=("prompt", "init_image"),
    ),
    Tool(
        "upscale_image",
        "Upscale a picture",
        "Make a picture larger without changing what it shows, twice as large if no factor is "
        "given.",
        MadeAnswer,
        tools.upscale_image,
        fields=("upscale_image", "upscale_factor", "upscale_width", "upscale_height", "upscaler"),
        required=("upscale_image",),
    ),
    Tool(
        "list_models",
        "List models",
        "List the models that are installed, or the LoRAs, upscalers, samplers or styles. Call it "
        "before naming one.",
        ListAnswer,
        list_things,
        arguments=ListArguments,
        is_read_only=True,
    ),
    Tool(
        "search_history",
        "Search pictures",
        "Find pictures that were made before, newest first, with their prompts and settings. "
        "get_image shows them.",
        SearchAnswer,
        tools.search_history,
        arguments=SearchArguments,
        is_read_only=True,
    ),
    Tool(
        "get_image",
        "Show a picture",
        "Show a picture that was made before, with all arguments that made it, so that it can be "
        "made again with changes.",
        GetAnswer,
        tools.get_image,
        arguments=GetArguments,
        is_read_only=True,
    ),
    Tool(
        "list_trainings",
        "List trainings",
        "List the trainings of LoRAs: how far they are, the loss, and sample pictures that "
        "get_image shows. Only for admins.",
        TrainingsAnswer,
        list_trainings,
        arguments=ListTrainingsArguments,
        is_read_only=True,
    ),
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _ALL}
"""By name."""
