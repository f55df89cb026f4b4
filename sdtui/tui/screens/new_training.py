"""The form of a new training."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from sdtui.core.errors import InvalidRequestError, SdtuiError, TrainingError
from sdtui.core.text import one_line
from sdtui.requests.training.status import TrainingCondition, TrainingStatus
from sdtui.tui.background import run_on_thread, start_worker
from sdtui.tui.bindings import bindings_in, bindings_of
from sdtui.tui.context import AppContext
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.model_offers import model_problem
from sdtui.tui.screens.dialogs import ConfirmScreen, Dialog
from sdtui.tui.screens.value import TakenValue, ValueScreen
from sdtui.tui.training_form import (
    FOLDER,
    FolderEditing,
    folded_groups,
    folder_of,
    group_of,
    parse_training,
    pictures_text,
    problems_by_field,
    read_pictures,
)
from sdtui.tui.value_editing import ValueEditing, plain_editing
from sdtui.tui.widgets.answers import AnswerKey, Answers
from sdtui.tui.widgets.field_form import ExplanationLine, FieldForm
from sdtui.tui.widgets.form_fields import FieldOpened
from sdtui.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from sdtui.requests.training.request import TrainingRequest

_PAUSE_SECONDS = 0.4
"""Without a change, before the folder is read."""
_NAME = "output_name"
_BUSY = (TrainingCondition.QUEUED, TrainingCondition.RUNNING)


class NewTrainingScreen(Dialog[str | None]):
    """Asks for a training and starts it. The answer is its name."""

    CSS_PATH = "training.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_in("new_training"),
        *bindings_of("form.previous_row", "form.next_row", "form.clear"),
    ]

    def __init__(
        self, context: AppContext, form: FormTexts, choose_model: Callable[[FormTexts], None]
    ) -> None:
        super().__init__()
        self.context = context
        self._trainings = context.backend.trainings
        self._choose_model = choose_model
        self.values = form
        self.form = FieldForm(form, group_of=group_of, folded=folded_groups(form))
        self._explanation = ExplanationLine()
        self.status = StatusLine()
        self._is_starting = False

    def compose(self) -> ComposeResult:
        with Vertical(id="new-training") as box:
            box.border_title = "New training"
            yield self.form
            yield self._explanation
            yield self.status
            yield Answers(
                [
                    AnswerKey("new_training.start", "Start"),
                    AnswerKey("new_training.captions", "Captions"),
                    AnswerKey("new_training.close", "Back"),
                ]
            )

    def on_mount(self) -> None:
        self.values.subscribe(self._changed)
        first = next((name for name in (FOLDER, _NAME) if not self.values[name]), FOLDER)
        self.form.focus_field(first)
        self._changed(frozenset({FOLDER}))

    @property
    def _shares_files(self) -> bool:
        """True if the backend sees the files of this machine."""
        connection = self.context.backend.connection
        return connection is None or connection.shares_files

    # Values

    def _changed(self, fields: frozenset[str]) -> None:
        self.form.follow()
        self._explain()
        if self._shares_files and fields & {FOLDER, "instance_prompt"}:
            start_worker(self, self._look_at_pictures, group="pictures", exclusive=True)

    @on(events.DescendantFocus)
    def _explain(self) -> None:
        self._explanation.explain(self.form)

    async def _look_at_pictures(self) -> None:
        """Say what is in the folder, once it isn't changed any more."""
        if not self.values[FOLDER].strip():
            self.status.show("")
            return
        await asyncio.sleep(_PAUSE_SECONDS)
        try:
            found = await run_on_thread(partial(read_pictures, self.values))
        except TrainingError as error:
            self.status.show(error.what, is_wrong=True)
        else:
            self.status.show(pictures_text(found))

    @on(FieldOpened)
    def _opened(self, event: FieldOpened) -> None:
        event.stop()
        field = self.values.fields[event.field]
        if field.kind == "model":
            self._choose_model(self.values)
        elif field.kind == "path":
            self._edit(FolderEditing(self.values, field.name, is_here=self._shares_files))
        else:
            self._edit(plain_editing(self.values, field.name))

    def _edit(self, editing: ValueEditing) -> None:
        def take(taken: TakenValue | None) -> None:
            if taken is not None:
                self.values.change(taken.texts)

        place = self.form.place_of(editing.names[0])
        self.context.push_screen(ValueScreen(editing, place), take)

    @on(Input.Submitted)
    def action_next_row(self) -> None:
        self.form.move(1)

    def action_previous_row(self) -> None:
        self.form.move(-1)

    def action_clear(self) -> None:
        self.form.clear_choice()

    def action_captions(self) -> None:
        """Edit the captions in the folder."""
        folder = folder_of(self.values) if self._shares_files else None
        if folder is None:
            self.status.show("Name a folder of this machine first.", is_wrong=True)
            return
        from sdtui.tui.screens.captions import CaptionScreen

        def left(_: None) -> None:
            self._changed(frozenset({FOLDER}))

        self.context.push_screen(CaptionScreen(self.context, folder), left)

    # Starting

    def action_start(self) -> None:
        """Check the values, and start the training unless one is wrong."""
        if not self._is_starting:
            start_worker(self, self._check_and_start)

    async def _check_and_start(self) -> None:
        self._is_starting = True
        self.status.show("Checking…")
        try:
            request = parse_training(self.values, shares_files=self._shares_files)
            known = await run_on_thread(self._trainings.all)
            loras = await run_on_thread(self.context.backend.models.loras)
            problems = await run_on_thread(partial(self._find_problems, request))
        except InvalidRequestError as error:
            self._show_problems(problems_by_field(error))
            return
        except SdtuiError as error:
            self._refuse(error)
            return
        finally:
            self._is_starting = False
        same = next((each for each in known if each.name == request.output_name), None)
        if same is not None and (same.condition in _BUSY or same.is_elsewhere):
            problems[_NAME] = "a training of this name is going on; take another name"
        if problems:
            self._show_problems(problems)
        elif same is not None:
            self._ask_whether_anew(request, same)
        elif any(each.name == request.output_name for each in loras):
            question = f"There is a LoRA {one_line(request.output_name)}, of no training that is"
            self._ask("Replace the LoRA?", f"{question} listed. It is written over.", request)
        else:
            await self._start(request, anew=False)

    def _find_problems(self, request: TrainingRequest) -> dict[str, str]:
        """Return what is wrong with the folder and the model. Not for the app's thread."""
        problems = {}
        problem = model_problem(self.context.backend.models, request.model)
        if problem is not None:
            problems["model"] = problem.what
        if self._shares_files:
            try:
                read_pictures(self.values)
            except TrainingError as error:
                problems[FOLDER] = error.what
        return problems

    def _show_problems(self, problems: Mapping[str, str]) -> None:
        """Say what is wrong, and go to the first wrong field."""
        self.status.show("")
        self.values.problems = problems
        self.form.follow()
        first = next((name for name in self.form.fields if name in problems), None)
        if first is not None:
            self.form.focus_field(first)
        self._explain()

    def _ask_whether_anew(self, request: TrainingRequest, same: TrainingStatus) -> None:
        done = f"has done {same.step} of {same.steps} steps" if same.steps else "has not begun"
        question = f"A training {one_line(same.name)} {done}. It is deleted, and begun anew."
        self._ask("Begin anew?", question, request)

    def _ask(self, title: str, question: str, request: TrainingRequest) -> None:
        """Start the training in place of what is there, if the user says so."""

        def take(answer: bool | None) -> None:
            self.status.show("")
            if answer:
                start_worker(self, partial(self._start, request, anew=True))

        self.context.push_screen(ConfirmScreen(title, question, "Begin", "Back"), take)

    async def _start(self, request: TrainingRequest, *, anew: bool) -> None:
        try:
            await run_on_thread(partial(self._trainings.start, request, anew=anew))
        except InvalidRequestError as error:  # of a server's rules
            self._show_problems(problems_by_field(error))
        except SdtuiError as error:
            self._refuse(error)
        else:
            self.answer(request.output_name)

    def _refuse(self, error: SdtuiError) -> None:
        self.status.show(str(error), is_wrong=True)

    def action_close(self) -> None:
        self.answer(None)
