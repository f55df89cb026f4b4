"""Prompts are encoded as diffusers does, and as A1111 does what diffusers doesn't."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from sdtui.core.enums import DType, Emphasis, PromptSyntax
from sdtui.core.settings import Settings
from sdtui.engine.embeddings import Embeddings, EncodedPart, EncodedText, Encoding, common_length
from sdtui.engine.encode.clip import encode_prompts
from sdtui.engine.encode.emphasis import emphasise
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from tests.support.tiny_models import make_sd1, make_sd2, make_sdxl

_MAKERS: dict[str, Any] = {"sd1": make_sd1, "sd2": make_sd2, "sdxl": make_sdxl}
Load = Any


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """A function that loads the tiny model of a family, each once."""

    @cache
    def loaded(family: str, dtype: DType = DType.FLOAT32) -> LoadedModel:
        name = "pocket"
        if family != "pocket":
            name = str(_MAKERS[family](tmp_path_factory.mktemp(family)))
        return StableDiffusionEngine(Settings(device="cpu")).load(name, dtype)

    return loaded


def encode(
    model: LoadedModel,
    prompt: str,
    negative_prompt: str = "",
    *,
    guidance: bool = True,
    calls: int = 0,
    **options: Any,
) -> Embeddings:
    made = EncodeOptions(**options)
    parts = made.parse(prompt, calls)
    (negative,) = made.parse(negative_prompt, calls, is_negative=True)
    is_needed = guidance or len(parts) > 1
    return encode_prompts(model, Encoding(parts, negative if is_needed else None, guidance, made))


def hidden(embeddings: Embeddings) -> torch.Tensor:
    return embeddings.arguments["prompt_embeds"]


def theirs(
    model: LoadedModel, prompt: str, negative_prompt: str, *, guidance: bool
) -> dict[str, torch.Tensor]:
    """What diffusers returns."""
    names = ["prompt_embeds", "negative_prompt_embeds"]
    if hasattr(model.pipeline, "text_encoder_2"):
        names += ["pooled_prompt_embeds", "negative_pooled_prompt_embeds"]
    with torch.no_grad():
        tensors = model.pipeline.encode_prompt(
            prompt=prompt,
            device=torch.device("cpu"),
            num_images_per_prompt=1,
            do_classifier_free_guidance=guidance,
            negative_prompt=negative_prompt or None,
        )
    return {name: each for name, each in zip(names, tensors, strict=True) if each is not None}


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "pocket"])
@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.BFLOAT16])
@pytest.mark.parametrize(
    ("prompt", "negative_prompt", "guidance"),
    [("a cat", "a dog", True), ("a cat", "", True), ("", "", True), ("x" * 75, "", False)],
)
def test_short_prompts_equal_those_of_encode_prompt(
    load: Load, family: str, dtype: DType, prompt: str, negative_prompt: str, guidance: bool
) -> None:
    model = load(family, dtype)
    expected = theirs(model, prompt, negative_prompt, guidance=guidance)
    encoded = encode(model, prompt, negative_prompt, guidance=guidance)
    assert encoded.stepwise is None
    assert encoded.arguments.keys() == expected.keys()
    for name, tensor in encoded.arguments.items():
        assert tensor.dtype == expected[name].dtype
        assert torch.equal(tensor, expected[name]), name


def chunk_by_hand(model: LoadedModel, number: int, ids: list[int], layer: int) -> Any:
    """The hidden states of one chunk, and what the encoder pools."""
    suffix = "" if number == 1 else f"_{number}"
    tokenizer = getattr(model.pipeline, f"tokenizer{suffix}")
    encoder = getattr(model.pipeline, f"text_encoder{suffix}")
    rest = [tokenizer.pad_token_id] * (75 - len(ids))
    row = torch.tensor([[tokenizer.bos_token_id, *ids, tokenizer.eos_token_id, *rest]])
    with torch.no_grad():
        output = encoder(row, output_hidden_states=True)
        states = output.hidden_states[-layer]
        if not hasattr(model.pipeline, "text_encoder_2"):
            states = getattr(encoder, "text_model", encoder).final_layer_norm(states)
    return states, getattr(output, "text_embeds", None)


@pytest.mark.parametrize(("family", "layer"), [("sd1", 1), ("sd1", 2), ("sd2", 1), ("sdxl", 2)])
def test_long_prompts_equal_a_loop_over_their_chunks(load: Load, family: str, layer: int) -> None:
    model = load(family)
    text = "a red cat on a mat, " * 12
    ids = model.pipeline.tokenizer(text, add_special_tokens=False).input_ids
    comma = model.pipeline.tokenizer(",", add_special_tokens=False).input_ids[0]
    chunks: list[list[int]] = []
    while ids:
        size = min(75, len(ids))
        commas = [at for at in range(size) if ids[at] == comma]
        if len(ids) > 75 and ids[75] != comma and size - commas[-1] <= 20:
            size = commas[-1] + 1
        chunks.append(ids[:size])
        ids = ids[size:]
    assert len(chunks) == 3
    encoded = encode(model, text, "", clip_skip=layer).arguments
    encoders = (1, 2) if family == "sdxl" else (1,)
    by_hand = [[chunk_by_hand(model, each, chunk, layer) for chunk in chunks] for each in encoders]
    expected = torch.cat([torch.cat([each for each, _ in rows], dim=1) for rows in by_hand], -1)
    assert encoded["prompt_embeds"].shape[1] == 3 * 77
    assert (encoded["prompt_embeds"] - expected).abs().max() <= 1e-6
    if family == "sdxl":
        first = by_hand[1][0][1]
        assert (encoded["pooled_prompt_embeds"] - first).abs().max() <= 1e-6


def test_the_shorter_prompt_is_repeated(load: Load) -> None:
    encoded = encode(load("sd1"), "x" * 200, "y" * 100).arguments
    positive, negative = encoded["prompt_embeds"], encoded["negative_prompt_embeds"]
    assert positive.shape[1] == negative.shape[1] == 6 * 77
    assert torch.equal(positive[:, : 3 * 77], positive[:, 3 * 77 :])
    assert torch.equal(negative[:, : 2 * 77], negative[:, 4 * 77 :])


def test_the_common_length_stays_within_reason() -> None:
    assert common_length([77, 154, 231]) == 462
    assert common_length([77 * 101, 77 * 103]) == 77 * 103
    part = EncodedText(torch.arange(3.0).reshape(1, 3, 1))
    assert part.lengthened(7).hidden.flatten().tolist() == [0, 1, 2, 0, 1, 2, 0]


def weights_by_hand(states: torch.Tensor, places: range, weight: float) -> torch.Tensor:
    weighted = states.clone()
    weighted[:, places.start : places.stop] *= weight
    return weighted


def test_modes_of_emphasis(load: Load) -> None:
    model = load("pocket")

    def close(mode: Emphasis, expected: torch.Tensor) -> None:
        made = hidden(encode(model, "a(b:1.5)c", emphasis=mode))
        torch.testing.assert_close(made, expected)

    plain = hidden(encode(model, "a(b:1.5)c", emphasis=Emphasis.IGNORE))
    weighted = weights_by_hand(plain, range(2, 3), 1.5)
    normed = weighted * (plain.mean() / weighted.mean())
    close(Emphasis.NO_NORM, weighted)
    close(Emphasis.ORIGINAL, normed)
    literal = hidden(encode(model, "a(b:1.5)c", syntax=PromptSyntax.PLAIN))
    assert torch.equal(hidden(encode(model, "a(b:1.5)c", emphasis=Emphasis.NONE)), literal)
    assert not torch.equal(literal, plain)


def test_chunks_end_at_commas_as_far_back_as_is_said(load: Load) -> None:
    model = load("sd1")
    text = "! " * 55 + ", " + "! " * 24
    usual, nearer, none = (
        hidden(encode(model, text, comma_backtrack=number)) for number in (20, 19, 0)
    )
    assert torch.equal(usual, hidden(encode(model, text)))
    assert torch.equal(nearer, none)
    assert not torch.equal(usual, none)


def test_the_mean_of_each_chunk_is_kept(load: Load) -> None:
    model = load("pocket")
    text = "(a:2) b BREAK (c:0.5) d BREAK e"
    plain = hidden(encode(model, text, emphasis=Emphasis.IGNORE)).split(77, dim=1)
    kept = hidden(encode(model, text)).split(77, dim=1)
    changed = hidden(encode(model, text, emphasis=Emphasis.NO_NORM)).split(77, dim=1)
    for before, after in zip(plain, kept, strict=True):
        torch.testing.assert_close(before.mean(), after.mean())
    assert not torch.allclose(changed[0].mean(), plain[0].mean())
    assert torch.equal(kept[2], plain[2])


def test_a_mean_of_nothing_but_rounding_is_not_kept() -> None:
    hidden = torch.tensor([1.0, -1.0, 1.0, -1.0 + 1e-7]).reshape(1, 1, 2, 2)
    weights = torch.tensor([[[2.0, 1.0]]])
    weighted = emphasise(hidden, weights, [1], Emphasis.ORIGINAL)
    assert weighted.flatten().tolist()[:3] == [2, -2, 1]


def test_weights_leave_the_pooled_embedding(load: Load) -> None:
    model = load("sdxl")
    plain, weighted = (
        encode(model, "a (b:1.5)", emphasis=mode).arguments
        for mode in (Emphasis.IGNORE, Emphasis.ORIGINAL)
    )
    assert torch.equal(plain["pooled_prompt_embeds"], weighted["pooled_prompt_embeds"])
    assert not torch.equal(plain["prompt_embeds"], weighted["prompt_embeds"])


def test_parts_and_schedules_become_steps(load: Load) -> None:
    model = load("sdxl")
    encoded = encode(model, "[a:b:3] AND c :0.5", "[d|e]", calls=10).stepwise
    assert encoded is not None
    assert encoded.negative is not None
    first, second = encoded.parts
    assert (first.weight, second.weight) == (1, 0.5)
    assert (first.until, second.until) == ((3, 10), (10,))
    assert len(encoded.negative.texts) == 10
    for text, part, call in [("a", first, 0), ("a", first, 3), ("b", first, 4), ("b", first, 99)]:
        torch.testing.assert_close(part.at(call).hidden, hidden(encode(model, text)))
    first_negative = encode(model, "x", "d").arguments["negative_prompt_embeds"]
    for call in (0, 1, 3):
        torch.testing.assert_close(encoded.negative.at(call).hidden, first_negative)
    assert not torch.allclose(encoded.negative.at(2).hidden, first_negative)


def test_texts_of_a_schedule_get_the_same_length(load: Load) -> None:
    encoded = encode(load("sd1"), "[a:" + "b" * 80 + ":3]", calls=10).stepwise
    assert encoded is not None
    assert [text.hidden.shape[1] for text in encoded.parts[0].texts] == [154, 154]


def test_parts_need_the_negative_prompt_without_guidance(load: Load) -> None:
    encoded = encode(load("sd1"), "a AND b", "c", guidance=False)
    assert encoded.arguments.keys() == {"prompt_embeds"}
    assert encoded.stepwise is not None
    assert isinstance(encoded.stepwise.negative, EncodedPart)


def test_an_empty_negative_prompt_of_sdxl_is_zeros(load: Load) -> None:
    model = load("sdxl")
    for empty in ("", "# a comment", "<lora:x:1>"):
        encoded = encode(model, "a cat", empty).arguments
        assert not encoded["negative_prompt_embeds"].any(), empty
        assert not encoded["negative_pooled_prompt_embeds"].any()
    assert encode(model, "a cat", " ").arguments["negative_prompt_embeds"].any()


def test_sdxl_skips_layers_like_diffusers(load: Load) -> None:
    """diffusers counts from the layer that SDXL uses by default, and doesn't apply it to the
    negative prompt."""
    model = load("sdxl")
    expected = model.pipeline.encode_prompt("a cat", clip_skip=1, device=torch.device("cpu"))
    encoded = encode(model, "a cat", clip_skip=3).arguments
    assert torch.equal(encoded["prompt_embeds"], expected[0])
    usual = encode(model, "a cat").arguments
    assert not torch.equal(encoded["prompt_embeds"], usual["prompt_embeds"])
    same = encode(model, "a cat", clip_skip=2).arguments
    assert torch.equal(same["prompt_embeds"], usual["prompt_embeds"])


def test_sd1_takes_an_earlier_layer_through_the_final_norm(load: Load) -> None:
    model = load("sd1")
    encoder = model.pipeline.text_encoder
    norm = getattr(encoder, "text_model", encoder).final_layer_norm
    encoded = encode(model, "a cat", "a dog", clip_skip=2).arguments
    with torch.no_grad():
        ids = model.pipeline.tokenizer(
            ["a cat", "a dog"], padding="max_length", max_length=77, return_tensors="pt"
        ).input_ids
        expected = norm(encoder(ids, output_hidden_states=True).hidden_states[-2])
    torch.testing.assert_close(encoded["prompt_embeds"], expected[:1])
    torch.testing.assert_close(encoded["negative_prompt_embeds"], expected[1:])
