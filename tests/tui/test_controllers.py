"""Controllers alone: their requests to the app and what they show in the panes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from sdtui.core.errors import QueueFullError, SdtuiError
from sdtui.core.settings import Settings
from sdtui.jobs.prompts import ResolvedPrompts
from sdtui.models import ModelDescription, NativeValues
from sdtui.models.pipeline_traits import traits_of
from sdtui.requests.request import GenerationRequest
from sdtui.tui.context import AppContext
from sdtui.tui.controllers.generation import GenerationController
from sdtui.tui.recipe import Recipe
from sdtui.tui.state import SavedState
from sdtui.tui.variations import picture_request
from sdtui.tui.window_layout import WindowLayout
from tests.support.records import record


@dataclass
class RecordedContext:
    """Records a controller's calls."""

    settings: Settings
    state: SavedState = field(default_factory=SavedState)
    notifications: list[str] = field(default_factory=list)
    errors: list[SdtuiError] = field(default_factory=list)
    copied: list[tuple[str, str]] = field(default_factory=list)
    saves: int = 0

    def __post_init__(self) -> None:
        self.recipe = Recipe(self.settings.request_defaults())

    def notify(self, message: str, **_: object) -> None:
        self.notifications.append(message)

    def show_error(self, error: SdtuiError) -> None:
        self.errors.append(error)

    def copy(self, text: str, name: str) -> None:
        self.copied.append((text, name))

    def save(self) -> None:
        self.saves += 1


class FakeDock:
    """Records the earlier prompts."""

    def __init__(self) -> None:
        self.remembered: tuple[Sequence[str], Sequence[str]] = ((), ())

    def remember(self, prompts: Sequence[str], negative_prompts: Sequence[str]) -> None:
        self.remembered = (prompts, negative_prompts)


class FakeRecipePane:
    """Records the field that gets the focus."""

    fields: ClassVar[dict[str, object]] = {"width": None, "seed": None}
    focused = ""

    def focus_field(self, name: str) -> None:
        self.focused = name


class FakePanes:
    """The panes, without widgets."""

    def __init__(self) -> None:
        self.dock = FakeDock()
        self.recipe = FakeRecipePane()


class FakeLayout:
    """Records where the focus goes."""

    focused_pane: object = None

    def __init__(self) -> None:
        self.visited: list[object] = []

    def show_tab(self, tab: str) -> None:
        self.visited.append(tab)

    def focus_prompt(self) -> None:
        self.visited.append("prompt")

    def focus(self, widget: object) -> None:
        self.visited.append(widget)


class Form:
    """A generation controller with its dependencies."""

    def __init__(self, folder: Path, **saved: Any) -> None:
        self.context = RecordedContext(Settings(pictures=folder), SavedState(**saved))
        self.panes = FakePanes()
        self.layout = FakeLayout()
        self.submitted: list[GenerationRequest] = []
        self.edited: list[str] = []
        self.failure: SdtuiError | None = None
        self.controller = GenerationController(
            cast(AppContext, self.context),
            cast(Any, None),
            cast(Any, self.panes),
            cast(WindowLayout, self.layout),
            self._submit,
            self.edited.append,
        )

    async def _submit(self, request: GenerationRequest, _: ResolvedPrompts | None) -> None:
        if self.failure is not None:
            raise self.failure
        self.submitted.append(request)


@pytest.fixture
def form(tmp_path: Path) -> Form:
    return Form(tmp_path)


async def test_form_is_submitted_and_its_prompt_remembered(form: Form) -> None:
    form.context.recipe.change({"prompt": "a cat", "width": "128", "nothing": "x"})
    await form.controller.generate()
    assert [(each.prompt, each.width) for each in form.submitted] == [("a cat", 128)]
    assert form.context.state.prompts == ("a cat",)
    assert form.panes.dock.remembered == (("a cat",), ())
    assert form.context.saves == 1


async def test_wrong_form_is_not_submitted_and_its_field_is_focused(form: Form) -> None:
    form.context.recipe.change({"prompt": "a cat", "width": "100"})
    await form.controller.generate()
    assert not form.submitted
    assert form.panes.recipe.focused == "width"
    assert form.layout.visited == ["recipe"]
    assert "Width: must be a multiple of 8" in form.context.notifications[0]


async def test_empty_prompt_is_focused(form: Form) -> None:
    await form.controller.generate()
    assert not form.submitted
    assert form.layout.visited == ["prompt"]


async def test_full_queue_is_shown_and_the_prompt_not_remembered(form: Form) -> None:
    form.failure = QueueFullError("The queue is full", "Wait")
    form.context.recipe.change({"prompt": "a cat"})
    await form.controller.generate()
    assert form.context.errors == [form.failure]
    assert form.context.state.prompts == ()


def test_saved_form_is_restored(tmp_path: Path) -> None:
    form = Form(tmp_path, form={"prompt": "a dog", "width": "64"}, last_seed=7, prompts=("a", "b"))
    form.controller.restore()
    assert form.context.recipe["prompt"] == "a dog"
    assert form.context.recipe["width"] == "64"
    assert form.context.recipe.last_seed == 7
    assert form.panes.dock.remembered == (("a", "b"), ())


def test_request_without_its_seed_leaves_the_seed_open(form: Form) -> None:
    request = GenerationRequest(prompt="a cat", seed=5, width=128)
    form.controller.use_request(request)
    assert form.context.recipe["seed"] == "5"
    form.controller.use_request(request, keep_seed=False)
    assert form.context.recipe["seed"] == ""
    assert form.context.recipe["width"] == "128"
    assert form.layout.visited == ["prompt", "prompt"]


def test_picture_request_has_the_pictures_own_seed() -> None:
    made = record("cats", seed=41)
    batch = made.model_copy(update={"request": made.request.changed(num_images_per_prompt=4)})
    request = picture_request(batch.model_copy(update={"seed": 43}))
    assert (request.seed, request.num_images_per_prompt) == (43, 1)


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"sampler": "Euler a", "width": "1032"}, {"sampler", "width"}),
        ({"sampler": "Heun", "width": "1040"}, set()),
        ({"sampler": "Euler a", "width": "wide"}, set()),  # which is said anyway
    ],
)
def test_values_that_the_model_cannot_take_are_problems_of_the_form(
    tmp_path: Path, values: dict[str, str], wrong: set[str]
) -> None:
    form = Form(tmp_path)
    checker, recipe = form.controller.checker, form.context.recipe
    recipe.change(values)
    assert not checker.model_problems(recipe.texts)
    flow = ModelDescription(
        path=Path("m"),
        family="FluxPipeline",
        pipeline_class="FluxPipeline",
        parameters={},
        native=NativeValues(),
        scheduler={"_class_name": "FlowMatchEulerDiscreteScheduler"},
        traits=traits_of("FluxPipeline"),
    )
    checker.use_model(recipe["model"], flow)
    assert checker.model_problems(recipe.texts).keys() == wrong
    recipe.change({"model": "another"})
    assert not checker.model_problems(recipe.texts)
