"""What a new feature costs: a request with sections that the product doesn't have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import click
import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter

from sdtui.cli.options import options_for, request_values
from sdtui.core.errors import InvalidRequestError
from sdtui.core.fields import FieldSpec, ListedSection, Section
from sdtui.requests.field_table import FieldTable, fields_of
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.outpaint import parse_sides
from sdtui.tui import fields as form


@dataclass(frozen=True)
class Ink(ListedSection):
    """One of several inks, each with a weight and perhaps a picture."""

    name: Annotated[str, FieldSpec(label="Ink", help="Its name.", min_length=1)]
    weight: Annotated[float, FieldSpec(label="Weight", help="1 = as it is.", ge=-2, le=2)] = 1.0
    picture: Annotated[Path | None, FieldSpec(label="Picture", help="Shows the style.")] = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        name, _, weight = text.partition(":")
        return cls(name, float(weight or 1))

    def __str__(self) -> str:
        return f"{self.name}:{self.weight:g}"


@dataclass(frozen=True)
class Repaint(Section):
    """What to paint anew."""

    stencil: Annotated[Path, FieldSpec(label="Stencil", help="White is painted anew.")]
    blur: Annotated[int, FieldSpec(name="smear", label="Blur", help="Pixels.", ge=0)] = 4


@dataclass(frozen=True)
class Extended(GenerationRequest):
    """A request with a list of sections and with a second input file."""

    inks: Annotated[
        tuple[Ink, ...],
        FieldSpec(label="Inks", help="Inks to use.", flags=("--ink",), metavar="NAME:X"),
    ] = ()
    repaint: Repaint | None = None


FIELDS = fields_of(Extended)
INKS = (Ink("ink", 0.8), Ink("oil"))


def ask(**values: Any) -> Extended:
    return Extended.parse({"prompt": "a cat", **values})


def test_lists_are_taken_as_objects_and_as_short_texts() -> None:
    assert ask(inks=[{"name": "ink", "weight": 0.8}, {"name": "oil"}]).inks == INKS
    assert ask(inks=["ink:0.8", "oil"]).inks == INKS


def test_wrong_values_in_a_list_are_named_by_their_place() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ask(inks=["ink", {"name": "oil", "weight": 3}], smear=-1)
    assert [str(each) for each in caught.value.problems] == [
        "inks.1.weight: must be at most 2, not 3",
        "smear: must be at least 0, not -1",
    ]


def test_request_with_lists_survives_json() -> None:
    adapter = TypeAdapter(Extended)
    request = ask(inks=INKS, stencil="stencil.png", smear=2)
    assert request.repaint == Repaint(Path("stencil.png"), 2)
    assert adapter.validate_json(adapter.dump_json(request)) == request
    assert request.changed(seed=3).inks == INKS


def test_all_input_files_are_found_in_one_place() -> None:
    inks = [{"name": "ink", "picture": "ink.png"}, {"name": "oil"}]
    request = ask(init_image="in.png", stencil="stencil.png", inks=inks)
    assert request.input_images() == {
        "init_image": Path("in.png"),
        "inks.0.picture": Path("ink.png"),
        "stencil": Path("stencil.png"),
    }


def test_files_that_are_sent_are_replaced_by_paths() -> None:
    sent = {
        "image_to_image": {"image": "AAAA"},
        "inks": [{"name": "ink", "picture": "BBBB"}, "oil"],
        "repaint": {"stencil": "CCCC", "blur": 1},
    }
    names = {}

    def keep(name: str, data: object) -> Path:
        names[name] = data
        return Path(f"/kept/{name}")

    request = ask(**FIELDS.map_files(sent, keep))
    assert names == {"init_image": "AAAA", "inks.0.picture": "BBBB", "stencil": "CCCC"}
    assert request.repaint == Repaint(Path("/kept/stencil"), 1)
    assert request.inks[0].picture == Path("/kept/inks.0.picture")


def test_flags_are_repeated_for_lists() -> None:
    given: dict[str, Any] = {}

    @click.command()
    @options_for(*FIELDS, fields=FIELDS)
    def command(**flags: Any) -> None:
        given.update(request_values(flags))

    arguments = ["--ink", "ink:0.8", "--ink", "oil", "--stencil", "m.png", "--prompt", "a cat"]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert Extended.parse(given) == ask(inks=INKS, stencil="m.png")
    assert "--ink NAME:X" in CliRunner().invoke(command, ["--help"]).output


def test_form_has_the_new_fields() -> None:
    shown = {each.name: each for each in form.form_fields(FIELDS)}
    assert (shown["inks"].kind, shown["stencil"].kind) == ("text", "path")
    assert shown["smear"].default == "4"
    assert [shown["smear"].stepped(text, 1) for text in ("4", "")] == ["5", "0"]
    assert [shown["smear"].stepped(text, -1) for text in ("4", "", "0")] == ["3", "0", "0"]
    texts = form.form_texts(ask(inks=INKS, stencil="/m.png"))
    assert texts["inks"] == "ink:0.8, oil:1"
    values = form.request_values(texts, FIELDS)
    assert Extended.parse(values) == ask(inks=INKS, stencil="/m.png")


def test_fields_of_one_name_are_refused() -> None:
    @dataclass(frozen=True)
    class Twice(GenerationRequest):
        other: Annotated[int, FieldSpec(name="width", label="W", help="W.")] = 1

    with pytest.raises(TypeError, match="share a name"):
        FieldTable(Twice)


def test_sides_of_outpainting_may_be_written_with_spaces() -> None:
    assert parse_sides(" LEFT = 64 , top= 32") == {"left": 64, "top": 32}
