"""Records and pictures for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from sdtui.requests.record import (
    AttemptRecord,
    GenerationRecord,
    ImageRecord,
    ImageSettings,
    ModelRecord,
)
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.image_to_image import ImageToImage

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def picture(width: int = 64, height: int = 64, colour: str = "navy") -> Image.Image:
    """A small picture in one colour."""
    return Image.new("RGB", (width, height), colour)


def record(
    prompt: str = "a tiger on a blue background",
    *,
    negative_prompt: str = "",
    seed: int = 42,
    pictures: int = 1,
    timestamp: datetime = NOON,
    model: str = "pocket",
    sampler: str = "DPM++ 2M Karras",
    steps: int = 20,
    guidance: float = 6.5,
    width: int = 64,
    height: int = 64,
    strength: float | None = None,
    init_image: Path | None = None,
) -> GenerationRecord:
    """The record of a successful run."""
    request = GenerationRequest(
        prompt=prompt,
        negative_prompt=negative_prompt,
        model=model,
        seed=seed,
        num_images_per_prompt=pictures,
        image_to_image=ImageToImage(init_image, strength=strength) if init_image else None,
    )
    return GenerationRecord(
        prompt=prompt,
        negative_prompt=negative_prompt,
        timestamp=timestamp,
        success=True,
        seed=seed,
        generation_time=4.25,
        request=request,
        settings=ImageSettings(
            sampler=sampler,
            num_inference_steps=steps,
            guidance_scale=guidance,
            width=width,
            height=height,
            **({} if strength is None else {"strength": strength}),
        ),
        model=ModelRecord(name=model, source=model, family="sd1", hash="6ce0161689" + "0" * 54),
        attempts=(AttemptRecord(number=1, seconds=4.0),),
        timings={"denoise": 3.5, "decode": 0.5},
        images=tuple(
            ImageRecord(index=index, seed=seed + index, width=width, height=height)
            for index in range(pictures)
        ),
        versions={"sdtui": "0.1.0"},
    )
