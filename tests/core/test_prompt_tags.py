"""LoRA tags in prompts."""

from __future__ import annotations

import random

import pytest

from sdtui.core.prompt_tags import LoraTextError, LoraUse, parse_lora, take_tags


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("film", LoraUse("film")),
        ("film:0.8", LoraUse("film", 0.8, 0.8)),
        ("film:0.8:-0.5", LoraUse("film", 0.8, -0.5)),
        ("film:1:0.5:8", LoraUse("film", 1, 0.5, rank=8)),
        ("film:te=0:unet=0.7", LoraUse("film", 0, 0.7)),
        ("film:unet=0.7", LoraUse("film", 1, 0.7)),
        ("film:0.5:te=0.2", LoraUse("film", 0.2, 0.2)),
        ("film:1:lbw=OUTALL", LoraUse("film", blocks="OUTALL")),
        ("film:1:1,0,0.5", LoraUse("film", blocks="1,0,0.5")),
        ("film:1:0.5:lbw=1,0", LoraUse("film", 1, 0.5, blocks="1,0")),
        ("film:start=3:stop=9", LoraUse("film", start=3, stop=9)),
        ("film:step=5-10", LoraUse("film", start=5, stop=10)),
        ("a:b.safetensors", LoraUse("a:b.safetensors")),
        ("/x/a:b.safetensors:0.5:0.2", LoraUse("/x/a:b.safetensors", 0.5, 0.2)),
        ("sub/Film v2.safetensors: 1e-1 ", LoraUse("sub/Film v2.safetensors", 0.1, 0.1)),
    ],
)
def test_lora_is_parsed(text: str, use: LoraUse) -> None:
    assert parse_lora(text) == use
    assert parse_lora(str(use)) == use


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no LoRA"),
        (":0.5", "names no LoRA"),
        ("film:much", '"much", which is not a number'),
        ("film:nan", '"nan", which is not a number'),
        ("film:1:colour=2", "an argument colour"),
        ("film:1:1:2:3", "more than 4 arguments"),
        ("film:dyn=0", "at least one rank"),
        ("film:start=-1", "start=-1, which is not a whole number"),
        ("film:step=9", 'should be like "5-10"'),
        ("film:step=9-3", "before it starts"),
    ],
)
def test_wrong_lora_is_refused(text: str, problem: str) -> None:
    with pytest.raises(LoraTextError, match=problem):
        parse_lora(text)


def test_tags_are_taken_out_and_the_rest_stays() -> None:
    tagged = take_tags("a <lora:film:0.8> cat, <LYCO:dim>, (dog:1.2) <b> a < b:c > d <x:1>")
    assert tagged.text == "a  cat, , (dog:1.2) <b> a < b:c > d <x:1>"
    assert tagged.loras == (LoraUse("film", 0.8, 0.8), LoraUse("dim"))
    assert not tagged.problems


def test_tag_that_cannot_be_understood_is_said() -> None:
    tagged = take_tags("cat <lora:film:much> <hypernet:old:1>")
    assert tagged.text == "cat  "
    assert tagged.problems == (
        '<lora:film:much> has the weight "much", which is not a number',
        "<hypernet:old:1> is a hypernetwork, which can't be used",
    )


def test_no_text_raises() -> None:
    drawn = random.Random(1)
    alphabet = [
        "<lora:",
        "<",
        ">",
        ":",
        "=",
        "-",
        "1",
        "e",
        "te",
        "step",
        ",",
        " ",
        "ü",
        "\n",
        "lbw",
    ]
    for _ in range(3000):
        text = "".join(drawn.choices(alphabet, k=drawn.randrange(12)))
        assert len(take_tags(text).text) <= len(text)
