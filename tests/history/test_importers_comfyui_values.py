"""Texts, numbers and sizes that ComfyUI's nodes make of others: taken over, or named as not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.comfyui_graphs import graph, node, read, sampler

FOX = node("PrimitiveString", value="a fox")
WOLF = node("PrimitiveString", value="a wolf")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        (node("Text Concatenate", delimiter=", ", text_a=["a", 0], text_b=["b", 0]), True),
        (node("StringFunction", action="append", text_a=["a", 0], text_b=["b", 0]), True),
        (node("StringFunction", action="compare", text_a=["a", 0], text_b=["b", 0]), False),
        (node("Describe", text_input="what is it", image=["b", 0], max_new_tokens=99), False),
        (node("Language Model", prompt="write a prompt", model="l", temperature=1), False),
        (node("Line Of Text", multiline_text="a wolf\na cat", index=1), False),
    ],
)
def test_text_that_a_node_makes_is_no_prompt(
    tmp_path: Path, text: dict[str, Any], prompt: bool
) -> None:
    fox = node("CLIPTextEncode", text=["text", 0], clip=["model", 1])
    found = read(tmp_path, graph(fox=fox, text=text, a=FOX, b=WOLF))
    assert found.values.get("prompt") == ("a fox, a wolf" if prompt else None)
    named = f"Prompt: can't be followed through node text ({text['class_type']})"
    assert (named in found.not_carried) == (not prompt)


@pytest.mark.parametrize(
    "text",
    [
        node("Combine Strings", input_string=["a", 0], ending=["b", 0], separator="comma"),
        node("Prompt Single", text="a cat", text_in_opt=["a", 0]),
    ],
)
def test_text_is_not_taken_where_more_goes_into_it(tmp_path: Path, text: dict[str, Any]) -> None:
    fox = node("CLIPTextEncode", text=["text", 0], clip=["model", 1])
    found = read(tmp_path, graph(fox=fox, text=text, a=FOX, b=WOLF))
    assert "prompt" not in found.values
    assert any(each.startswith("Prompt: can't be followed") for each in found.not_carried)


def test_option_that_may_change_the_prompt_is_named(tmp_path: Path) -> None:
    fox = node("CLIPTextEncode", text=["text", 0], clip=["model", 1])
    found = read(tmp_path, graph(fox=fox, text=node("Case", string="a fox", mode="capitals")))
    assert found.values["prompt"] == "a fox"
    assert "mode capitals: node text may change the prompt by it" in found.not_carried


def test_node_that_shows_a_text_passes_it_on(tmp_path: Path) -> None:
    fox = node("CLIPTextEncode", text=["text", 0], clip=["model", 1])
    text = node("easy showAnything", anything=["a", 0], text="of the last run")
    assert read(tmp_path, graph(fox=fox, text=text, a=FOX)).values["prompt"] == "a fox"


def test_switch_without_a_choice_passes_on_its_first_input(tmp_path: Path) -> None:
    fox = node("CLIPTextEncode", text=["text", 0], clip=["model", 1])
    text = node("Any Switch (rgthree)", any_01=["a", 0], any_02=["b", 0])
    assert read(tmp_path, graph(fox=fox, text=text, a=FOX, b=WOLF)).values["prompt"] == "a fox"


@pytest.mark.parametrize("name", ["t5xxl", "llama", "caption"])
def test_text_is_joined_for_every_kind_of_encoder(tmp_path: Path, name: str) -> None:
    text = node("StringConcatenate", string_a=["a", 0], string_b=["b", 0], delimiter=" and ")
    encoder = node("Encoder", **{name: ["text", 0]}, clip=["model", 1])
    found = read(tmp_path, graph(fox=encoder, text=text, a=FOX, b=WOLF))
    assert found.values["prompt"] == "a fox and a wolf"


def test_text_of_a_part_of_the_picture_is_not_the_prompt(tmp_path: Path) -> None:
    boxed = node(
        "GLIGENTextBoxApply",
        **{"text": "a ball", "conditioning_to": ["fox", 0], "clip": ["model", 1], "width": 64},
    )
    found = read(tmp_path, graph(boxed=boxed, sampler=sampler(positive=["boxed", 0])))
    assert found.values["prompt"] == "a fox"
    assert "Prompt a ball: node boxed adds it to another" in found.not_carried


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"fox": node("LoadConditioning", file="a.pt")}, "node fox (LoadConditioning)"),
        ({"sampler": sampler(positive=["gone", 0])}, "node gone (missing)"),
    ],
)
def test_prompt_that_is_not_found_is_named(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    found = read(tmp_path, graph(**changes))
    assert "prompt" not in found.values
    assert f"Prompt: can't be followed through {named}" in found.not_carried
    assert not any(each.startswith("Negative prompt") for each in found.not_carried)


def test_pipe_with_short_names_keeps_the_sides_apart(tmp_path: Path) -> None:
    pipe = node("easy pipeIn", model=["model", 0], neg=["blur", 0], pos=["fox", 0])
    out = node("easy pipeOut", pipe=["pipe", 0])
    ends = sampler(positive=["out", 2], negative=["out", 3], model=["out", 1])
    values = read(tmp_path, graph(pipe=pipe, out=out, sampler=ends)).values
    assert (values["prompt"], values["negative_prompt"]) == ("a fox", "blurry")


def test_pipe_behind_a_switch_is_followed(tmp_path: Path) -> None:
    pipe = node("Context", model=["model", 0], positive=["fox", 0], negative=["blur", 0])
    switch = node("Context Switch (rgthree)", ctx_01=["pipe", 0])
    out = node("Context", base_ctx=["switch", 0])
    ends = sampler(positive=["out", 4], negative=["out", 5])
    values = read(tmp_path, graph(pipe=pipe, switch=switch, out=out, sampler=ends)).values
    assert (values["prompt"], values["negative_prompt"]) == ("a fox", "blurry")


def test_sides_that_are_taken_out_of_a_pipe_crosswise_are_kept(tmp_path: Path) -> None:
    pipe = node("ToBasicPipe", model=["model", 0], positive=["fox", 0], negative=["blur", 0])
    out = node("FromBasicPipe", basic_pipe=["pipe", 0])
    crossed = sampler(positive=["out", 4], negative=["out", 3])
    values = read(tmp_path, graph(pipe=pipe, out=out, sampler=crossed)).values
    assert (values["prompt"], values["negative_prompt"]) == ("blurry", "a fox")


@pytest.mark.parametrize(
    "number",
    [
        node("SimpleMath+", value="a + 1", a=["other", 0]),
        node("RandomInteger", minimum=1, maximum=50, seed=5),
        node("easy seedList", min_num=1, max_num=50, method="random", total=1, seed=5),
    ],
)
@pytest.mark.parametrize(
    ("name", "field", "label"),
    [("seed", "seed", "Seed"), ("steps", "num_inference_steps", "Steps")],
)
def test_number_that_a_node_makes_is_named(
    tmp_path: Path, number: dict[str, Any], name: str, field: str, label: str
) -> None:
    other = node("PrimitiveInt", value=41)
    linked = sampler(**{name: ["number", 0]})
    found = read(tmp_path, graph(sampler=linked, number=number, other=other))
    assert field not in found.stated
    named = f"{label}: can't be followed through node number ({number['class_type']})"
    assert named in found.not_carried


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"start_at_step": 8, "end_at_step": 10_000}, ["start_at_step 8"]),
        ({"start_at_step": 0, "end_at_step": 15}, ["end_at_step 15"]),
        ({"start_at_step": 0, "end_at_step": 20}, []),
    ],
)
def test_steps_that_are_skipped_are_named(
    tmp_path: Path, changes: dict[str, Any], named: list[str]
) -> None:
    found = read(tmp_path, graph(sampler=sampler(**changes)))
    assert found.values["num_inference_steps"] == 20
    at_steps = [each for each in found.not_carried if "at_step" in each]
    assert at_steps == [f"{each}: sdtui has no such setting" for each in named]


@pytest.mark.parametrize(
    ("preset", "size"),
    [
        ({"aspect_ratio": "3:4 portrait 896x1152"}, (896, 1152)),
        ({"resolution": "896 x 1152", "swap_dimensions": "On"}, (1152, 896)),
        ({"resolution": "width x height (custom)"}, (1024, 1024)),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_preset_of_a_size_counts_before_its_numbers(
    tmp_path: Path, preset: dict[str, Any], size: tuple[int, int], linked: bool
) -> None:
    chosen = node("Size", width=1024, height=1024, **preset)
    empty = node("EmptyLatentImage", width=["chosen", 0], height=["chosen", 1], batch_size=1)
    nodes = graph(chosen=chosen, empty=empty) if linked else graph(empty=chosen)
    values = read(tmp_path, nodes).values
    assert (values["width"], values["height"]) == size


def test_batch_of_one_seed_is_named(tmp_path: Path) -> None:
    empty = node("EmptyLatentImage", width=512, height=512, batch_size=4)
    named = "Batch size 4: the seed is that of all of them"
    assert named in read(tmp_path, graph(empty=empty)).not_carried
    assert named not in read(tmp_path, graph()).not_carried


def test_other_picture_of_the_graph_is_named_with_its_prompt(tmp_path: Path) -> None:
    nodes = graph(
        other=sampler(seed=5, positive=["wolf", 0]),
        wolf=node("CLIPTextEncode", text="a wolf", clip=["model", 1]),
        decoded=node("VAEDecode", samples=["other", 0], vae=["model", 2]),
        saved=node("SaveImage", images=["decoded", 0]),
    )
    found = read(tmp_path, nodes)
    assert found.values["prompt"] == "a fox"
    (named,) = (each for each in found.not_carried if each.startswith("Another picture"))
    assert "node other" in named
    assert named.endswith("Prompt a wolf")


def test_files_of_unused_nodes_are_named(tmp_path: Path) -> None:
    loras = node("Lora Stack", lora_a="style\\ink.safetensors", model=["model", 0])
    found = read(tmp_path, graph(loras=loras, sampler=sampler(model=["loras", 0])))
    named = "node Lora Stack ink.safetensors: sdtui has no such setting"
    assert named in found.not_carried


def test_node_that_splits_the_steps_is_named(tmp_path: Path) -> None:
    nodes = graph(
        sampler=node(
            "SamplerCustom",
            **{"noise_seed": 7, "cfg": 8.0, "model": ["model", 0], "latent_image": ["empty", 0]},
            **{"positive": ["fox", 0], "negative": ["blur", 0], "sampler": ["euler", 0]},
            sigmas=["split", 1],
        ),
        euler=node("SamplerEulerAncestral", eta=1.0),
        split=node("SplitSigmas", step=10, sigmas=["steps", 0]),
        steps=node("KarrasScheduler", steps=20),
    )
    found = read(tmp_path, nodes)
    assert (found.values["num_inference_steps"], found.values["sampler"]) == (20, "Euler a Karras")
    assert "node SplitSigmas: sdtui has no such setting" in found.not_carried
    assert not any("can't be followed" in each for each in found.not_carried)


def test_graph_of_many_passes_and_outputs_is_read_at_once(tmp_path: Path) -> None:
    nodes = graph()
    for at in range(400):
        before = [f"pass{at - 1}", 0] if at else ["sampler", 0]
        nodes[f"pass{at}"] = sampler(seed=at, latent_image=before)
        nodes[f"save{at}"] = node("SaveImage", images=[f"pass{at}", 0])
    start = time.perf_counter()
    found = read(tmp_path, nodes)
    assert time.perf_counter() - start < 30  # a walk for each pair would take minutes
    assert found.values["seed"] == 7
    assert found.not_carried[1].startswith("Pass 2")
