"""The cache of prompt embeddings: nothing that changes an encoding can be left out of its key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdtui.core.settings import Settings
from sdtui.engine.features.feature import Feature
from sdtui.engine.generator import generate
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.request import GenerationRequest
from tests.support.images import difference
from tests.support.requests import make_request


class _ScaledEncoder(Feature[float]):
    """Changes the text encoder during a run, as a LoRA with a weight would, and knows of no key.
    The scale is the number in the negative prompt."""

    name = "scaled_encoder"

    def open(self, request: GenerationRequest) -> float | None:
        return float(request.negative_prompt) if request.negative_prompt else None

    @contextmanager
    def apply(self, section: float, model: LoadedModel) -> Iterator[None]:
        weight = model.pipeline.text_encoder.get_input_embeddings().weight.data
        before = weight.clone()
        weight.mul_(section)
        yield
        weight.copy_(before)


def test_weight_of_a_feature_is_part_of_the_key_by_itself(tiny_sd1: Path) -> None:
    with StableDiffusionEngine(Settings(device="cpu"), features=(_ScaledEncoder(),)) as engine:

        def made(scale: str) -> bytes:
            # Without guidance the negative prompt itself isn't encoded.
            request = make_request(tiny_sd1, guidance_scale=1, negative_prompt=scale)
            return generate(engine, request).images[0].tobytes()

        first, other, again = made("0.5"), made("8"), made("0.5")
    assert first != other
    assert first == again


def test_same_prompts_are_encoded_once(
    shared_engine: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path
) -> None:
    from PIL import Image

    Image.linear_gradient("L").save(tmp_path / "init.png")
    plain = make_request(tiny_sd1)
    generate(shared_engine, plain)
    loaded = shared_engine.loaded
    assert loaded is not None
    encoded: list[int] = []
    hook = loaded.pipeline.text_encoder.register_forward_hook(lambda *_: encoded.append(1))
    try:
        again = generate(shared_engine, plain.changed(seed=9))
        from_picture = plain.changed(init_image=tmp_path / "init.png", strength=0.9)
        other = generate(shared_engine, from_picture)
        assert not encoded
        generate(shared_engine, plain.changed(clip_skip=2))
        assert encoded
    finally:
        hook.remove()
    assert difference(again.images[0], other.images[0]) > 0
