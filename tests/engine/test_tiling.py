"""Seamless tiling."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from sdtui.cli.options import request_options, request_values
from sdtui.core.errors import InvalidRequestError
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.features.tiling import Tiling
from sdtui.engine.generator import generate
from sdtui.engine.memory.ladder import LOSSLESS, Plan
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.history.infotext import write_infotext
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from sdtui.tui.fields import form_texts, parse_form
from tests.support.images import difference

_ACTIVE = ActiveFeatures(((Tiling(), True),))


def ask(model: Path, **values: object) -> GenerationRequest:
    usual: dict[str, object] = {"prompt": "a red apple", "width": 64, "height": 64, "seed": 5}
    usual |= {"num_inference_steps": 3, "sampler": "Euler", "dtype": "float32"}
    return GenerationRequest.parse({**usual, "model": str(model), **values})


def test_decoded_pixels_move_with_the_latents(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    generate(shared_engine, ask(tiny_sd1))
    model = shared_engine.loaded
    assert model is not None
    latents = torch.randn(1, model.vae.config.latent_channels, 8, 8)

    def decoded(values: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            pixels: torch.Tensor = model.vae.decode(values).sample
        return pixels

    factor = decoded(latents).shape[-1] // 8
    with _ACTIVE.applied(model):
        still, moved = decoded(latents), decoded(latents.roll(3, dims=-1))
    assert torch.allclose(still.roll(3 * factor, dims=-1), moved, atol=1e-4)
    plain = decoded(latents.roll(3, dims=-1))
    assert not torch.allclose(still.roll(3 * factor, dims=-1), plain, atol=1e-2)


@pytest.mark.parametrize("xl", [False, True])
def test_tiling_changes_the_picture_and_is_restored_exactly(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tiny_sdxl: Path, xl: bool
) -> None:
    path = tiny_sdxl if xl else tiny_sd1
    before = generate(shared_engine, ask(path)).images[0]
    tiled = generate(shared_engine, ask(path, tiling=True))
    assert difference(before, tiled.images[0]) > 0
    assert tiled.record.values()["tiling"] is True
    assert "Tiling: True" in write_infotext(tiled.record.of_image(0))
    model = shared_engine.loaded
    assert model is not None
    convolutions = [
        each
        for part in (model.denoiser, model.vae)
        for each in part.modules()
        if isinstance(each, nn.Conv2d)
    ]
    assert {each.padding_mode for each in convolutions} == {"zeros"}
    after = generate(shared_engine, ask(path))
    assert difference(before, after.images[0]) == 0
    assert "Tiling" not in write_infotext(after.record.of_image(0))


def test_opposite_edges_fit(shared_engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    def seam(picture: object) -> float:
        """The step over the edge, relative to the usual step between columns."""
        columns = numpy.asarray(picture, dtype=numpy.float64)
        steps = numpy.abs(numpy.diff(columns, axis=1)).mean()
        return float(numpy.abs(columns[:, 0] - columns[:, -1]).mean() / steps)

    asked = ask(tiny_sd1, width=128, num_inference_steps=8)
    plain = seam(generate(shared_engine, asked).images[0])
    tiled = seam(generate(shared_engine, asked.changed(tiling=True)).images[0])
    assert tiled < 1.5
    assert tiled < plain


def test_seamless_pictures_are_not_decoded_in_tiles() -> None:
    (rung,) = [each for each in LOSSLESS if each.name == "VAE tiling"]
    plan = Plan(1, None, (), None, {"tiling": True})  # type: ignore[arg-type]
    assert rung.apply(plan, Stage.DECODE) is None


def test_switch_is_a_flag_and_a_choice_in_the_form() -> None:
    import click

    @click.command()
    @request_options
    def show(**flags: object) -> None:
        click.echo(request_values(flags))

    for arguments, wanted in ((["--tiling"], True), (["--no-tiling"], False)):
        shown = CliRunner().invoke(show, arguments).output
        assert f"'tiling': {wanted}" in shown
    assert "tiling" not in CliRunner().invoke(show, []).output
    texts = form_texts(GenerationRequest("x"))
    assert texts["tiling"] == "no"
    assert parse_form({**texts, "tiling": "yes"}).tiling.tiling
    with pytest.raises(InvalidRequestError, match="tiling"):
        parse_form({**texts, "tiling": "perhaps"})
