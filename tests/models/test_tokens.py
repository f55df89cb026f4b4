"""Tokens are counted as transformers' own tokenizer makes them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from sdtui.core.errors import ModelDamagedError
from sdtui.models import ModelSource, SourceKind, TokenCounter, counters_of, token_counters
from sdtui.models.component_files import CONFIGS
from sdtui.models.pipeline_traits import traits_of
from sdtui.models.tokens import LibraryTokenizer, TokenizerFiles
from sdtui.pocket import MODEL_FOLDER

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

FILES = CONFIGS / "tokenizer"
TEXTS = [
    "",
    " ",
    "a cat",
    "A CAT, on a mat; (masterpiece:1.2), [blurry]!!! <lora:x:0.8>",
    "it's they're I'd we've don't 'quoted' ''s",
    "3000 years, 12.5 % — 4k 8K 1girl",
    "  many   spaces\n\nand\tlines\r\n ",
    "日本語のプロンプト、猫",
    "кошка на ковре ñandú Ünïcödé",
    "ﬁ ligature, ½, ①, e\u0301 é, İstanbul ß ẞ",
    "🐈 👩\u200d👩\u200d👧 ❤\ufe0f 🏳\ufe0f\u200d🌈 👍🏽",
    "עברית العربية हिन्दी ไทย",
    "zero\u200bwidth \u00a0nbsp\u3000wide \ufeff",
    "<|startoftext|> inside <|endoftext|> and after",
    "|<>|<|endof|>",
    "\x1b[31mred\x00\x07",
    "supercalifragilisticexpialidocious" * 20,
    "a" * 3000,
    "!" * 500,
    "cat, " * 400,
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛",
]


@pytest.fixture(scope="module")
def theirs() -> CLIPTokenizer:
    """The tokenizer that a pipeline has, from the same files."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer(
        vocab=str(FILES / "vocab.json"), merges=str(FILES / "merges.txt"), model_max_length=77
    )


@pytest.fixture(scope="module")
def native() -> TokenCounter:
    """The counter for single files."""
    return token_counters(FILES / "vocab.json")["text_encoder"]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:30]))
def test_tokens_are_those_of_transformers(
    theirs: CLIPTokenizer, native: TokenCounter, text: str
) -> None:
    expected = theirs(text, add_special_tokens=False, truncation=False)["input_ids"]
    assert native.count(text).tokens == len(expected)
    assert [token.id for token in native.tokens(text)] == expected


def test_text_before_the_cut_is_what_the_encoder_sees(
    theirs: CLIPTokenizer, native: TokenCounter
) -> None:
    text = "cat, " * 400
    cut_from = native.count(text).cut_from
    assert cut_from is not None
    kept = theirs(text, truncation=True)["input_ids"]
    assert len(kept) == 77
    assert theirs(text[:cut_from])["input_ids"] == kept


def test_cut_is_after_75_tokens(native: TokenCounter) -> None:
    words = ["cat"] * 75
    assert native.count(" ".join(words)).cut_from is None
    text = " ".join([*words, "dog", "bird"])
    count = native.count(text)
    assert count.tokens == 77
    assert count.cut_from is not None
    assert text[count.cut_from :] == "dog bird"


def test_cut_is_found_in_text_that_normalisation_shortens(native: TokenCounter) -> None:
    text = "\n\n  CAFE\u0301  🐈" + "   cat" * 80 + " dog"
    count = native.count(text)
    assert count.cut_from is not None
    assert set(text[count.cut_from :].split()) == {"cat", "dog"}
    assert len(text[count.cut_from :].split()) == count.tokens - 75


def test_every_tokenizer_of_a_folder_has_a_counter(tiny_sd1: Path, tiny_sdxl: Path) -> None:
    assert list(token_counters(tiny_sd1)) == ["text_encoder"]
    counters = token_counters(tiny_sdxl)
    assert list(counters) == ["text_encoder", "text_encoder_2"]
    assert {counter.limit for counter in counters.values()} == {75}
    assert counters["text_encoder"].count("abc").tokens == 3


def test_both_tokenizer_file_formats_count_alike(
    theirs: CLIPTokenizer, native: TokenCounter, tmp_path: Path
) -> None:
    """Newer folders have tokenizer.json alone, older ones vocab.json and merges.txt."""
    theirs.save_pretrained(tmp_path / "tokenizer")
    file = str(tmp_path / "tokenizer" / "tokenizer.json")
    saved = Tokenizer.from_file(file)
    saved.enable_truncation(77)
    saved.enable_padding(length=77)
    saved.save(file)
    assert not (tmp_path / "tokenizer" / "merges.txt").is_file()
    counter = token_counters(tmp_path)["text_encoder"]
    for text in TEXTS:
        assert counter.count(text).tokens == native.count(text).tokens
        assert counter.count(text).cut_from == native.count(text).cut_from


def test_counters_are_restored_from_their_files(native: TokenCounter, tmp_path: Path) -> None:
    """Another process has CLIP's own, and needs the library only for tokenizers unlike it."""
    pocket = token_counters(MODEL_FOLDER)["text_encoder"]
    assert native.files == TokenizerFiles()
    assert pocket.files.library is None
    Tokenizer(WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]")).save(f"{tmp_path}/tokenizer.json")
    other = TokenCounter(LibraryTokenizer((tmp_path / "tokenizer.json").read_text()), 9)
    for counter in (native, pocket, other):
        restored = TokenCounter.restored(counter.limit, counter.files)
        assert restored.tokens("a quartz Zebra🐈") == counter.tokens("a quartz Zebra🐈")


def test_pocket_tokens_are_those_of_the_library() -> None:
    library = LibraryTokenizer((MODEL_FOLDER / "tokenizer" / "tokenizer.json").read_text())
    counter = token_counters(MODEL_FOLDER)["text_encoder"]
    for text in TEXTS:
        assert [each.id for each in counter.tokens(text)] == [
            each.id for each in library.tokens(text)
        ]


def test_limits_and_kinds_of_tokenizers_are_read(tmp_path: Path) -> None:
    for name, settings in {
        "tokenizer": {"model_max_length": 20},
        "tokenizer_2": {"tokenizer_class": "T5TokenizerFast"},
        "tokenizer_3": {"model_max_length": 10**30, "tokenizer_class": "CLIPTokenizer"},
    }.items():
        folder = tmp_path / name
        shutil.copytree(FILES, folder)
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    counters = token_counters(tmp_path)
    assert list(counters) == ["text_encoder", "text_encoder_3"]
    assert counters["text_encoder"].limit == 18
    assert counters["text_encoder_3"].count("cat " * 500).cut_from is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tokenizer_config.json", '{"model_max_length": "long"}'),
        ("tokenizer_config.json", '{"model_max_length": null}'),
        ("tokenizer_config.json", "["),
        ("vocab.json", "["),
        ("vocab.json", "[]"),
        ("vocab.json", '{"a": "x"}'),
        ("merges.txt", "one\n"),
        ("merges.txt", "un known\n"),
    ],
)
def test_broken_tokenizer_files_are_refused(tmp_path: Path, file: str, text: str) -> None:
    shutil.copytree(FILES, tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / file).write_text(text)
    with pytest.raises(ModelDamagedError) as caught:
        token_counters(tmp_path)
    assert "tokenizer" in str(caught.value)


def test_missing_tokenizer_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    with pytest.raises(ModelDamagedError):
        token_counters(tmp_path)


def test_model_that_is_not_downloaded_counts_as_clip() -> None:
    source = ModelSource("a/b", SourceKind.HUB, None, "a/b")
    assert counters_of(source)["text_encoder"].count("a cat").tokens == 2


def test_limit_of_t5_is_that_of_the_family(tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer_2"
    folder.mkdir()
    words = {"[UNK]": 0, "a": 1, "red": 2}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
    schnell = traits_of("FluxPipeline", denoiser={"guidance_embeds": False})
    counter = token_counters(tmp_path, schnell.text_limit)["text_encoder_2"]
    assert counter.count("red " * 300).cut_from == 4 * 255
    assert not token_counters(tmp_path, None)
