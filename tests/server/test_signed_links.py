"""Signed links to pictures."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sdtui.jobs import JobPicture, PictureId
from sdtui.server.services.signed_links import (
    LIFETIME_SECONDS,
    LinkTarget,
    SignedLinks,
    read_secret,
)


@pytest.mark.parametrize(
    ("picture", "quality"), [(2**62, None), (JobPicture("a-job.of someone", 3), 80)]
)
def test_link_leads_to_its_picture_after_a_restart(
    tmp_path: Path, picture: PictureId, quality: int | None
) -> None:
    file = tmp_path / "secret"
    token = SignedLinks(read_secret(file)).make(picture, quality)
    assert token.isascii()
    assert not set(token) & set("./=+")
    assert SignedLinks(read_secret(file)).find(token) == LinkTarget(picture, quality)


def test_link_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    links = SignedLinks(b"secret")
    token = links.make(1)
    later = time.time() + LIFETIME_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert links.find(token) is None


def test_changed_or_foreign_token_is_refused() -> None:
    links = SignedLinks(b"secret")
    token = links.make(1)
    others = ("", "é", "*", token[:-2], f"A{token[1:]}" if token[0] != "A" else f"B{token[1:]}")
    for other in (*others, SignedLinks(b"another").make(1)):
        assert links.find(other) is None


def test_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    assert read_secret(file) == read_secret(file)
    assert file.stat().st_mode & 0o077 == 0


def test_damaged_or_unwritable_secret_does_not_stop_the_server(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"short")
    assert len(read_secret(file)) == 32
    assert len(read_secret(tmp_path / "no folder" / "secret")) == 32
