"""Dynamic prompts: what texts become."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import ClassVar

import pytest

from sdtui.core.dynamic_prompts.expansion import Expansion, WeightedText, expand
from sdtui.core.dynamic_prompts.parser import is_dynamic, literal


class Lists:
    """Wildcards in memory."""

    problems: ClassVar[dict[Path, str]] = {}

    def __init__(self, lists: Mapping[str, Sequence[str]] | None = None) -> None:
        self._lists = lists or {}

    def lines(self, name: str) -> Sequence[WeightedText]:
        return [WeightedText(each) for each in self._lists.get(name, ())]


def one(text: str, seed: int = 1, /, **lists: Sequence[str]) -> str:
    return next(expand([text], Lists(lists), [seed])).texts[0]


def many(text: str, pictures: int = 200, /, **lists: Sequence[str]) -> set[str]:
    return {each.texts[0] for each in expand([text], Lists(lists), range(pictures))}


def notices(text: str, **lists: Sequence[str]) -> tuple[str, ...]:
    return next(expand([text], Lists(lists), [1])).notices


def combined(*texts: str, most: int = 100, **lists: Sequence[str]) -> list[tuple[str, ...]]:
    """All combinations, at most `most`."""
    found: list[Expansion] = []
    for each in islice(expand(texts, Lists(lists), count(), is_combinatorial=True), most):
        found.append(each)
        if each.is_last:
            break
    return [each.texts for each in found]


@pytest.mark.parametrize(
    "text",
    [
        "a red apple",
        "",
        " spaces stay ",
        "(soft light:1.2), [from:to:0.5], [a|b|c], <lora:film_v2:0.8>, a BREAK b AND c :0.5",
        r"miku \(vocaloid\), \[x\], a\\b",
        "{a|b",
        "a|b}",
        "}{",
        "a {} b",
        "a [{b|d{:.5] c",
        "((a][:b:c [d:3]",
        "a # comment (with weight:2)",
        "__ __",
        "____",
        "snake_case__",
        "__ name__",
        "__name __",
        "$x ${1+1} costs $5",
        "é 漢字 🎨",
    ],
)
def test_text_without_dynamic_parts_stays_as_it_is(text: str) -> None:
    if "${1+1}" in text:
        assert one(text) == "$x $1+1 costs $5"
    else:
        assert one(text) == text
        assert not is_dynamic(text)
        assert notices(text) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a {red|blue} ball", {"a red ball", "a blue ball"}),
        ("a { red | blue } ball", {"a red ball", "a blue ball"}),
        ("{a|}b", {"ab", "b"}),
        ("{a||}b", {"ab", "b"}),
        ("{word}", {"word"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("{a|{b}", {"{a|b"}),
        ("{[a|b]|c}", {"[a|b]", "c"}),
        ("{[a|b}", {"[a", "b"}),
        ("{(x:1.2)|<lora:y:0.5>}", {"(x:1.2)", "<lora:y:0.5>"}),
        ("{a::b|c}", {"a::b", "c"}),
        (r"\{a|b\}", {"{a|b}"}),
        (r"{a\|b|c}", {"a|b", "c"}),
        (r"{\{x\}|y} \(z\)", {r"{x} \(z\)", r"y \(z\)"}),
        (r"\__a__", {"__a__"}),
        ("{a|b} # {c|d}", {"a", "b"}),
        ("{\n  red  # warm\n| blue\n}", {"red", "blue"}),
        ("[{a|b}:c:0.5]", {"[a:c:0.5]", "[b:c:0.5]"}),
    ],
)
def test_variants(text: str, expected: set[str]) -> None:
    assert many(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%{a photo of …, sharp$$a cat}", {"a photo of a cat, sharp"}),
        ("%{a ... b$${x|y}}!", {"a x b!", "a y b!"}),
        ("%{{old|new} … here$$__w__}", {"old 1 here", "new 1 here"}),
        ("%{__style__$$a|b}", {"oil of a|b, framed"}),
        ("%{no place$$x}", {"no placex"}),
        ("%{one…two…three$$x}", {"onextwo…three"}),
        ("%{a$$b {c$$d}}", {"ab c$$d"}),
        ("100%{a|b}", {"100%a", "100%b"}),
        ("100%{2$$a|b}", {"100%a,b", "100%b,a"}),
        ("%{a", {"%{a"}),
        (r"\%{a|b}", {r"\%a", r"\%b"}),
    ],
)
def test_text_is_put_into_a_wrapper(text: str, expected: set[str]) -> None:
    assert many(text, w=["1"], style=["oil of …, framed"]) == expected


def test_weights_are_heeded() -> None:
    counted = Counter(
        each.texts[0] for each in expand(["{3::a|b|0::c| 0.5::d}"], Lists(), range(3000))
    )
    assert set(counted) == {"a", "b", "d"}
    assert counted["a"] / 3000 == pytest.approx(3 / 4.5, abs=0.04)
    assert counted["d"] / 3000 == pytest.approx(0.5 / 4.5, abs=0.03)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{2$$a|b|c}", {"a,b", "a,c", "b,a", "b,c", "c,a", "c,b"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{2$$ | $$a|b}", {"a | b", "b | a"}),
        ("{0-1$$a|b}", {"", "a", "b"}),
        ("{1-2$$+$$a|b}", {"a", "b", "a+b", "b+a"}),
        ("{-2$$+$$a|b}", {"a", "b", "a+b", "b+a"}),
        ("{2-$$+$$a|b}", {"a+b", "b+a"}),
        ("{9$$+$$a|b}", {"a+b", "b+a"}),
        ("{2$$a|}", {"a"}),
        ("{x$$a|b}", {"x$$a", "b"}),
        ("{3$$+$$__n__}", {"1+2", "2+1"}),
        ("{2$$__no__}", {"__no__"}),
    ],
)
def test_several_options_without_repetition(text: str, expected: set[str]) -> None:
    assert many(text, n=["1", "2"]) == expected


def test_wildcards() -> None:
    lists = {"colour": ["red", "blue"], "ball": ["a __colour__ ball", "{no|any} ball"]}
    assert many("__colour__", **lists) == {"red", "blue"}
    expected = {"a red ball", "a blue ball", "no ball", "any ball"}
    assert many("__ball__!", **lists) == {f"{each}!" for each in expected}
    assert many("{__colour__|x}", **lists) == {"red", "blue", "x"}
    assert many("<lora:__colour__:1>", **lists) == {"<lora:red:1>", "<lora:blue:1>"}


def test_missing_wildcard_stays_and_is_noticed() -> None:
    assert one("a __no/where__ b {c}") == "a __no/where__ b c"
    assert notices("__no/where__") == (
        "there is no wildcard no/where, or it is empty, so it stays as written",
    )


def test_wildcard_that_contains_itself_stays_there() -> None:
    assert one("__a__", a=["x __b__"], b=["y __a__"]) == "x y __a__"
    assert notices("__a__", a=["x __b__"], b=["y __a__"]) == (
        "the wildcard a contains itself, so it stays as written there",
    )
    assert one("{2$$__a__}", a=["x __a__"]) == "x __a__"


def test_variables() -> None:
    assert one("${x={a}} ${x}, ${x}") == "a, a"
    assert many("${x=!{a|b}}${x}${x}") == {"aa", "bb"}
    assert many("${x={a|b}}${x}${x}") == {"aa", "ab", "ba", "bb"}
    assert many("${x:{a|b}}") == {"a", "b"}
    assert one("${x=y}${x:z}") == "y"
    assert one("${x}") == "${x}"
    assert notices("${x}") == ("the variable x has no value, so it stays as written",)
    assert one("${x=a ${x}}${x}") == "a ${x}"
    assert one("${season=winter}__${season}/clothes__", **{"winter/clothes": ["coat"]}) == "coat"


def test_parameters_of_wildcards() -> None:
    lists = {"t": ["a ${colour:grey} ${animal}"]}
    assert one("__t(animal=cat)__", **lists) == "a grey cat"
    assert many("__t(animal={cat|dog}, colour=!{red, pale})__ ${animal:none}", **lists) == {
        "a red, pale cat none",
        "a red, pale dog none",
    }
    assert one("__t(animal)__", **lists) == "__t(animal)__"
    assert one("__t(animal=cat__", **lists) == "__t(animal=cat__"


def test_cyclic_and_combinatorial_marks() -> None:
    cyclic = [each.texts[0] for each in expand(["{~a|b|c} __~w__"], Lists({"w": "12"}), range(4))]
    assert cyclic == ["a 1", "b 2", "c 1", "a 2"]
    both = [each.texts[0] for each in expand(["{@a|b}{@1|2}"], Lists(), range(5))]
    assert both == ["a1", "a2", "b1", "b2", "a1"]


def test_combinations_are_made_lazily_and_once() -> None:
    assert combined("{a|b} {1|2|3}", "{x|y}") == [
        (f"{letter} {number}", negative) for letter in "ab" for number in "123" for negative in "xy"
    ]
    assert combined("{a|{b|c}}") == [("a",), ("b",), ("c",)]
    assert combined("plain") == [("plain",)]
    assert combined("__no__") == [("__no__",)]
    assert combined("${x=!{a|b}}${x}${x}") == [("aa",), ("bb",)]
    assert combined("{2$$-$$a|b|c}", most=3) == [("a-b",), ("a-c",), ("b-a",)]
    huge = {"w": [str(number) for number in range(5_000)]}
    assert len(combined("__w__ __w__ __w__ __w__", most=10, **huge)) == 10


def test_same_seed_gives_the_same_text() -> None:
    text = "{a|b|c|d} __w__ {3$$a|b|c|d|e} ${x={1|2|3}}${x}${x}"
    lists = {"w": [str(number) for number in range(50)]}
    assert one(text, 7, **lists) == one(text, 7, **lists)
    batch = [each.texts[0] for each in expand([text], Lists(lists), range(5, 9))]
    assert batch[2] == one(text, 7, **lists)
    assert len(set(batch)) > 1
    assert one("{a|b|c|d|e|f|g|h}{a|b|c|d|e|f|g|h}", 3) == "ed"  # of all versions of Python


def test_bombs_end_soon_and_are_noticed() -> None:
    doubled = "".join(f"${{x{n}=${{x{n - 1}}}${{x{n - 1}}}}}" for n in range(1, 60))
    bomb = f"${{x0=ha}}{doubled}${{x59}}"
    begin = time.process_time()
    assert len(one(bomb)) <= 32_000
    assert any("too long" in each or "deeply" in each for each in notices(bomb))
    assert one("{" * 5000 + "a" + "}" * 5000).strip("{}") == "a"
    assert time.process_time() - begin < 2


def test_literal_text_becomes_itself() -> None:
    for text in ("a {b|c} __d__", "plain", "${x}", "{", r"\(x\) {y}", "# {a|b}", "{a} # b"):
        assert one(literal(text)) == text
    assert literal("plain _ { text") == "plain _ { text"


def test_what_was_missing_stays_in_literal_text() -> None:
    template = r"{a} __no__ ${x} \__d__ %{…$$y}"
    made = one(template)
    assert made == "a __no__ ${x} __d__ y"
    again = literal(made, template)
    assert again == r"a __no__ ${x} \__d\__ y"
    assert one(again) == made
    assert one(again, no=["found"], d=["found"]) == "a found ${x} __d__ y"


_PIECES = [
    *("%{", "%{…$$", "%", "…"),
    *("{", "}", "|", "[", "]", "(", ")", "$", "${", "$$", "__", "_", "::", ":", "=", "!", "~"),
    *("@", "#", "\n", "\\", ",", " ", "a", "x", "1", "2", "-", "*", "/", "<lora:a:1>", "é"),
    *("{a|b}", "__a__", "${x=", "${x}", "2$$", "1-2$$ and $$", "__a(x=1)__", "\0", "\ud800"),
]


def test_no_text_raises() -> None:
    chance = random.Random(5)
    lists = Lists({"a": ["x", "{y|__a__}", "${x} {", "__*__"], "*": ["__a__"]})
    for number in range(3000):
        text = "".join(chance.choices(_PIECES, k=chance.randrange(1, 30)))
        first, second = expand([text, text], lists, [number, number])
        assert first.texts[0] == next(expand([text], lists, [number])).texts[0] or "@" in text
        assert "\\" in text or one(literal(text)) == text
        made = next(expand([text], Lists({}), [number])).texts[0]
        assert "\\" in text or next(expand([literal(made, text)], Lists({}), [1])).texts[0] == made
        for _ in islice(expand([text], lists, count(), is_combinatorial=True), 5):
            pass
        assert second.texts


@pytest.mark.parametrize(
    "piece",
    [
        *("{", "}", "{[|", "[", "{a|", "${", "${x=", "__", "_", "__a(", "__a(x=", "\\", "{a}"),
        *(
            "%{",
            "%{…$$",
            "%{{",
            "%{$",
            "{a|b}",
            "__a__",
            "#",
            "#\n",
            "1-2$$",
            "{1$$",
            "__a(()",
            "a ",
            "|",
            "}{",
            "{2$$__a__}",
        ),
    ],
)
def test_long_texts_take_time_in_proportion(piece: str) -> None:
    text = (piece * 32_000)[:32_000]
    begin = time.process_time()
    one(text, a=["b"])
    assert time.process_time() - begin < 3
