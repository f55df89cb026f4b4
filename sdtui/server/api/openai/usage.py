"""The token usage in answers. Nothing is charged; clients show it, or keep accounts of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import BaseModel

from sdtui.requests.request import GenerationRequest
from sdtui.server.services.served_models import ServedModels

_PATCH = 16
"""Pixels of the side of a picture's token: transformers read latents of 8 pixels in patches of two,
or of 16 pixels one by one. Other models are counted in the same way."""


class TokensByKind(BaseModel):
    """Tokens of texts and pictures."""

    text_tokens: int = 0
    image_tokens: int = 0


class Usage(BaseModel):
    """Tokens of a request: of its prompts, by the model's tokenizer, and of pictures."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: TokensByKind = TokensByKind()
    output_tokens_details: TokensByKind = TokensByKind()

    @classmethod
    def of(cls, given: TokensByKind, made: TokensByKind) -> Self:
        """Return the usage of a request."""
        input_tokens = given.text_tokens + given.image_tokens
        output_tokens = made.text_tokens + made.image_tokens
        return cls(
            total_tokens=input_tokens + output_tokens,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            input_tokens_details=given,
            output_tokens_details=made,
        )


def usage_of(
    models: ServedModels, requests: Sequence[GenerationRequest], sizes: Iterable[tuple[int, int]]
) -> Usage:
    """Return the usage of requests whose pictures have these sizes in pixels. A picture that was
    sent counts as much as the first one that was made. Reads the model's tokenizer."""
    texts = sum(
        models.tokens(request.model, text)
        for request in requests
        for text in (request.prompt, request.negative_prompt)
    )
    made = [_image_tokens(*size) for size in sizes]
    sent = sum(len(request.input_images()) for request in requests)
    return Usage.of(
        TokensByKind(text_tokens=texts, image_tokens=sent * made[0] if made else 0),
        TokensByKind(image_tokens=sum(made)),
    )


def _image_tokens(width: int, height: int) -> int:
    return math.ceil(width / _PATCH) * math.ceil(height / _PATCH)
