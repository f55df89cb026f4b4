"""The form of a new training, and what is wrong with its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import commonprefix
from pathlib import Path
from typing import TYPE_CHECKING

from sdtui.core.errors import InvalidRequestError, TrainingError
from sdtui.core.paths import home_folder, is_folder
from sdtui.core.text import counted
from sdtui.core.typed_paths import PathTextError, parse_typed_path, typed_text
from sdtui.requests.training.request import TRAINING_FIELDS, TrainingRequest
from sdtui.tui.fields import FormField, request_values
from sdtui.tui.form_texts import FormTexts
from sdtui.tui.value_editing import Option, ValueEditing

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


def folder_of(form: FormTexts) -> Path | None:
    """Return the folder of the pictures; None if there is no such folder on this machine."""
    try:
        folder = parse_typed_path(form[FOLDER]) if form[FOLDER].strip() else None
    except PathTextError:
        return None
    return folder if folder is not None and is_folder(folder) else None


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
    """A folder: those that begin as is written are listed, and tab completes it."""

    added_options = 8
    replaces_text = False

    def __init__(self, form: FormTexts, name: str, *, is_here: bool) -> None:
        """`is_here` is False if the folder is on another machine, where nothing can be listed."""
        super().__init__(form, name)
        self._is_here = is_here

    @property
    def about(self) -> str:
        return "tab completes it, enter takes it" if self._is_here else "on the other machine"

    def options(self, typed: str) -> Sequence[Option]:
        return [Option(f"{typed_text(each)}/", f"{each.name}/") for each in self._folders(typed)]

    def completed(self, typed: str) -> str | None:
        found = self._folders(typed)
        if not found:
            return None
        begun = commonprefix([each.name for each in found])  # noqa: RUF071  not of whole names
        if not begun:
            return typed
        text = typed_text(found[0].with_name(begun))
        return f"{text}/" if len(found) == 1 else text

    def stepped(self, typed: str, by: int) -> str | None:
        return None

    def _folders(self, typed: str) -> list[Path]:
        """Return the folders that begin as is written; those in the home folder for nothing."""
        text = typed.strip()
        try:
            path = parse_typed_path(text) if text else home_folder()
            begun = "" if not text or text.rstrip("'\"").endswith("/") else path.name
            folder = path.parent if begun else path
            names = sorted(folder.iterdir()) if self._is_here else []
        except (OSError, PathTextError):
            return []
        listed = [each for each in names if each.name.startswith(begun or ".") is bool(begun)]
        return [each for each in listed if is_folder(each)]
