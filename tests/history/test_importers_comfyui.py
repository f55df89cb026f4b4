"""Settings out of ComfyUI's graphs: links are followed by output, to texts, numbers and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdtui.history.importers import ImportedSettings
from tests.support.comfyui_graphs import Graph, graph, node, read, sampler


def prompts(found: ImportedSettings) -> tuple[object, object]:
    return found.values.get("prompt"), found.values.get("negative_prompt", "")


BOTH = sampler(positive=["both", 0], negative=["both", 1])
SIDES: dict[str, Any] = {"positive": ["fox", 0], "negative": ["blur", 0]}


@pytest.mark.parametrize(
    "both",
    [
        node("ControlNetApplyAdvanced", **SIDES, control_net=["cn", 0], strength=0.8),
        node("InpaintModelConditioning", **SIDES, vae=["model", 2], pixels=["load", 0]),
        node("LTXVConditioning", frame_rate=25, negative=["blur", 0], positive=["fox", 0]),
        node(
            "PairConditioningCombine",
            **{"positive_A": ["fox", 0], "negative_A": ["blur", 0]},
            **{"positive_B": ["fox", 0], "negative_B": ["blur", 0]},
        ),
    ],
    ids=lambda each: each["class_type"],
)
def test_node_with_both_prompts_keeps_their_sides(tmp_path: Path, both: dict[str, Any]) -> None:
    found = read(tmp_path, graph(sampler=BOTH, both=both))
    assert prompts(found) == ("a fox", "blurry")
    assert f"node {both['class_type']}: sdtui has no such setting" in found.not_carried


def test_swapped_outputs_give_swapped_prompts(tmp_path: Path) -> None:
    swapped = sampler(positive=["both", 1], negative=["both", 0])
    both = node("ControlNetApplySD3", **SIDES, strength=1)
    assert prompts(read(tmp_path, graph(sampler=swapped, both=both))) == ("blurry", "a fox")


def test_two_nodes_with_both_prompts_in_a_row_are_followed(tmp_path: Path) -> None:
    second = node("ControlNetApplyAdvanced", positive=["one", 0], negative=["one", 1])
    nodes = graph(sampler=BOTH, both=second, one=node("ControlNetApplyAdvanced", **SIDES))
    assert prompts(read(tmp_path, nodes)) == ("a fox", "blurry")


def test_loader_that_encodes_both_prompts_is_read(tmp_path: Path) -> None:
    loader = node(
        "Efficient Loader",
        **{"ckpt_name": "base.safetensors", "clip_skip": -2, "positive": "a fox"},
        **{"negative": "blurry", "empty_latent_width": 512, "empty_latent_height": 640},
    )
    wired = sampler(
        **{"positive": ["model", 1], "negative": ["model", 2], "latent_image": ["model", 3]}
    )
    found = read(tmp_path, graph(model=loader, sampler=wired))
    assert prompts(found) == ("a fox", "blurry")
    assert (found.values["height"], found.values["model"]) == (640, "base.safetensors")


def test_pipe_holds_both_prompts(tmp_path: Path) -> None:
    pipe = node("ToBasicPipe", model=["model", 0], clip=["model", 1], **SIDES)
    piped = node(
        "ImpactKSamplerBasicPipe",
        **{"basic_pipe": ["pipe", 0], "seed": 5, "steps": 9, "cfg": 3, "denoise": 1},
        **{"sampler_name": "euler", "scheduler": "normal", "latent_image": ["empty", 0]},
    )
    found = read(tmp_path, graph(sampler=piped, pipe=pipe))
    assert prompts(found) == ("a fox", "blurry")
    assert (found.values["seed"], found.values["model"]) == (5, "base.safetensors")


@pytest.mark.parametrize("kind", ["ConditioningZeroOut", "FluxConditioningZeroOut"])
def test_blanked_side_is_empty(tmp_path: Path, kind: str) -> None:
    nodes = graph(blur=node(kind, conditioning=["fox", 0]))
    assert prompts(read(tmp_path, nodes)) == ("a fox", "")


def test_combined_conditioning_gives_all_texts(tmp_path: Path) -> None:
    nodes = graph(
        sampler=sampler(positive=["and", 0]),
        hill=node("CLIPTextEncode", text="a hill", clip=["model", 1]),
        area=node("ConditioningSetArea", conditioning=["hill", 0], width=64, height=64),
        **{
            "and": node(
                "ConditioningCombine", conditioning_1=["fox", 0], conditioning_2=["area", 0]
            )
        },
    )
    assert prompts(read(tmp_path, nodes)) == ("a fox, a hill", "blurry")


@pytest.mark.parametrize(
    ("kind", "texts", "left_out"),
    [
        ("CLIPTextEncodeSDXL", {"text_g": "a fox", "text_l": "photo"}, "photo"),
        ("CLIPTextEncodeSD3", {"clip_l": "tags", "clip_g": "a fox", "t5xxl": ""}, "tags"),
        ("CLIPTextEncodeFlux", {"clip_l": "tags", "t5xxl": "a fox", "guidance": 3.5}, "tags"),
        ("TextEncodeQwenImageEdit", {"prompt": "a fox"}, None),
        ("smZ CLIPTextEncode", {"text": "a fox", "text_g": "", "text_l": ""}, None),
        ("Power Prompt (rgthree)", {"prompt": "a fox", "opt_clip": ["model", 1]}, None),
    ],
)
def test_encoders_with_other_texts_are_read(
    tmp_path: Path, kind: str, texts: dict[str, Any], left_out: str | None
) -> None:
    found = read(tmp_path, graph(fox=node(kind, **texts, clip=["model", 1])))
    assert prompts(found) == ("a fox", "blurry")
    assert any(f") {left_out}: sdtui" in each for each in found.not_carried) == bool(left_out)


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ({"s": node("PrimitiveStringMultiline", value="a fox")}, "a fox"),
        (
            {
                "s": node("ShowText|pysssss", text=["t", 0], text_0="a fox"),
                "t": node("Text", text="a fox"),
            },
            "a fox",
        ),
        (
            {"s": node("Reroute", **{"": ["t", 0]}), "t": node("Text Multiline", text="a fox")},
            "a fox",
        ),
        ({"s": node("StringConcatenate", string_a="a ", string_b="fox", delimiter="")}, "a fox"),
        (
            {
                "s": node("Text Concatenate", delimiter=", ", text_a=["t", 0], text_b="in snow"),
                "t": node("String Literal", string="a fox"),
            },
            "a fox, in snow",
        ),
        (
            {
                "s": node(
                    "ImpactWildcardProcessor",
                    wildcard_text="a {fox|wolf}",
                    populated_text="a fox",
                    mode=True,
                    seed=3,
                )
            },
            "a fox",
        ),
        (
            {"s": node("SDXLPromptStyler", text_positive="a fox", text_negative="x", style="base")},
            "a fox",
        ),
        (
            {
                "s": node("ImpactSwitch", select=2, input1=["u", 0], input2=["t", 0]),
                "t": node("PrimitiveString", value="a fox"),
                "u": node("PrimitiveString", value="a wolf"),
            },
            "a fox",
        ),
    ],
    ids=lambda each: each["s"]["class_type"] if isinstance(each, dict) else "",
)
def test_prompt_behind_links_is_found(tmp_path: Path, nodes: Graph, text: str) -> None:
    fox = node("CLIPTextEncode", text=["s", 0], clip=["model", 1])
    assert prompts(read(tmp_path, graph(fox=fox, **nodes))) == (text, "blurry")


@pytest.mark.parametrize(
    "source",
    [
        {"n": node("Seed (rgthree)", seed=4242)},
        {"n": node("PrimitiveInt", value=4242)},
        {"n": node("Constant Number", number_type="integer", number=4242)},
        {"n": node("Reroute", **{"": ["m", 0]}), "m": node("INTConstant", value="4242")},
        {"n": node("easy seed", seed=4242, control_after_generate="randomize")},
    ],
    ids=lambda each: each["n"]["class_type"],
)
def test_number_behind_links_is_found(tmp_path: Path, source: Graph) -> None:
    found = read(tmp_path, graph(sampler=sampler(seed=["n", 0]), **source))
    assert found.values["seed"] == 4242


def test_what_can_not_be_followed_is_named_by_field_and_node(tmp_path: Path) -> None:
    math = node("MathExpression", expression="a * b", a=["x", 0], b=["y", 0])
    llm = node("AskModel", image=["x", 0], question=["y", 0])
    nodes = graph(
        sampler=sampler(steps=["math", 0]),
        fox=node("CLIPTextEncode", text=["llm", 0], clip=["model", 1]),
        **{"math": math, "llm": llm, "x": node("LoadImage", image="x"), "y": node("A", b=1.5, c=2)},
    )
    found = read(tmp_path, nodes)
    assert "num_inference_steps" not in found.values
    assert "Steps: can't be followed through node math (MathExpression)" in found.not_carried
    assert "Prompt: can't be followed through node llm (AskModel)" in found.not_carried


def custom(guider: dict[str, Any], sigmas: dict[str, Any], select: dict[str, Any]) -> Graph:
    return graph(
        sampler=node(
            "SamplerCustomAdvanced",
            **{"noise": ["noise", 0], "guider": ["guider", 0], "sampler": ["select", 0]},
            **{"sigmas": ["sigmas", 0], "latent_image": ["empty", 0]},
        ),
        noise=node("RandomNoise", noise_seed=777),
        guider=guider,
        sigmas=sigmas,
        select=select,
    )


def test_custom_sampler_with_its_parts_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        custom(
            node("CFGGuider", cfg=4.5, model=["model", 0], **SIDES),
            node("BasicScheduler", scheduler="karras", steps=24, denoise=1, model=["model", 0]),
            node("KSamplerSelect", sampler_name="dpmpp_2m"),
        ),
    )
    assert prompts(found) == ("a fox", "blurry")
    assert found.values["sampler"] == "DPM++ 2M Karras"
    assert found.values["seed"] == 777
    assert (found.values["num_inference_steps"], found.values["guidance_scale"]) == (24, 4.5)
    assert (found.values["model"], found.values["width"]) == ("base.safetensors", 512)


def test_scheduler_and_sampler_in_the_names_of_nodes_are_read(tmp_path: Path) -> None:
    basic = node("BasicGuider", model=["model", 0], conditioning=["fox", 0])
    sigmas = node("KarrasScheduler", steps=12, sigma_max=14.6, sigma_min=0.03, rho=7)
    select = node("SamplerDPMPP_2M_SDE", solver_type="midpoint", eta=1, noise_device="gpu")
    found = read(tmp_path, custom(basic, sigmas, select))
    assert prompts(found) == ("a fox", "")
    assert found.values["sampler"] == "DPM++ 2M SDE Karras"
    assert found.values["num_inference_steps"] == 12


@pytest.mark.parametrize("first", [True, False])
def test_first_pass_is_that_of_the_work_not_of_the_file(tmp_path: Path, first: bool) -> None:
    later = sampler(seed=99, steps=10, denoise=0.4, latent_image=["up", 0])
    up = node("LatentUpscaleBy", samples=["sampler", 0], scale_by=1.5)
    decode = node("VAEDecode", samples=["later", 0], vae=["model", 2])
    nodes = graph(up=up, decode=decode, later=later)
    found = read(tmp_path, nodes if first else dict(reversed(nodes.items())))
    assert (found.values["seed"], found.values["num_inference_steps"]) == (7, 20)
    assert "1 more samplers: only the first is used" in found.not_carried


@pytest.mark.parametrize(
    "loader",
    [
        node("UnetLoaderGGUF", unet_name="flux.gguf"),
        node("CheckpointLoader|pysssss", ckpt_name={"content": "flux.gguf", "image": None}),
        node("CheckpointLoaderSimple", ckpt_name=["name", 0]),
    ],
    ids=lambda each: each["class_type"],
)
def test_model_of_any_loader_is_named(tmp_path: Path, loader: dict[str, Any]) -> None:
    lora = node("LoraLoader", lora_name="film.safetensors", model=["model", 0], clip=["model", 1])
    name = node("Checkpoint Name", ckpt_name="flux.gguf")
    nodes = graph(sampler=sampler(model=["lora", 0]), lora=lora, name=name, model=loader)
    assert read(tmp_path, nodes).values["model"] == "flux.gguf"


def test_merged_models_are_reported(tmp_path: Path) -> None:
    merge = node("ModelMergeSimple", model1=["model", 0], model2=["other", 0], ratio=0.5)
    other = node("CheckpointLoaderSimple", ckpt_name="other.safetensors")
    found = read(tmp_path, graph(sampler=sampler(model=["m", 0]), m=merge, other=other))
    assert found.values["model"] == "base.safetensors"
    assert any(each.startswith("Model: node m merges") for each in found.not_carried)


def test_graph_with_countless_paths_is_given_up(tmp_path: Path) -> None:
    many = {
        f"s{n}": node("Join", string_a=[f"s{n + 1}", 0], string_b=[f"s{n + 1}", 0])
        for n in range(90)
    }
    many |= {
        f"c{n}": node("Combine", cond_1=[f"c{n + 1}", 0], cond_2=[f"c{n + 1}", 0])
        for n in range(90)
    }
    fox = node("CLIPTextEncode", text=["s0", 0], clip=["model", 1])
    nodes = graph(fox=fox, sampler=sampler(negative=["c0", 0]), **many)
    assert "prompt" not in read(tmp_path, nodes).values


def test_prompts_encoded_by_one_node_keep_their_sides(tmp_path: Path) -> None:
    embeds = node("VideoTextEncode", positive_prompt="a fox", negative_prompt="blurry", t5=["t", 0])
    video = node("VideoSampler", text_embeds=["e", 0], steps=9, cfg=2, seed=5, model=["model", 0])
    assert prompts(read(tmp_path, graph(sampler=video, e=embeds))) == ("a fox", "blurry")


@pytest.mark.parametrize(
    "source",
    [
        node("MathInt", a=2, b=3, operation="add"),
        node("MathExpression", expression="a + 1", a=["n", 0]),
    ],
)
def test_calculated_numbers_are_not_guessed(tmp_path: Path, source: dict[str, Any]) -> None:
    found = read(tmp_path, graph(sampler=sampler(steps=["n", 0]), n=source))
    assert "num_inference_steps" not in found.values
    assert any(each.startswith("Steps: can't be followed") for each in found.not_carried)


def test_changed_text_is_not_guessed(tmp_path: Path) -> None:
    change = node("Text Find and Replace", text="a fox", find="fox", replace="wolf")
    fox = node("CLIPTextEncode", text=["s", 0], clip=["model", 1])
    found = read(tmp_path, graph(fox=fox, s=change))
    assert "prompt" not in found.values
    assert any(each.startswith("Prompt: can't be followed") for each in found.not_carried)


@pytest.mark.parametrize(
    "switch",
    [
        node("ConditioningSwitch", Input=2, conditioning1=["blur", 0], conditioning2=["fox", 0]),
        node("ComfySwitchNode", switch=True, on_false=["blur", 0], on_true=["fox", 0]),
    ],
)
def test_switch_passes_on_the_chosen_input(tmp_path: Path, switch: dict[str, Any]) -> None:
    found = read(tmp_path, graph(sampler=sampler(positive=["switch", 0]), switch=switch))
    assert prompts(found) == ("a fox", "blurry")


def test_template_of_a_random_prompt_is_reported(tmp_path: Path) -> None:
    fox = node("CLIPTextEncode", text=["s", 0], clip=["model", 1])
    template = node("DPRandomGenerator", text="a {fox|wolf}", seed=3)
    found = read(tmp_path, graph(fox=fox, s=template))
    assert prompts(found) == ("a {fox|wolf}", "blurry")
    assert "node DPRandomGenerator: sdtui has no such setting" in found.not_carried
