"""Embeddings in prompts, from the file to the picture and the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdtui.core.enums import DType
from sdtui.core.errors import ModelDamagedError
from sdtui.core.settings import Settings
from sdtui.engine.embeddings import Encoding
from sdtui.engine.encode.clip import encode_prompts
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.history import write_infotext
from sdtui.models.embeddings import describe_embedding
from sdtui.models.files_by_kind import FoundFile
from tests.support.embeddings import make_embedding
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_models import make_sd2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embeddings")
    make_embedding(folder / "easy.safetensors", 32)
    make_embedding(folder / "both.safetensors", 32, 32, seed=1)
    make_embedding(folder / "wide.safetensors", 1024)
    make_embedding(folder / "huge.safetensors", 32, vectors=76)
    (folder / "old.pt").write_bytes(b"\x80")
    save_file({"emb_params": torch.full((2, 32), torch.nan)}, folder / "nan.safetensors")
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[StableDiffusionEngine]:
    settings = Settings(device="cpu", embedding_folders=(folder,))
    with StableDiffusionEngine(settings) as engine:
        yield engine


Encode = Callable[..., dict[str, torch.Tensor]]


@pytest.fixture
def encode(engine: StableDiffusionEngine, folder: Path) -> Encode:
    def encoded(model: Path, text: str, *names: str) -> dict[str, torch.Tensor]:
        found = [FoundFile(name, folder / f"{name}.safetensors") for name in names]
        options = EncodeOptions(embeddings=tuple(map(describe_embedding, found)))
        loaded = engine.load(str(model), DType.FLOAT32)
        parts = options.parse(text, 0)
        return dict(encode_prompts(loaded, Encoding(parts, None, False, options)).arguments)

    return encoded


def with_real_rows(model: Any, text: str, vectors: torch.Tensor, suffix: str = "") -> Any:
    """What the encoder returns if its vocabulary has the vectors: the texts "\x01" and "\x02"."""
    tokenizer = getattr(model.pipeline, f"tokenizer{suffix}")
    encoder = getattr(model.pipeline, f"text_encoder{suffix}")
    weight = encoder.get_input_embeddings().weight
    ids = tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
    places = tokenizer("\x01 \x02", add_special_tokens=False).input_ids
    before = weight.data.clone()
    with torch.no_grad():
        for place, row in zip(places, vectors, strict=True):
            weight[place] = row
        try:
            return encoder(ids, output_hidden_states=True)
        finally:
            weight.data.copy_(before)


def test_vectors_stand_in_place_of_the_name(
    engine: StableDiffusionEngine, encode: Encode, tiny_sd1: Path, folder: Path
) -> None:
    vectors = load_file(folder / "easy.safetensors")["emb_params"]
    encoded = encode(tiny_sd1, "a easy cat", "easy")
    assert engine.loaded is not None
    expected = with_real_rows(engine.loaded, "a \x01 \x02 cat", vectors)
    torch.testing.assert_close(encoded["prompt_embeds"], expected.last_hidden_state)
    for text in ("a EASY cat", "a embedding:easy cat", "a embedding:easy.safetensors cat"):
        assert torch.equal(
            encode(tiny_sd1, text, "easy")["prompt_embeds"], encoded["prompt_embeds"]
        )
    plain = encode(tiny_sd1, "a easy cat")
    assert not torch.allclose(plain["prompt_embeds"], encoded["prompt_embeds"])


def test_both_encoders_of_sdxl_get_theirs_and_pool_at_the_end(
    engine: StableDiffusionEngine, encode: Encode, tiny_sdxl: Path, folder: Path
) -> None:
    tensors = load_file(folder / "both.safetensors")
    encoded = encode(tiny_sdxl, "a both", "both")
    assert engine.loaded is not None
    first = with_real_rows(engine.loaded, "a \x01 \x02", tensors["clip_l"])
    second = with_real_rows(engine.loaded, "a \x01 \x02", tensors["clip_g"], "_2")
    expected = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    torch.testing.assert_close(encoded["prompt_embeds"], expected)
    torch.testing.assert_close(encoded["pooled_prompt_embeds"], second.text_embeds)


def test_tokens_are_those_of_the_vectors(encode: Encode, tiny_sd1: Path) -> None:
    assert encode(tiny_sd1, "x" * 73 + " easy", "easy")["prompt_embeds"].shape[1] == 77
    assert encode(tiny_sd1, "x" * 74 + " easy", "easy")["prompt_embeds"].shape[1] == 154


def test_pictures_and_record(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    plain = generate(engine, make_request(tiny_sd1, prompt="a cat", guidance_scale=20))
    model = engine.loaded
    assert model is not None
    tokens = len(model.pipeline.tokenizer)
    used = generate(
        engine, make_request(tiny_sd1, prompt="a cat", negative_prompt="easy", guidance_scale=20)
    )
    assert difference(plain.images[0], used.images[0]) > 0
    assert len(model.pipeline.tokenizer) == tokens
    infotext = write_infotext(used.record)
    assert 'TI hashes: "easy: ' in infotext
    assert "TI hashes" not in write_infotext(plain.record)
    again = generate(engine, make_request(tiny_sd1, prompt="a cat", guidance_scale=20))
    assert difference(plain.images[0], again.images[0]) == 0


@pytest.mark.parametrize(
    ("name", "notice"),
    [
        ("wide", "its vectors are 1024 wide, and this model's text encoders 32"),
        ("both", "its vectors are 64 wide, and this model's text encoders 32"),
        ("huge", "it has 76 vectors"),
        ("old", "pickle"),
        ("embedding:none", "there is no embedding none"),
    ],
)
def test_what_does_not_fit_stays_words(
    engine: StableDiffusionEngine, tiny_sd1: Path, name: str, notice: str
) -> None:
    made = generate(engine, make_request(tiny_sd1, prompt=f"a {name}"))
    assert any(notice in each for each in made.record.notices)
    with StableDiffusionEngine(Settings(device="cpu")) as other:
        plain = generate(other, make_request(tiny_sd1, prompt=f"a {name}"))
    assert difference(made.images[0], plain.images[0]) == 0
    assert "TI hashes" not in write_infotext(made.record)


def test_sd2_takes_its_own(engine: StableDiffusionEngine, tmp_path: Path) -> None:
    model = make_sd2(tmp_path)
    made = generate(engine, make_request(model, prompt="a wide"))
    assert not made.record.notices
    assert "TI hashes" in write_infotext(made.record)


def test_another_file_of_the_same_name_is_encoded_anew(tmp_path: Path, tiny_sd1: Path) -> None:
    file = make_embedding(tmp_path / "mine.safetensors", 32)
    settings = Settings(device="cpu", embedding_folders=(tmp_path,))
    request = make_request(tiny_sd1, prompt="mine mine mine", guidance_scale=20)
    with StableDiffusionEngine(settings) as engine:
        first = generate(engine, request).images[0]
        make_embedding(file, 32, vectors=9, seed=5)
        second = generate(engine, request).images[0]
    assert difference(first, second) > 0


def test_an_embedding_inside_a_lora_is_used_with_it(tmp_path: Path, tiny_sd1: Path) -> None:
    torch.manual_seed(3)
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {
        f"{layer}.lora_up.weight": torch.zeros(16, 2),
        f"{layer}.lora_down.weight": torch.randn(2, 16),
        "bundle_emb.mine.string_to_param.*": torch.randn(2, 32),
    }
    save_file(tensors, tmp_path / "style.safetensors")
    settings = Settings(device="cpu", lora_folders=(tmp_path,))
    with StableDiffusionEngine(settings) as engine:
        request = make_request(tiny_sd1, prompt="a mine", guidance_scale=20)
        plain = generate(engine, request)
        used = generate(engine, request.changed(prompt="a mine<lora:style:1>"))
    assert difference(plain.images[0], used.images[0]) > 0
    assert 'TI hashes: "mine: ' in write_infotext(used.record)
    assert "TI hashes" not in write_infotext(plain.record)


def test_vectors_that_are_no_numbers_are_named(encode: Encode, tiny_sd1: Path) -> None:
    with pytest.raises(ModelDamagedError, match=r"nan\.safetensors are no numbers"):
        encode(tiny_sd1, "a nan", "nan")
