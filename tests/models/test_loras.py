"""Finding LoRAs, and what their headers say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sdtui.core.errors import ModelNotFoundError, UnsafeModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models import find_lora_by_name, has_hash, installed_loras, lora_of_hash
from sdtui.models.lora_header import families_fit
from sdtui.models.loras import find_lora
from tests.support.model_files import safetensors

ATTENTION = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def _lora(path: Path, width: int = 768, rank: int = 8, **metadata: str) -> Path:
    shapes = {
        f"{ATTENTION}.lora_down.weight": (rank, width),
        f"{ATTENTION}.lora_up.weight": (320, rank),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors(path, shapes, metadata)
    return path


@pytest.mark.parametrize(
    ("shapes", "metadata", "family"),
    [
        ({f"{ATTENTION}.lora_down.weight": (4, 768)}, {}, "sd1"),
        ({f"{ATTENTION}.lora_down.weight": (4, 1024)}, {}, "sd2"),
        ({f"{ATTENTION}.lora_down.weight": (4, 2048)}, {}, "sdxl"),
        ({f"{ATTENTION}.hada_w1_b": (4, 2048)}, {}, "sdxl"),
        ({f"{ATTENTION}.diff": (320, 768)}, {}, "sd1"),
        ({"unet.down_blocks.0.attn2.processor.to_k_lora.down.weight": (4, 768)}, {}, "sd1"),
        ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 8)}, {}, "sdxl"),
        ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (4, 3072)}, {}, "flux"),
        (
            {
                "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 8),
                "lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight": (4, 8),
            },
            {},
            "sd3",
        ),
        ({"diffusion_model.joint_blocks.0.x_block.attn.qkv.lora_A.weight": (4, 8)}, {}, "sd3"),
        ({"transformer_blocks.0.img_mlp.net.2.lora_A.weight": (4, 8)}, {}, "qwen"),
        ({"lora_te_x.lora_down.weight": (4, 768)}, {}, None),
        ({"lora_te_x.lora_down.weight": (4, 8)}, {"ss_base_model_version": "sd_v2"}, "sd2"),
        (
            {"a.lora_A.weight": (4, 8)},
            {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"},
            "sdxl",
        ),
        # Shapes are right, whatever the metadata say.
        (
            {f"{ATTENTION}.lora_down.weight": (4, 768)},
            {"ss_base_model_version": "sdxl_base_v1-0"},
            "sd1",
        ),
    ],
)
def test_family_is_seen_in_shapes_names_and_metadata(
    tmp_path: Path,
    shapes: dict[str, tuple[int, ...]],
    metadata: dict[str, str],
    family: str | None,
) -> None:
    safetensors(tmp_path / "a.safetensors", shapes, metadata)
    assert find_lora(str(tmp_path / "a.safetensors"), Settings()).family == family


def test_families_fit_by_name_where_both_are_known() -> None:
    assert families_fit("sd1", "sd1") is True
    assert families_fit("sdxl", "sd1") is False
    assert families_fit("flux", "FluxPipeline") is True
    assert families_fit("flux", "ChromaPipeline") is None
    assert families_fit(None, "sd1") is None
    assert families_fit("sd1", "KolorsPipeline") is None


def test_lora_is_found_by_name_alias_and_path(tmp_path: Path) -> None:
    _lora(tmp_path / "style/Film.safetensors", ss_output_name="grain_v2")
    settings = Settings(lora_folders=(tmp_path,))
    names = ("Film", "film", "style/Film", "Film.safetensors", "grain_v2", "GRAIN_V2")
    assert {find_lora_by_name(name, settings).path.name for name in names} == {"Film.safetensors"}
    assert find_lora(str(tmp_path / "style/Film.safetensors"), Settings()).name == "Film"
    with pytest.raises(ModelNotFoundError):
        find_lora_by_name(str(tmp_path / "style/Film.safetensors"), Settings())


def test_lora_is_found_by_the_name_of_a_link_and_in_any_spelling_of_accents(
    tmp_path: Path,
) -> None:
    _lora(tmp_path / "caf\u00e9.safetensors")
    (tmp_path / "other.safetensors").symlink_to(tmp_path / "caf\u00e9.safetensors")
    settings = Settings(lora_folders=(tmp_path,))
    assert find_lora_by_name("other", settings).name == "other"
    assert find_lora_by_name("cafe\u0301", settings).name == "caf\u00e9"


def test_near_name_may_be_an_alias(tmp_path: Path) -> None:
    _lora(tmp_path / "a.safetensors", ss_output_name="watercolour")
    with pytest.raises(ModelNotFoundError, match='Did you mean "watercolour"'):
        find_lora_by_name("watercolor", Settings(lora_folders=(tmp_path,)))


def test_pickle_is_refused_by_its_file_name_too(tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_bytes(b"\x80")
    for name in ("old", "old.pt", "OLD.PT"):
        with pytest.raises(UnsafeModelError, match="is a pickle file"):
            find_lora_by_name(name, Settings(lora_folders=(tmp_path,)))


def test_alias_of_two_files_names_none(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _lora(tmp_path / f"{name}.safetensors", ss_output_name="last")
    with pytest.raises(ModelNotFoundError, match='there is no LoRA "last"'):
        find_lora_by_name("last", Settings(lora_folders=(tmp_path,)))


def test_what_header_and_notes_say_is_described(tmp_path: Path) -> None:
    tags = {"10_film": {"grain": 9, "photo": 4}, "5_more": {"photo": 1}}
    file = _lora(
        tmp_path / "film.safetensors", ss_tag_frequency=json.dumps(tags), ss_sd_model_name="v1-5"
    )
    lora = find_lora(str(file), Settings())
    assert (lora.kind, lora.rank, lora.base_model) == ("LoRA", 8, "v1-5")
    assert lora.trigger_words == ("grain", "photo")
    assert lora.preview is None
    (tmp_path / "film.json").write_text('{"activation text": "flm, grainy", "sd version": "SD1"}')
    (tmp_path / "film.preview.png").write_bytes(b"")
    lora = find_lora(str(file), Settings())
    assert lora.trigger_words == ("flm", "grainy")
    assert lora.base_model == "SD1"
    assert lora.preview == tmp_path / "film.preview.png"


@pytest.mark.parametrize("notes", ["{", "[]", '{"activation text": 3}', '{"trainedWords": {}}'])
def test_odd_notes_are_no_problem(tmp_path: Path, notes: str) -> None:
    file = _lora(tmp_path / "film.safetensors", ss_tag_frequency=notes)
    (tmp_path / "film.json").write_text(notes)
    lora = find_lora(str(file), Settings())
    assert isinstance(lora.trigger_words, tuple)


def test_hashes_are_those_of_civitai(tmp_path: Path) -> None:
    file = _lora(tmp_path / "film.safetensors")
    data = file.read_bytes()
    lora = find_lora(str(file), Settings())
    assert lora.autov2 == hashlib.sha256(data).hexdigest()[:10]
    behind = data[8 + int.from_bytes(data[:8], "little") :]
    assert lora.autov3 == hashlib.sha256(behind).hexdigest()[:12]
    assert has_hash(lora, lora.autov2)
    assert has_hash(lora, lora.autov3[:10])
    assert not has_hash(lora, "0" * 10)


def test_lora_is_found_by_its_hash_under_another_name(tmp_path: Path) -> None:
    _lora(tmp_path / "one.safetensors", sshs_model_hash="ab" * 32)
    _lora(tmp_path / "two.safetensors", rank=4)
    settings = Settings(lora_folders=(tmp_path,))
    found = lora_of_hash("ABABABABABAB", settings)
    assert found is not None
    assert found.name == "one"
    assert lora_of_hash("cd" * 6, settings) is None
    assert lora_of_hash("", settings) is None


def test_files_that_cannot_be_used_are_listed_with_the_reason(tmp_path: Path) -> None:
    _lora(tmp_path / "film.safetensors")
    (tmp_path / "old.pt").write_bytes(b"\x80")
    safetensors(tmp_path / "oft.safetensors", {"lora_unet_a.oft_blocks": (4, 4)})
    safetensors(tmp_path / "emb.safetensors", {"emb_params": (4, 768)})
    problems = {
        each.name: each.problem for each in installed_loras(Settings(lora_folders=(tmp_path,)))
    }
    assert problems["film"] == ""
    assert "is a pickle file" in problems["old"]
    assert "is no LoRA, but an OFT adapter" in problems["oft"]
    assert "is no LoRA, but a textual inversion" in problems["emb"]
    with pytest.raises(UnsupportedModelError):
        find_lora_by_name("oft", Settings(lora_folders=(tmp_path,)))
