"""What is wrong with requests is found before they are queued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.errors import InvalidRequestError, ModelNotFoundError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.jobs.backends.models import LocalModels
from sdtui.jobs.prompts import PicturePrompts
from sdtui.jobs.request_checks import check_files, check_loras, check_requests, check_resolved
from sdtui.requests.request import GenerationRequest
from tests.support.model_files import safetensors, sd1_folder

NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def _request(prompt: str = "x", *loras: str, **values: str) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": prompt, "loras": loras, "model": "pocket", **values})


@pytest.fixture
def models(tmp_path: Path) -> LocalModels:
    folder = tmp_path / "models/Lora"
    folder.mkdir(parents=True)
    shapes = {f"{NAME}.lora_down.weight": (8, 768), f"{NAME}.lora_up.weight": (320, 8)}
    safetensors(folder / "film.safetensors", shapes)
    return LocalModels(Settings(model_folders=(tmp_path,)))


@pytest.mark.parametrize(
    "prompt",
    ["<lora: film : 0.5 >", "<LORA:FILM:-1>", "<lyco:film:0>", "x # <lora:nothing:1>"],
)
def test_loras_that_are_here_pass(models: LocalModels, prompt: str) -> None:
    check_loras(models, [_request(prompt, "film:0.5:0")])


@pytest.mark.parametrize("name", ["nothing", "fil", "film.ckpt"])
def test_loras_that_are_not_here_are_refused(models: LocalModels, name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="there is no LoRA"):
        check_loras(models, [_request("x", name)], allow_files=True)


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [
        ("<lora:film:much>", "which is not a number"),
        ("<hypernet:film>", "is a hypernetwork"),
        ("<lora:film:1:lbw=1,2>", "film: lbw=1,2 has 2 numbers"),
        ("<lora:film:1:lbw=ODD>", "film: lbw=ODD is neither a list of numbers"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(
    models: LocalModels, prompt: str, problem: str
) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        check_loras(models, [_request(prompt)], allow_files=True)
    check_loras(models, [_request(prompt, unusable_loras="leave_out")])


def test_paths_are_names_only_where_files_are_allowed(models: LocalModels, tmp_path: Path) -> None:
    requests = [_request("x", str(tmp_path / "models/Lora/film.safetensors"))]
    check_loras(models, requests, allow_files=True)
    with pytest.raises(ModelNotFoundError):
        check_loras(models, requests)


@pytest.mark.parametrize("allow_files", [True, False])
def test_what_is_chosen_later_is_checked_then(models: LocalModels, allow_files: bool) -> None:
    requests = [_request("<lora:{a|b}:1>"), _request("<lora:film:{0.5|x}>")]
    check_loras(models, requests, allow_files=allow_files)
    with pytest.raises(InvalidRequestError, match="not a number"):
        check_loras(
            models, [_request("<lora:film:{0.5|1}>", dynamic_prompts="off")], allow_files=True
        )
    with pytest.raises(ModelNotFoundError):
        check_resolved(models, requests[0], [PicturePrompts("<lora:a:1>")])
    with pytest.raises(InvalidRequestError, match="not a number"):
        check_resolved(models, requests[1], [PicturePrompts("<lora:film:x>")])
    with pytest.raises(ModelNotFoundError):
        check_resolved(models, requests[0], [PicturePrompts("<lora:/etc/__no__:1>")])


def test_loras_that_may_be_left_out_are_not_checked_but_are_no_files(
    models: LocalModels, tmp_path: Path
) -> None:
    path = tmp_path / "models/Lora/film.safetensors"
    check_loras(models, [_request("<lora:nothing:1>", unusable_loras="leave_out")])
    hidden = [_request(f"<lora:{path}:1>", unusable_loras="leave_out")]
    check_loras(models, hidden, allow_files=True)
    with pytest.raises(ModelNotFoundError):
        check_loras(models, hidden)


def test_plain_prompts_have_no_tags(models: LocalModels) -> None:
    check_loras(models, [_request("<lora:nothing:1>", prompt_syntax="plain")])


def test_vaes_are_checked_against_their_model(tmp_path: Path) -> None:
    shapes = {"fits": (512, 4, 3, 3), "flux": (512, 16, 3, 3)}
    for name, shape in shapes.items():
        safetensors(tmp_path / f"VAE/{name}.safetensors", {"decoder.conv_in.weight": shape})
    sd1_folder(tmp_path / "models/base")
    config = '{"latent_channels": 4, "block_out_channels": [128, 512]}'
    (tmp_path / "models/base/vae/config.json").write_text(config)
    models = LocalModels(
        Settings(model_folders=(tmp_path / "models",), vae_folders=(tmp_path / "VAE",))
    )

    def request(vae: str, model: str = "base") -> GenerationRequest:
        return GenerationRequest.parse({"prompt": "x", "model": model, "vae": vae})

    check_files(models, [request("fits"), request("none"), request("flux", "pocket")])
    with pytest.raises(UnsupportedModelError, match="is a VAE of 16 channels"):
        check_files(models, [request("fits"), request("flux")])
    path = str(tmp_path / "VAE/fits.safetensors")
    check_files(models, [request(path)], allow_files=True)
    with pytest.raises(ModelNotFoundError, match="there is no VAE"):
        check_files(models, [request(path)])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"width": 1032}, "must be a multiple of 16 for flow, not 1032: 1024 or 1040"),
        ({"hires_scale": 2, "hires_sampler": "DDIM"}, '"DDIM" doesn\'t work with models'),
        ({"sampler": "Euler a"}, "of the flow kind: take Euler, Heun or UniPC"),
    ],
)
def test_values_that_a_model_cannot_take_are_refused(
    tmp_path: Path, values: dict[str, Any], problem: str
) -> None:
    folder = sd1_folder(tmp_path / "flow")
    index = json.loads((folder / "model_index.json").read_text())
    index["_class_name"] = "StableDiffusion3Pipeline"
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "scheduler").mkdir(exist_ok=True)
    scheduler = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(scheduler))
    request = GenerationRequest.parse({"prompt": "x", "model": str(folder), **values})
    models = LocalModels(Settings())
    check_files(models, [request])
    with pytest.raises(InvalidRequestError, match=problem):
        check_requests(models, [request])
