"""Pictures that are kept beside a finished one."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sdtui.history import History, attachments_of
from tests.support.records import record

_MAP = b"a control map"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "pictures", tmp_path / "index.db")


def _save(history: History, **options: object) -> Path:
    image = Image.new("RGB", (8, 8))
    options = {"attachments": {"control1": _MAP}, **options}
    return history.save(image, record("a cat"), 0, **options).path  # type: ignore[arg-type]


def test_map_lies_beside_the_picture_and_is_in_its_record(history: History) -> None:
    picture = _save(history)
    (path,) = attachments_of(picture)
    assert (path.name, path.read_bytes()) == (f"{picture.stem}.control1.png", _MAP)
    (attachment,) = history.record(history.get(picture)).images[0].attachments
    assert (attachment.name, attachment.file) == ("control1", path.name)


def test_map_is_not_listed_as_a_picture(history: History) -> None:
    picture = _save(history)
    history.reindex()
    assert [each.path for each in history.entries().entries] == [picture]
    assert history.skipped() == ()
    assert history.import_([picture.parent]).known == 1


def test_map_goes_to_the_trash_and_back_with_its_picture(history: History) -> None:
    picture = _save(history)
    trashed = history.trash(picture)
    assert not attachments_of(picture)
    assert [path.read_bytes() for path in attachments_of(trashed)] == [_MAP]
    restored = history.restore(trashed).path
    assert len(attachments_of(restored)) == 1
    assert history.delete_unless_starred(restored)
    assert not list(restored.parent.glob("*")) if restored.parent.exists() else True


def test_older_maps_of_a_file_are_replaced(history: History, tmp_path: Path) -> None:
    file = tmp_path / "out.png"
    _save(history, file=file, attachments={"control1": _MAP, "control2": _MAP})
    _save(history, file=file, attachments={})
    assert attachments_of(file) == []
