"""Axes, and the cells of a grid."""

from __future__ import annotations

from typing import Any

import pytest

from sdtui.core.errors import InvalidRequestError
from sdtui.requests.grids import Grid, GridOptions, axis_kinds, find_axis_kind, parse_axis
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest

_LETTERS = "XYZ"
_USUAL = GridOptions()


def _request(**values: object) -> GenerationRequest:
    return GenerationRequest.parse({"prompt": "a cat on a mat", **values})


def _grid(*axes: str, options: GridOptions = _USUAL, **values: Any) -> Grid:
    request = _request(**values)
    parsed = [parse_axis(_LETTERS[number], text, request) for number, text in enumerate(axes)]
    return Grid(request, parsed, options)


def _problem(*axes: str, **values: Any) -> str:
    with pytest.raises(InvalidRequestError) as raised:
        _grid(*axes, **values)
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("steps", "Steps"),
        ("num_inference_steps", "Steps"),
        ("cfg", "CFG Scale"),
        ("CFG scale", "CFG Scale"),
        ("prompt", "Prompt S/R"),
        ("S/R", "Prompt S/R"),
        ("prompt order", "Prompt order"),
        ("model", "Checkpoint name"),
        ("checkpoint name", "Checkpoint name"),
        ("sampler", "Sampler"),
        ("strength", "Denoising"),
        ("clip-skip", "Clip skip"),
        ("size", "Size"),
        ("negative", "Negative prompt"),
        ("w", "Width"),
        ("control weight", "[ControlNet] Weight"),
        ("[ControlNet] Pre Threshold A", "[ControlNet] Pre Threshold A"),
        ("ip-adapter weight", "[IP-Adapter] Weight"),
    ],
)
def test_an_axis_has_the_names_that_people_use(name: str, label: str) -> None:
    assert find_axis_kind(name).label == label


def test_every_field_that_changes_a_picture_is_an_axis() -> None:
    labels = {kind.label for kind in axis_kinds()}
    assert len(labels) == len(axis_kinds())
    found = {name for name in REQUEST_FIELDS if _is_axis(name)}
    assert REQUEST_FIELDS.keys() - found == {
        *("num_images_per_prompt", "policy", "memory_mode"),
        "prompt",  # which means search and replace
    }


def _is_axis(name: str) -> bool:
    try:
        kind = find_axis_kind(name)
    except InvalidRequestError:
        return False
    field = getattr(kind, "field", None)
    return field is not None and field.name == name


def test_cells_have_the_values_of_their_place() -> None:
    grid = _grid("steps=10,20", "prompt=cat,dog", seed=5)
    found = {
        (cell.place.x, cell.place.y): (cell.request.num_inference_steps, cell.request.prompt)
        for cell in grid.cells
    }
    assert found == {
        (0, 0): (10, "a cat on a mat"),
        (1, 0): (20, "a cat on a mat"),
        (0, 1): (10, "a dog on a mat"),
        (1, 1): (20, "a dog on a mat"),
    }
    assert grid.cells[-1].place.caption == "Steps: 20, dog"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_model_is_used_for_all_its_cells_in_one_go(place: int) -> None:
    axes = ["steps=10,20,30", "prompt=cat,dog,bird"]
    axes.insert(place, "model=one,two")
    models = [cell.request.model for cell in _grid(*axes).cells]
    assert models == ["one"] * 9 + ["two"] * 9


def test_an_open_seed_is_drawn_once_for_all_cells() -> None:
    seeds = {cell.request.seed for cell in _grid("steps=1-5").cells}
    assert len(seeds) == 1
    assert None not in seeds


def test_seeds_of_an_axis_are_kept_and_open_ones_drawn() -> None:
    first, second, third = (cell.request.seed for cell in _grid("seed=7,-1,-1").cells)
    assert first == 7
    assert second is not None
    assert third is not None
    assert second != third


def test_seeds_vary_along_the_axes_that_ask_for_it() -> None:
    def seeds(*letters: str) -> list[int | None]:
        options = GridOptions(vary_seeds=letters)
        grid = _grid("steps=1,2,3", "cfg=5,7", options=options, seed=100)
        return [cell.request.seed for cell in grid.cells]

    assert seeds() == [100] * 6
    assert seeds("X") == [100, 101, 102, 100, 101, 102]
    assert seeds("X", "Y") == [100, 101, 102, 103, 104, 105]


def test_an_open_variation_seed_is_drawn_once_for_all_strengths() -> None:
    cells = _grid("variation_strength=0-1 [3]").cells
    assert [cell.request.noise.variation_strength for cell in cells] == [0, 0.5, 1]
    assert len({cell.request.noise.variation_seed for cell in cells} - {None}) == 1


def test_random_seeds_can_be_kept() -> None:
    grid = _grid("steps=1,2", options=GridOptions(keeps_random_seeds=True))
    assert {cell.request.seed for cell in grid.cells} == {None}


def test_replacing_changes_the_negative_prompt_too() -> None:
    grid = _grid("prompt=blurry,sharp", negative_prompt="blurry, text")
    assert [cell.request.negative_prompt for cell in grid.cells] == ["blurry, text", "sharp, text"]


def test_order_puts_words_in_every_order() -> None:
    grid = _grid("prompt order=cat,mat")
    assert [cell.request.prompt for cell in grid.cells] == ["a cat on a mat", "a mat on a cat"]
    assert grid.axes[0].record.captions == ("cat, mat", "mat, cat")


def test_a_matrix_appends_every_combination() -> None:
    grid = _grid('matrix=oil,"ink, wash"')
    assert [cell.request.prompt for cell in grid.cells] == [
        "a cat on a mat",
        "a cat on a mat, oil",
        "a cat on a mat, ink, wash",
        "a cat on a mat, oil, ink, wash",
    ]
    assert grid.axes[0].record.captions == ("", "oil", "ink, wash", "oil, ink, wash")


def test_a_schedule_is_added_to_the_sampler() -> None:
    grid = _grid("schedule=Automatic,Karras", sampler="DPM++ 2M Exponential")
    assert [cell.request.sampler for cell in grid.cells] == ["DPM++ 2M", "DPM++ 2M Karras"]


def test_a_size_is_width_and_height() -> None:
    grid = _grid("size=512x768,64x64")
    found = [(cell.request.width, cell.request.height) for cell in grid.cells]
    assert found == [(512, 768), (64, 64)]


def test_captions_name_models_without_their_folders() -> None:
    kind = find_axis_kind("model")
    assert kind.caption("/models/some/film.safetensors") == "film"
    assert kind.caption("stabilityai/sdxl-turbo") == "sdxl-turbo"


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("steps=10,500", "X axis, Steps: must be at most 150, not 500."),
        ("steps=abc", "X axis, Steps: must be a whole number, not abc."),
        ("steps=9-1", "X axis, Steps: the range 9-1 has no values."),
        ("steps=", "X axis, Steps: has no values."),
        ("steps", 'X axis: takes AXIS=VALUES such as steps=10,20, not "steps".'),
        ("step size=1", 'X axis: there is no axis "step size"; did you mean "Steps"?'),
        ("sampler=Eulr", 'X axis, Sampler: there is no sampler "Eulr"; did you mean "Euler"?'),
        (
            "prompt=bird,dog",
            'X axis, Prompt S/R: "bird" is neither in the prompt nor in the negative prompt.',
        ),
        ("prompt order=cat,bird", 'X axis, Prompt order: "bird" is not in the prompt.'),
        (
            "schedule=Karras",
            "X axis, Schedule type: needs a sampler: the model's own may have no such schedule"
            ' ("Karras").',
        ),
        (
            f"matrix={','.join('abcdefghijk')}",
            "X axis, Prompt matrix: 11 texts have more than 1,000 combinations.",
        ),
        ("size=12", 'X axis, Size: is width and height such as 512x768, not "12".'),
        ("steps=1-1000", "X axis, Steps: must be at most 150, not 151."),
    ],
)
def test_a_wrong_value_is_one_sentence_with_the_axis(axis: str, message: str) -> None:
    assert _problem(axis) == message


def test_the_second_axis_is_named_too() -> None:
    assert _problem("steps=10,20", "cfg=7,99").startswith("Y axis, CFG Scale: ")


def test_too_many_cells_are_refused() -> None:
    assert _problem("seed=1-20", "steps=1-20", "cfg=1-20") == (
        "grid: 20 x 20 x 20 are 8,000 pictures; 1,000 are allowed."
    )


def test_a_sheet_that_would_be_too_large_is_refused() -> None:
    grid = _grid("seed=1-100", "steps=1-2", width=1024, height=1024)
    with pytest.raises(InvalidRequestError, match="200 pictures of 1024x1024 make a sheet of 210"):
        grid.check_sheet(lambda _: (512, 512))


def test_open_sizes_are_the_models_own() -> None:
    grid = _grid("seed=1-100", "model=small,large")
    with pytest.raises(InvalidRequestError, match="1024x1024"):
        grid.check_sheet({"small": (64, 64), "large": (1024, 1024)}.__getitem__)
    grid.check_sheet(lambda _: (512, 512))


def test_pictures_are_numbered_sheets_first_then_row_by_row() -> None:
    grid = _grid("steps=1,2", "cfg=5,7", "seed=1,2,3")
    by_number = sorted(grid.cells, key=lambda cell: cell.place.number)
    assert [cell.place.number for cell in by_number] == [*range(4, 16)]
    assert [(cell.place.x, cell.place.y, cell.place.z) for cell in by_number[:3]] == [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
    ]


def test_an_axis_sets_the_weight_of_all_loras() -> None:
    grid = _grid(
        "lora weight=0,-0.5,1",
        prompt="a cat <lora:film:0.8> <LyCO:ink:1:0.5:dyn=4> <lora:>",
        loras=("grain:0.3", "x:1:lbw=ALL"),
    )
    first, second, third = (cell.request for cell in grid.cells)
    assert first.prompt == "a cat <lora:film:0> <LyCO:ink:0:dyn=4> <lora:>"
    assert first.adapters.loras == ("grain:0", "x:0:lbw=ALL")
    assert second.adapters.loras == ("grain:-0.5", "x:-0.5:lbw=ALL")
    assert third.prompt == "a cat <lora:film> <LyCO:ink:dyn=4> <lora:>"
    assert [cell.place.caption for cell in grid.cells][1] == "LoRA weight: -0.5"


def test_a_weight_needs_a_lora_and_a_number() -> None:
    assert "needs a LoRA" in _problem("lora weight=1")
    assert "needs a LoRA" in _problem(
        "lora weight=1", prompt="<lora:film:1>", prompt_syntax="plain"
    )
    assert "must be a number, not x" in _problem("lora weight=x", loras=("film",))
    assert "not a number" in _problem("lora weight=nan", loras=("film",))


def test_a_switch_takes_true_or_false() -> None:
    assert "must be true or false, not maybe" in _problem("tiling=true,maybe")


def test_axis_of_controlnets_changes_the_first_one() -> None:
    controls = ("canny:a.png:0.5,end=0.8,preprocessor=canny", "depth:b.png")
    values = ["control weight=0-1 [3]", "control mode=balanced,ControlNet is more important"]
    grid = _grid(*values, controls=controls)
    assert [cell.request.control.controls for cell in grid.cells][-1] == (
        "canny:a.png,end=0.8,mode=control,preprocessor=canny",
        "depth:b.png",
    )
    assert len(grid.cells) == 6
    assert "needs ControlNets" in _problem("control weight=0,1")
    assert "weight" in _problem("control weight=0,99", controls=controls)
    adapters = _grid("ip adapter weight=0.3,1", ip_adapters=("plus:a.png",))
    assert adapters.cells[0].request.control.ip_adapters == ("plus:a.png:0.3",)
