"""Flags for the fields of a request."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from sdtui.cli.options import options_for, request_values


@pytest.mark.parametrize(
    ("flags", "values"),
    [
        ("--steps none --sampler None", {"num_inference_steps": None, "sampler": None}),
        ("--steps 4 --seed none", {"num_inference_steps": 4, "seed": None}),
        ("--vae none", {"vae": "none"}),  # the VAE inside the model
        ("", {}),
    ],
)
def test_none_leaves_a_field_open(flags: str, values: dict[str, Any]) -> None:
    found = {}

    @click.command()
    @options_for("num_inference_steps", "sampler", "seed", "vae")
    def command(**given: Any) -> None:
        found.update(request_values(given))

    result = CliRunner().invoke(command, flags.split())
    assert (result.exit_code, found) == (0, values)


def test_words_that_are_no_numbers_are_refused() -> None:
    command = click.Command("c", params=[])
    options_for("num_inference_steps")(command)
    result = CliRunner().invoke(command, ["--steps", "many"])
    assert "'many' is not a valid integer" in result.output
