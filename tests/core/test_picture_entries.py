"""Entries that name a ControlNet and its picture."""

from __future__ import annotations

import pytest

from sdtui.core.control_names import ControlMode
from sdtui.core.enums import ImageFit
from sdtui.core.picture_entries import ControlEntry, EntryError


@pytest.mark.parametrize(
    ("text", "name", "image", "weight"),
    [
        ("canny:a.png", "canny", "a.png", 1.0),
        ("canny:a.png:0.8", "canny", "a.png", 0.8),
        ("canny:a.png:-.5", "canny", "a.png", -0.5),
        ("canny", "canny", "", 1.0),
        ("canny::0.8", "canny", "", 0.8),
        ("canny:0.8", "canny", "0.8", 1.0),
        ("control_v1.1.fp16:a b: c.png:1.5", "control_v1.1.fp16", "a b: c.png", 1.5),
        (r"canny:C:\pictures\a.png:0.8", "canny", r"C:\pictures\a.png", 0.8),
        (r"D:\nets\canny.v1:C:\a.png", r"D:\nets\canny.v1", r"C:\a.png", 1.0),
        ("D:/nets/canny.safetensors:E:/a.png:0.5", "D:/nets/canny.safetensors", "E:/a.png", 0.5),
        ("a:/pictures/b.png:0.5", "a", "/pictures/b.png", 0.5),
        ('canny:"a, b;c.png":0.5', "canny", "a, b;c.png", 0.5),
        (r'canny:"a\"b.png"', "canny", 'a"b.png', 1.0),
        ("canny:a,b=c.png", "canny", "a,b=c.png", 1.0),
        ('canny:"a,low=5"', "canny", "a,low=5", 1.0),
    ],
)
def test_name_image_and_weight_are_told_apart(
    text: str, name: str, image: str, weight: float
) -> None:
    entry = ControlEntry.parse(text)
    assert (entry.name, entry.image, entry.weight) == (name, image, weight)
    assert ControlEntry.parse(str(entry)) == entry


def test_options_are_read_in_any_order() -> None:
    entry = ControlEntry.parse(
        "canny:a.png:0.8,mode=control, start=0.2,end=.6,preprocessor=Canny,low=50,high=90,"
        "resize=pad,pixel_perfect,resolution=768"
    )
    assert (entry.start, entry.end, entry.mode) == (0.2, 0.6, ControlMode.CONTROL)
    assert (entry.preprocessor, entry.low, entry.high) == ("canny", 50.0, 90.0)
    assert (entry.resize, entry.pixel_perfect, entry.resolution) == (ImageFit.PAD, True, 768)
    assert ControlEntry.parse(str(entry)) == entry


def test_names_of_other_tools_are_understood() -> None:
    assert ControlEntry.parse("s:a.png,preprocessor=scribble_xdog").preprocessor == "scribble"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (":a.png", "has no name"),
        ("canny:a.png:", "ends with a colon"),
        ("canny:a.png:99", "wrong weight: it must be -10 to 10, not 99"),
        ("canny:a.png,foo=1", "has no option foo: there are start"),
        ("canny:a.png,start=2", "wrong start: it must be 0 to 1"),
        ("canny:a.png,start=x", "wrong start: it must be a number"),
        ("canny:a.png,start=0.5,start=0.6", "has start twice"),
        ("canny:a.png,start=0.8,end=0.2", "begins at 0.8 and ends at 0.2"),
        ("canny:a.png,mode=both", "must be balanced, prompt, control"),
        ("canny:a.png,preprocessor=cany", "did you mean canny"),
        ("canny:a.png,low", "has no value for low"),
        ('canny:"a.png"x', "has x behind its image"),
        ("c" * 5000, "more than 4,000 characters"),
    ],
)
def test_wrong_entry_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(EntryError, match=problem):
        ControlEntry.parse(text)


def test_object_is_an_entry_too() -> None:
    entry = ControlEntry.of({"name": "canny", "image": "x", "weight": 0.5, "start": 0.1})
    assert str(entry) == "canny:x:0.5,start=0.1"
    with pytest.raises(EntryError, match="has no colour"):
        ControlEntry.of({"name": "canny", "colour": 1})
    with pytest.raises(EntryError, match="needs a name"):
        ControlEntry.of({"image": "x"})
