"""Settings out of ComfyUI graphs of many passes, merged models, pipes, contexts and loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.comfyui_graphs import graph, node, read, sampler

LOADER = {
    **{"ckpt_name": "a.safetensors", "clip_skip": -2, "lora_name": "None", "positive": "a fox"},
    **{"positive_token_normalization": "none", "positive_weight_interpretation": "comfy"},
    **{"negative": "blurry", "negative_token_normalization": "none", "empty_latent_width": 512},
    **{"negative_weight_interpretation": "comfy", "empty_latent_height": 768, "batch_size": 1},
}
FLUX: dict[str, Any] = {
    "model": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "clip": node("DualCLIPLoader", clip_name1="t5.safetensors", clip_name2="l", type="flux"),
    "empty": node("EmptySD3LatentImage", width=512, height=768, batch_size=1),
    "fox": node("CLIPTextEncode", text="a fox", clip=["clip", 0]),
    "guided": node("FluxGuidance", guidance=3.5, conditioning=["fox", 0]),
    "guider": node("BasicGuider", model=["model", 0], conditioning=["guided", 0]),
    "noise": node("RandomNoise", noise_seed=7),
    "select": node("KSamplerSelect", sampler_name="euler"),
    "sigmas": node("BasicScheduler", scheduler="normal", steps=20, denoise=1, model=["model", 0]),
    "sampler": node(
        "SamplerCustomAdvanced",
        **{"noise": ["noise", 0], "guider": ["guider", 0], "sampler": ["select", 0]},
        **{"sigmas": ["sigmas", 0], "latent_image": ["empty", 0]},
    ),
    "decode": node("VAEDecode", samples=["sampler", 0], vae=["vae", 0]),
    "save": node("SaveImage", images=["decode", 0]),
}
HIRES = {
    "up": node("LatentUpscaleBy", samples=["sampler", 0], scale_by=1.5),
    "second": sampler(seed=99, steps=12, cfg=5.0, denoise=0.5, latent_image=["up", 0]),
    "decode": node("VAEDecode", samples=["second", 0], vae=["model", 2]),
}
DETAILER = {
    "detailer": node(
        "FaceDetailerPipe",
        **{"image": ["decode", 0], "detailer_pipe": ["pipe", 0], "seed": 3, "steps": 8, "cfg": 4},
        **{"sampler_name": "euler", "scheduler": "normal", "denoise": 0.4},
    ),
    "pipe": node("ToDetailerPipe", model=["model", 0], positive=["fox", 0], negative=["blur", 0]),
    "save": node("SaveImage", images=["detailer", 0]),
}
REFINER = {
    "refiner": node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"),
    "second": sampler(steps=20, model=["refiner", 0], latent_image=["sampler", 0]),
    "decode": node("VAEDecode", samples=["second", 0], vae=["model", 2]),
}


@pytest.mark.parametrize(
    ("nodes", "later"),
    [
        (
            HIRES,
            ["Pass 2, node second (KSampler): Seed 99, Steps 12, CFG scale 5.0, Sampler euler"],
        ),
        (HIRES | DETAILER, ["Pass 2, node second", "Pass 3, node detailer (FaceDetailerPipe): Se"]),
        (REFINER, ["Pass 2, node second (KSampler): Seed 7"]),
    ],
)
def test_first_pass_is_taken_and_the_later_ones_are_named(
    tmp_path: Path, nodes: dict[str, Any], later: list[str]
) -> None:
    found = read(tmp_path, dict(reversed(graph(**nodes).items())))
    taken = {name: found.values[name] for name in ("seed", "num_inference_steps", "model")}
    assert taken == {"seed": 7, "num_inference_steps": 20, "model": "base.safetensors"}
    assert "strength" not in found.stated
    named = [each for each in found.not_carried if each.startswith("Pass")]
    assert len(named) == len(later)
    for name, beginning in zip(named, later, strict=True):
        assert name.startswith(beginning)
    assert ("refiner.safetensors" in " ".join(named)) == (nodes is REFINER)


def test_sampler_of_a_picture_that_is_not_saved_is_no_pass(tmp_path: Path) -> None:
    nodes = graph(
        other=sampler(seed=5, positive=["wolf", 0]),
        wolf=node("CLIPTextEncode", text="a wolf", clip=["model", 1]),
        shown=node("VAEDecode", samples=["other", 0], vae=["model", 2]),
        preview=node("PreviewImage", images=["shown", 0]),
    )
    found = read(tmp_path, dict(reversed(nodes.items())))
    assert (found.values["prompt"], found.values["seed"]) == ("a fox", 7)
    assert not any(each.startswith("Pass") for each in found.not_carried)


def test_all_merged_models_are_named(tmp_path: Path) -> None:
    names = ["b.safetensors", "c.safetensors", "d.safetensors"]
    others = {name[0]: node("CheckpointLoaderSimple", ckpt_name=name) for name in names}
    nodes = graph(
        **others,
        first=node("ModelMergeSimple", model1=["model", 0], model2=["b", 0], ratio=0.5),
        second=node("ModelMergeSimple", model1=["c", 0], model2=["d", 0], ratio=0.5),
        both=node("ModelMergeBlocks", model1=["first", 0], model2=["second", 0], input=1, out=0.5),
        sampler=sampler(model=["both", 0]),
    )
    found = read(tmp_path, nodes)
    assert found.values["model"] == "base.safetensors"
    for name in names:
        assert f"Model {name}: sdtui merges no models" in found.not_carried


@pytest.mark.parametrize(
    "loader",
    [
        {"ckpt_name": {"content": "a.safetensors", "image": None, "title": "a"}},
        {"ckpt_name": ["chosen", 0]},
        {"model_path": "a.safetensors"},
        {"unet_name": "a.safetensors", "lora_name": "None"},
    ],
)
def test_model_is_read_from_objects_and_links(tmp_path: Path, loader: dict[str, Any]) -> None:
    chosen = node("Checkpoint Selector", ckpt_name="a.safetensors")
    found = read(tmp_path, graph(model=node("Some Loader", **loader), chosen=chosen))
    assert found.values["model"] == "a.safetensors"


@pytest.mark.parametrize(
    "nodes",
    [
        {
            "loader": node("Efficient Loader", **LOADER),
            "sampler": sampler(
                model=["loader", 0],
                positive=["loader", 1],
                negative=["loader", 2],
                latent_image=["loader", 3],
            ),
        },
        {
            "loader": node("easy fullLoader", **LOADER),
            "before": node(
                "easy preSampling",
                **{"steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal"},
                **{"denoise": 1, "seed": 7, "pipe": ["loader", 0]},
            ),
            "end": node("easy kSampler", pipe=["before", 0], image_output="Save"),
        },
        {
            "loader": node(
                "Eff. Loader SDXL",
                **{f"base_{name}": LOADER[name] for name in ("ckpt_name", "clip_skip")},
                **{key: LOADER[key] for key in LOADER if key not in ("ckpt_name", "clip_skip")},
            ),
            "sampler": node(
                "KSampler SDXL (Eff.)",
                **{"sdxl_tuple": ["loader", 0], "latent_image": ["loader", 1], "noise_seed": 7},
                **{"steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal"},
            ),
        },
    ],
)
def test_loader_with_both_prompts_is_read(tmp_path: Path, nodes: dict[str, Any]) -> None:
    values = read(tmp_path, nodes).values
    assert values == {
        **{"prompt": "a fox", "negative_prompt": "blurry", "model": "a.safetensors", "seed": 7},
        **{"sampler": "Euler", "num_inference_steps": 20, "guidance_scale": 8.0, "clip_skip": 2},
        **{"width": 512, "height": 768},
    }


def test_context_is_no_sampler_and_gives_its_settings(tmp_path: Path) -> None:
    context = node(
        "Context Big (rgthree)",
        **{"model": ["model", 0], "clip": ["model", 1], "positive": ["fox", 0], "steps": 22},
        **{"negative": ["blur", 0], "latent": ["empty", 0], "seed": ["seed", 0], "cfg": 5.5},
        **{"sampler": "dpmpp_2m", "scheduler": "karras", "ckpt_name": "base.safetensors"},
    )
    linked = sampler(
        **{"seed": ["context", 9], "steps": ["context", 10], "cfg": ["context", 12]},
        **{"sampler_name": ["context", 13], "scheduler": ["context", 14]},
        **{"positive": ["context", 4], "negative": ["context", 5], "model": ["context", 1]},
        latent_image=["context", 6],
    )
    nodes = graph(context=context, sampler=linked, seed=node("Seed (rgthree)", seed=4321))
    values = read(tmp_path, nodes).values
    assert (values["prompt"], values["negative_prompt"]) == ("a fox", "blurry")
    assert (values["seed"], values["num_inference_steps"]) == (4321, 22)
    assert (values["guidance_scale"], values["sampler"]) == (5.5, "DPM++ 2M Karras")


@pytest.mark.parametrize(
    ("nodes", "guidance"),
    [
        ({}, 3.5),
        (
            {
                "fox": node("CLIPTextEncodeFlux", t5xxl="a fox", clip_l="", guidance=2.5),
                "guider": node("BasicGuider", model=["model", 0], conditioning=["fox", 0]),
            },
            2.5,
        ),
        (
            {
                "guider": node(
                    "CFGGuider",
                    **{"cfg": 1, "model": ["model", 0], "positive": ["guided", 0]},
                    negative=["zero", 0],
                ),
                "zero": node("ConditioningZeroOut", conditioning=["fox", 0]),
            },
            3.5,
        ),
    ],
)
def test_guidance_of_a_distilled_model_is_its_cfg_scale(
    tmp_path: Path, nodes: dict[str, Any], guidance: float
) -> None:
    found = read(tmp_path, {**FLUX, **nodes})
    assert found.values["guidance_scale"] == guidance
    assert (found.values["prompt"], found.values.get("negative_prompt", "")) == ("a fox", "")


def test_second_prompt_of_a_guider_is_named(tmp_path: Path) -> None:
    guider = node(
        "DualCFGGuider",
        **{"cfg_conds": 8.0, "cfg_cond2_negative": 5.0, "model": ["model", 0]},
        **{"cond1": ["fox", 0], "cond2": ["wolf", 0], "negative": ["blur", 0]},
    )
    texts = {
        name: node("CLIPTextEncode", text=f"a {name}", clip=["clip", 0])
        for name in ("wolf", "blur")
    }
    found = read(tmp_path, {**FLUX, **texts, "guider": guider})
    assert (found.values["prompt"], found.values["negative_prompt"]) == ("a fox", "a blur")
    assert found.values["guidance_scale"] == 8
    assert "Second prompt a wolf: sdtui has one" in found.not_carried


def test_prompt_that_wildcards_have_become_is_taken(tmp_path: Path) -> None:
    wildcards = node(
        "ImpactWildcardEncode",
        **{"wildcard_text": "a __animal__", "populated_text": "a fox", "mode": "populate"},
        **{"seed": 1, "model": ["model", 0], "clip": ["model", 1]},
    )
    found = read(tmp_path, graph(fox=wildcards))
    assert found.values["prompt"] == "a fox"
    assert not any("__animal__" in each for each in found.not_carried)


@pytest.mark.parametrize(("style", "named"), [("cinematic", True), ("none", False)])
def test_style_that_a_node_adds_is_named(tmp_path: Path, style: str, named: bool) -> None:
    styler = node("SDXLPromptStyler", text_positive="a fox", text_negative="blurry", style=style)
    fox = node("CLIPTextEncode", text=["styler", 0], clip=["model", 1])
    blur = node("CLIPTextEncode", text=["styler", 1], clip=["model", 1])
    found = read(tmp_path, graph(styler=styler, fox=fox, blur=blur))
    assert (found.values["prompt"], found.values["negative_prompt"]) == ("a fox", "blurry")
    assert any(each.startswith(f"style {style}") for each in found.not_carried) == named


def test_trigger_words_of_a_lora_are_not_guessed(tmp_path: Path) -> None:
    lora = node("Lora Loader", text="<lora:x:1>", model=["model", 0], clip=["model", 1])
    joined = node("JoinStrings", string1=["lora", 2], string2="a fox", delimiter=", ")
    fox = node("CLIPTextEncode", text=["joined", 0], clip=["lora", 1])
    found = read(tmp_path, graph(lora=lora, joined=joined, fox=fox))
    assert "prompt" not in found.values
    assert any(each.startswith("Prompt: can't be followed") for each in found.not_carried)


def test_linked_choice_of_a_switch_is_followed(tmp_path: Path) -> None:
    nodes = graph(
        fox=node("CLIPTextEncode", text=["switch", 0], clip=["model", 1]),
        switch=node("easy ifElse", boolean=["no", 0], on_true=["wolf", 0], on_false=["true", 0]),
        no=node("PrimitiveBoolean", value=False),
        wolf=node("String Literal", string="a wolf"),
        true=node("String Literal", string="a fox"),
    )
    assert read(tmp_path, nodes).values["prompt"] == "a fox"
