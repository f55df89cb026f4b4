"""The token usage in answers: zero, since nothing is counted or charged."""

from __future__ import annotations

from pydantic import BaseModel


class TokensByKind(BaseModel):
    """Tokens of texts and pictures."""

    text_tokens: int = 0
    image_tokens: int = 0


class Usage(BaseModel):
    """Tokens of a request; clients need the object."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: TokensByKind = TokensByKind()
    output_tokens_details: TokensByKind = TokensByKind()
