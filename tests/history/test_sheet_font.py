"""Letters on sheets that Pillow's own font lacks."""

from __future__ import annotations

import pytest
from PIL import ImageFont

from sdtui.history import sheet_font
from sdtui.history.sheet import missing_letters_notice
from sdtui.history.sheet_font import lacking, lettering_for


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without fonts."""
    monkeypatch.setattr(sheet_font, "_FILES", ("none.ttf",))


def test_texts_in_english_are_drawn_with_pillows_font(no_fonts: None) -> None:
    lettering = lettering_for(["Steps: 10", "a cat, 1/2 & more"], 20)
    assert not lettering.missing
    assert lettering.drawable("a cat") == "a cat"


def test_without_fonts_accents_go_and_other_letters_are_question_marks(no_fonts: None) -> None:
    lettering = lettering_for(["Café", "猫 and 犬"], 20)
    assert lettering.drawable("Café") == "Cafe"
    assert lettering.drawable("猫 and 犬") == "? and ?"
    assert lettering.undrawable == "犬猫"
    assert "question marks stand for 犬猫" in missing_letters_notice(["猫", "犬", "Café"])
    assert missing_letters_notice(["Café"]) == ""


@pytest.mark.parametrize(
    ("lacked", "chosen"), [(("é", "", ""), 1), (("é猫", "é", "é"), 1), (("", "é", ""), 0)]
)
def test_the_first_font_that_lacks_fewest_letters_is_taken(
    monkeypatch: pytest.MonkeyPatch, lacked: tuple[str, ...], chosen: int
) -> None:
    fonts = [ImageFont.load_default(size) for size in (20, 21, 22)]
    missing = dict(zip(map(id, fonts), lacked, strict=True))
    monkeypatch.setattr(sheet_font, "_fonts", lambda size: iter(fonts))
    monkeypatch.setattr(sheet_font, "lacking", lambda text, font: frozenset(missing[id(font)]))
    assert lettering_for(["é猫"], 20).font is fonts[chosen]


def test_blanks_and_what_has_no_shape_of_its_own_is_not_missing() -> None:
    font = ImageFont.load_default(20)
    assert lacking("a b\u0301\u200d", font) == frozenset()
