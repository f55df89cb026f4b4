"""Upscaling: finished pictures are made larger, or a picture that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from sdtui.core.errors import InvalidRequestError, Problem
from sdtui.core.upscaler_names import plain_upscaler_name
from sdtui.engine.features.feature import Feature
from sdtui.engine.finishing import FinishingContext
from sdtui.engine.passes import Pass
from sdtui.engine.upscaling.upscaler import Upscaler, UpscalingContext
from sdtui.engine.upscaling.upscalers import Upscalers
from sdtui.requests.events import Tile
from sdtui.requests.input_images import InitImage, open_picture
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.upscale import Upscale, UpscaledSize


@dataclass(frozen=True)
class OpenedUpscale:
    """The request's section with its upscalers found."""

    section: Upscale
    upscaler: Upscaler
    second: Upscaler | None
    image: InitImage | None
    """The picture that is upscaled in place of a new one."""


class Upscaling(Feature[OpenedUpscale]):
    name = "upscale"

    def __init__(self, upscalers: Upscalers) -> None:
        self._upscalers = upscalers

    def open(self, request: GenerationRequest) -> OpenedUpscale | None:
        """Find the upscalers and open the picture. Raises the errors of `Upscalers.find`,
        ImageError, and InvalidRequestError if it would become too large."""
        section = request.upscale
        if not section.is_wanted:
            return None
        second = self._upscalers.find(section.second) if section.second_visibility else None
        image = None if section.image is None else open_picture(section.image)
        if image is not None:
            _size(section, image.image.size)
        return OpenedUpscale(section, self._upscalers.find(section.upscaler), second, image)

    def embedding_key(self, section: OpenedUpscale, pass_: Pass) -> None:
        """Return None: the prompts are encoded as ever."""

    def given_image(self, section: OpenedUpscale) -> Image.Image | None:
        """Return the picture that is upscaled in place of a new one."""
        return None if section.image is None else section.image.image

    def passes(self, section: OpenedUpscale, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        """Return the passes as they are. Raises InvalidRequestError if their picture would become
        too large."""
        if section.image is None:
            _size(section.section, (passes[-1].request.width, passes[-1].request.height))
        return passes

    def finish(
        self, section: OpenedUpscale, image: Image.Image, context: FinishingContext
    ) -> Image.Image:
        """Return the picture in its new size."""
        size = _size(section.section, image.size)
        with context.in_stage(Stage.UPSCALE):
            result = _upscaled(section.upscaler, image, size, context)
            if section.second is not None:
                other = _upscaled(section.second, image, size, context)
                result = Image.blend(result, other, section.section.second_visibility)
        left = (size.width - size.crop_width) // 2
        top = (size.height - size.crop_height) // 2
        return result.crop((left, top, left + size.crop_width, top + size.crop_height))

    def settings(self, section: OpenedUpscale) -> Mapping[str, object]:
        """Return what the request left open, for the record."""
        given = section.section
        values: dict[str, object] = {
            "upscaler": _name(given.upscaler, section.upscaler),
            "upscaler_hash": section.upscaler.sha256,
        }
        if section.second is not None:
            values["second_upscaler"] = _name(given.second, section.second)
            values["second_upscaler_visibility"] = given.second_visibility
            values["second_upscaler_hash"] = section.second.sha256
        return values

    def parents(self, section: OpenedUpscale) -> tuple[str, ...]:
        """Return the hash of the picture's file."""
        return () if section.image is None else (section.image.sha256,)


def _upscaled(
    upscaler: Upscaler, image: Image.Image, size: UpscaledSize, context: FinishingContext
) -> Image.Image:
    def on_tile(done: int, total: int) -> None:
        context.report(Tile(tile=done, total=total, image_index=context.index))

    where = UpscalingContext(
        context.device, context.cancellation, on_tile, context.notice, context.expect
    )
    done: Image.Image | None = context.state.get(upscaler.name)
    if done is None:
        done = upscaler.upscale(image, size.width, size.height, where)
        context.state[upscaler.name] = done
    return done


def _name(given: str | None, upscaler: Upscaler) -> str:
    """Return an upscaler's own spelling of its name, or the path or A1111's name for it."""
    if given is None or plain_upscaler_name(given) == plain_upscaler_name(upscaler.name):
        return upscaler.name
    return given


def _size(section: Upscale, size: tuple[int, int]) -> UpscaledSize:
    try:
        return section.size_of(*size)
    except ValueError as error:
        name = "upscale_factor" if section.width is section.height is None else "upscale_width"
        value = section.factor if name == "upscale_factor" else section.width
        raise InvalidRequestError([Problem(name, value, str(error))]) from error
