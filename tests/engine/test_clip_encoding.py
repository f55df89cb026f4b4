"""Prompt encoding gives the same embeddings as diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.clip_encoding import encode_clip
from sdtui.engine.families import family_of
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from tests.support.tiny_models import make_sd1, make_sd2, make_sdxl

_MAKERS: dict[str, Any] = {"sd1": make_sd1, "sd2": make_sd2, "sdxl": make_sdxl}
_LONG = "a very long prompt " * 20


def load(folder: Path, family: str, dtype: DType = DType.FLOAT32) -> LoadedModel:
    name = "pocket" if family == "pocket" else str(_MAKERS[family](folder))
    return StableDiffusionEngine(Settings(device="cpu")).load(name, dtype)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "pocket"])
@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.BFLOAT16])
@pytest.mark.parametrize(
    ("prompt", "negative_prompt", "guidance"),
    [("a cat", "a dog", True), ("a cat", "", True), ("", "", True), (_LONG, _LONG, False)],
)
def test_embeddings_equal_those_of_encode_prompt(
    tmp_path: Path, family: str, dtype: DType, prompt: str, negative_prompt: str, guidance: bool
) -> None:
    model = load(tmp_path, family, dtype)
    expected = family_of(model.description).encode(
        model, prompt, negative_prompt, guidance=guidance
    )
    encoded = encode_clip(model, prompt, negative_prompt, guidance=guidance)
    assert encoded.keys() == expected.keys()
    for name, tensor in encoded.items():
        assert tensor.dtype == expected[name].dtype
        assert torch.equal(tensor, expected[name]), name


def test_sdxl_skips_layers_like_diffusers(tmp_path: Path) -> None:
    """diffusers counts from the layer that SDXL uses by default, and doesn't apply it to the
    negative prompt."""
    model = load(tmp_path, "sdxl")
    expected = model.pipeline.encode_prompt("a cat", clip_skip=1, device=torch.device("cpu"))
    encoded = encode_clip(model, "a cat", "", guidance=True, clip_skip=3)
    assert torch.equal(encoded["prompt_embeds"], expected[0])
    usual = encode_clip(model, "a cat", "", guidance=True)
    assert not torch.equal(encoded["prompt_embeds"], usual["prompt_embeds"])
    same = encode_clip(model, "a cat", "", guidance=True, clip_skip=2)
    assert torch.equal(same["prompt_embeds"], usual["prompt_embeds"])


def test_sd1_takes_an_earlier_layer_through_the_final_norm(tmp_path: Path) -> None:
    model = load(tmp_path, "sd1")
    encoder = model.pipeline.text_encoder
    layers: dict[str, torch.Tensor] = {}
    norm = getattr(encoder, "text_model", encoder).final_layer_norm
    handle = norm.register_forward_hook(
        lambda _, inputs, output: layers.update(input=inputs[0], output=output)
    )
    try:
        encoded = encode_clip(model, "a cat", "a dog", guidance=True, clip_skip=2)
    finally:
        handle.remove()
    with torch.no_grad():
        ids = model.pipeline.tokenizer(
            ["a cat", "a dog"], padding="max_length", max_length=77, return_tensors="pt"
        ).input_ids
        states = encoder(ids, output_hidden_states=True).hidden_states
        expected = norm(states[-2])
    torch.testing.assert_close(encoded["prompt_embeds"], expected[:1])
    torch.testing.assert_close(encoded["negative_prompt_embeds"], expected[1:])
    assert torch.equal(layers["output"], encoded["negative_prompt_embeds"])
