"""The form of a new training, and what is wrong with its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import InvalidRequestError, TrainingError
from sdtui.core.paths import home_folder, is_folder
from sdtui.core.text import counted
from sdtui.core.typed_paths import PathTextError, parse_typed_path, typed_text
from sdtui.requests.training.request import TRAINING_FIELDS, TrainingRequest
from sdtui.tui.fields import FormField, request_values
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.value_editing import BROWSE, Option, ValueEditing

if TYPE_CHECKING:
    from sdtui.training.dataset import Dataset

FOLDER = "instance_data_dir"
_FIRST = (
    FOLDER,
    "output_name",
    "model",
    "instance_prompt",
    "max_train_steps",
    "learning_rate",
    "rank",
    "targets",
    "validation_prompts",
)
"""The fields that every training is about; the others are folded."""
FIRST_GROUP = "Training"


def training_texts(saved: Mapping[str, str], model: str) -> FormTexts:
    """Return the form with the values of the last training; `model` is the default."""
    form = FormTexts(TRAINING_FIELDS, {"model": model})
    form.restore(saved)
    return form


def group_of(field: FormField) -> str:
    """Return the heading of a field."""
    return FIRST_GROUP if field.name in _FIRST else field.group


def folded_groups(form: FormTexts) -> Sequence[str]:
    """Return the headings that are folded at first."""
    groups = dict.fromkeys(group_of(each) for each in form.fields.values())
    return [each for each in groups if each != FIRST_GROUP]


def parse_training(form: FormTexts, *, shares_files: bool) -> TrainingRequest:
    """Return what a form asks for. Paths are made absolute if the backend `shares_files`. Raises
    InvalidRequestError."""
    values = request_values(form.texts, TRAINING_FIELDS)
    if shares_files:
        values = TRAINING_FIELDS.map_files(values, lambda _, path: Path(path).absolute())
    return TrainingRequest.parse(values)


def problems_by_field(error: InvalidRequestError) -> dict[str, str]:
    """Return what is wrong with the values of fields: field → message."""
    return {each.field.partition(".")[0]: each.message for each in error.problems}


def read_pictures(form: FormTexts) -> Dataset:
    """Read which pictures and captions there are. Raises TrainingError."""
    from sdtui.training.dataset import read_dataset

    try:
        folder = parse_typed_path(form[FOLDER])
    except PathTextError as error:
        raise TrainingError(f"it {error}", "Write a path") from error
    return read_dataset(folder, form["instance_prompt"].strip())


def pictures_text(found: Dataset) -> str:
    """Say what was found in a folder."""
    return " · ".join([counted(len(found.pictures), "picture"), *found.notices])


class FolderEditing(ValueEditing):
    """A folder. Those in the one that is written are listed, and one of them can be gone into."""

    def __init__(self, form: FormTexts, name: str, *, is_here: bool, begins_with: str = "") -> None:
        """`is_here` is False if the folder is on another machine, where nothing can be listed.
        `begins_with` is written at first, in place of the field's value."""
        super().__init__(form, name)
        self._is_here = is_here
        self._begins_with = begins_with
        self.about = (
            "enter takes it; ↑ and enter go into a folder"
            if is_here
            else "a folder of the other machine"
        )

    about = ""
    added_options = 8

    @property
    def text(self) -> str:
        return self._begins_with or self.recipe[self.names[0]]

    def options(self, typed: str) -> Sequence[Option]:
        if not self._is_here:
            return ()
        text = typed.strip() or self.text.strip()
        try:
            path = parse_typed_path(text) if text else home_folder()
        except PathTextError:
            return ()
        begun = "" if not text or text.rstrip("'\"").endswith("/") else path.name
        folder = path.parent if begun else path
        return [
            Option(f"{typed_text(each)}/", f"{each.name}/", BROWSE)
            for each in _folders_in(folder)
            if each.name.startswith(begun) and (begun[:1] == "." or each.name[0] != ".")
        ]

    def stepped(self, typed: str, by: int) -> str | None:
        return None


def _folders_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
    except OSError:
        return []
    return [each for each in entries if is_folder(each)]
