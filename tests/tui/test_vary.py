"""The keys that make a picture again with one value changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sdtui.requests.record import GenerationRecord
from sdtui.requests.request import GenerationRequest
from sdtui.tui.screens.vary import VaryScreen
from sdtui.tui.themed_app import ThemedApp
from sdtui.tui.widgets.status_line import StatusLine
from tests.support.keyboard import press, settled
from tests.support.records import record

MADE = record("a cat, red", seed=7, sampler="Euler", steps=20, guidance=5)


class VaryApp(ThemedApp):
    def __init__(self, made: GenerationRecord) -> None:
        super().__init__()
        self.made = made
        self.answers: list[tuple[GenerationRequest, ...] | None] = []

    def on_mount(self) -> None:
        screen = VaryScreen("a.png", self.made, lambda: ["pocket", "tiny-sd", "tiny-sdxl"])
        self.push_screen(screen, self.answers.append)

    @property
    def requests(self) -> tuple[GenerationRequest, ...]:
        (answer,) = self.answers
        assert answer is not None
        return answer

    @property
    def status(self) -> str:
        return str(self.screen.query_one(StatusLine).render())


@asynccontextmanager
async def varying(made: GenerationRecord = MADE) -> AsyncIterator[VaryApp]:
    app = VaryApp(made)
    async with app.run_test(size=(80, 24)):
        await settled(app)
        yield app


async def test_letter_name_and_enter_change_the_sampler() -> None:
    async with varying() as app:
        await press(app, "s", *"dpm++ 2m k", "enter")
        (request,) = app.requests
        assert request.sampler == "DPM++ 2M Karras"
        assert (request.seed, request.prompt) == (7, "a cat, red")


async def test_several_values_are_several_requests() -> None:
    async with varying() as app:
        await press(app, "c", *"3,7.5,9")
        assert app.status == "3 pictures: 3 · 7.5 · 9"
        await press(app, "enter")
        assert [each.guidance_scale for each in app.requests] == [3, 7.5, 9]


async def test_each_part_of_a_list_of_names_is_its_best_match() -> None:
    async with varying() as app:
        await press(app, "s", *"euler a,ddim,unipc")
        assert app.status == "3 pictures: Euler a · DDIM · UniPC"
        await press(app, "enter")
        assert [each.sampler for each in app.requests] == ["Euler a", "DDIM", "UniPC"]


async def test_models_are_those_that_are_installed() -> None:
    async with varying() as app:
        await press(app, "m")
        await settled(app)
        await press(app, *"tiny-sd", "enter")
        assert [each.model for each in app.requests] == ["tiny-sd"]


async def test_enter_at_once_on_the_seed_draws_a_new_one() -> None:
    async with varying() as app:
        await press(app, "e", "enter")
        assert [each.seed for each in app.requests] == [None]


async def test_the_same_letter_twice_is_a_plain_variation() -> None:
    async with varying() as app:
        await press(app, "v")
        (request,) = app.requests
        assert (request.seed, request.prompt) == (None, "a cat, red")


async def test_arrows_step_a_number_from_the_present_one() -> None:
    async with varying() as app:
        await press(app, "t", "up", "up", "down", "up", "enter")
        assert [each.num_inference_steps for each in app.requests] == [22]


async def test_arrows_and_enter_choose_what_to_change() -> None:
    async with varying() as app:
        while app.screen_stack[-1].query_one("VariableList").selected.letter != "t":  # type: ignore[attr-defined]
            await press(app, "down")
        await press(app, "enter", *"30", "enter")
        assert [each.num_inference_steps for each in app.requests] == [30]


async def test_prompt_is_edited_and_its_commas_are_text() -> None:
    async with varying() as app:
        await press(app, "p", *", oil", "enter")
        assert [each.prompt for each in app.requests] == ["a cat, red, oil"]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (("t", *"999", "enter"), "150"),
        (("t", *"20", "enter"), "is what the picture was made with"),
        (("s", "enter"), "is what the picture was made with"),
        (("t", "enter"), "type a value"),
        (("w", *"12", "enter"), "512x768"),
    ],
)
async def test_wrong_values_keep_the_dialog_open(keys: tuple[str, ...], reason: str) -> None:
    async with varying() as app:
        await press(app, *keys)
        assert app.answers == []
        assert reason in app.status
        assert app.screen.query_one(StatusLine).has_class("-wrong")


async def test_escape_changes_nothing() -> None:
    async with varying() as app:
        await press(app, "t", "3", "escape")
        assert app.answers == [None]
