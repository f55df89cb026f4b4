"""The index: what searches need about every picture, and all SQL on it."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sdtui.history.conditions import OWNER, PARENT, Value, signed, unsigned
from sdtui.history.database import Database
from sdtui.history.entry import Entry, Skipped, Stats
from sdtui.history.ids import IDS_PER_MILLISECOND, POSITIONS, first_id, time_of
from sdtui.history.search import Search, folded_tag
from sdtui.history.segmentation import searchable
from sdtui.history.sidecar import Summary

_COLUMNS = f"""
    SELECT entries.*, path AS folder, name, problem,
        coalesce(shown_prompt, prompt) AS prompt,
        coalesce(shown_negative_prompt, negative_prompt) AS negative_prompt,
        coalesce(shown_model, model) AS model, coalesce(shown_sampler, sampler) AS sampler,
        (SELECT value FROM facts WHERE facts.entry = entries.id AND facts.name = '{OWNER}') AS owner
    FROM entries JOIN files ON files.entry = entries.id JOIN folders ON folders.id = files.folder
    JOIN words ON words.rowid = entries.id
"""

_KEYS = (("entries", "id"), ("facts", "entry"), ("tags", "entry"), ("words", "rowid"))
"""The tables that hold something about an entry, each with the column of its id."""


@dataclass(frozen=True)
class Listing:
    """What the index stores about a picture."""

    name: str
    """The picture's file name."""
    stamp: str
    """Changes when the JSON file changes; see `refresh.stamp_of`."""
    summary: Summary
    problem: str = ""


@dataclass(frozen=True)
class _Matching:
    """The part of a query that finds the entries of a search."""

    key: str
    """The column of the id."""
    sql: str
    """FROM and WHERE."""
    values: tuple[Value, ...]

    @classmethod
    def of(cls, search: Search) -> _Matching:
        values: list[Value] = [value for part in search.conditions for value in part.values]
        source, key, tests = "entries", "entries.id", ["1"]
        if search.match is not None:
            key = "words.rowid"
            joined = "words CROSS JOIN entries ON entries.id = words.rowid"
            source = "words" if search.words_only else joined
            tests = ["words MATCH ?"]
            values.insert(0, search.match)
        tests += [f"({part.sql.format(id=key)})" for part in search.conditions]
        return cls(key, f"FROM {source} WHERE {' AND '.join(tests)}", tuple(values))


class Index:
    """The tables and all SQL on them.

    Folders are named relative to the pictures folder, with "/" between the parts and "" for the
    pictures folder itself. Methods raise HistoryError if the database can't be used.
    """

    def __init__(self, file: Path, pictures: Path) -> None:
        """Open the index; one that is missing, damaged or of another version is recreated."""
        self._database = Database(file)
        self._pictures = pictures
        self._read, self._write = self._database.read, self._database.write

    def close(self) -> None:
        self._database.close()

    def changes_by_others(self) -> int:
        """Return a number that is another one after another process has changed the file."""
        return self._database.changes_by_others()

    def clear(self) -> None:
        """Delete all entries."""
        self._database.clear()

    def writing(self) -> AbstractContextManager[None]:
        """Run the body in one transaction; nested calls join it."""
        return self._database.writing()

    def folders(self) -> dict[str, int]:
        """The stamp of every known folder at its last reading (modification time in ns)."""
        rows = self._read("SELECT path, stamp FROM folders")
        return {row["path"]: row["stamp"] for row in rows}

    def stamp_folder(self, folder: str, stamp: int) -> None:
        """Store the stamp of a folder; with 0 the next refresh reads it again."""
        with self.writing():
            self._write("UPDATE folders SET stamp = ? WHERE id = ?", stamp, self._folder(folder))

    def stamps(self, folder: str) -> dict[str, str]:
        """The stamp of every listed picture of a folder, by file name."""
        rows = self._read(
            "SELECT name, files.stamp FROM files JOIN folders ON folders.id = folder "
            "WHERE path = ?",
            folder,
        )
        return {row["name"]: row["stamp"] for row in rows}

    def add(self, folder: str, listing: Listing) -> None:
        """List a picture, replacing an entry of the same name."""
        summary = listing.summary
        image = summary.images[0]
        settings = summary.settings
        with self.writing():
            number = self._folder(folder)
            self._forget(number, listing.name)
            entry = self._free_id(summary)
            self._write(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)",
                entry,
                number,
                listing.name,
                listing.stamp,
                image.sha256,
                listing.problem,
            )
            self._write(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)",
                entry,
                None if summary.seed is None else signed(summary.seed),
                image.width,
                image.height,
                settings.num_inference_steps if settings else None,
                settings.guidance_scale if settings else None,
                summary.starred,
            )
            self._add_words(entry, summary)
            self._add_tags(entry, summary.tags)
            for name, value in summary.facts():
                self._write("INSERT INTO facts VALUES (?, ?, ?)", name, value, entry)

    def mark(self, folder: str, listing: Listing) -> None:
        """Update the star and tags of a listed picture, keeping its id."""
        with self.writing():
            rows = self._write(
                "UPDATE files SET stamp = ? WHERE folder = ? AND name = ? RETURNING entry",
                listing.stamp,
                self._folder(folder),
                listing.name,
            )
            for (entry,) in rows:
                starred = listing.summary.starred
                self._write("UPDATE entries SET starred = ? WHERE id = ?", starred, entry)
                self._write("DELETE FROM tags WHERE entry = ?", entry)
                self._add_tags(entry, listing.summary.tags)
            if not rows:
                self.add(folder, listing)

    def remove(self, folder: str, names: Iterable[str]) -> None:
        """Delete the entries of pictures."""
        with self.writing():
            number = self._folder(folder)
            for name in names:
                self._forget(number, name)

    def forget_folder(self, folder: str) -> int:
        """Delete a folder and its entries; returns the number of pictures."""
        with self.writing():
            names = list(self.stamps(folder))
            self.remove(folder, names)
            self.set_skipped(folder, {})
            self._write("DELETE FROM folders WHERE path = ?", folder)
        return len(names)

    def set_skipped(self, folder: str, reasons: dict[str, str]) -> None:
        """Replace the reasons, by file name, why files of a folder are not listed."""
        with self.writing():
            number = self._folder(folder)
            self._write("DELETE FROM skipped WHERE folder = ?", number)
            for name, reason in reasons.items():
                self._write("INSERT INTO skipped VALUES (?, ?, ?)", number, name, reason)

    def skipped(self) -> tuple[Skipped, ...]:
        """All files that are not listed, with the reason."""
        rows = self._read(
            "SELECT path AS folder, name, reason FROM skipped "
            "JOIN folders ON folders.id = skipped.folder ORDER BY path, name"
        )
        return tuple(
            Skipped(self._pictures / row["folder"] / row["name"], row["reason"]) for row in rows
        )

    def find(self, search: Search, offset: int, limit: int) -> tuple[tuple[Entry, ...], int]:
        """One page of entries, newest first, and the number of matches on all pages."""
        matching = _Matching.of(search)
        key = matching.key
        rows = self._read(
            f"WITH page AS (SELECT {key} AS chosen {matching.sql} "
            f"ORDER BY {key} DESC LIMIT ? OFFSET ?) "
            f"{_COLUMNS} WHERE entries.id IN (SELECT chosen FROM page) ORDER BY entries.id DESC",
            *matching.values,
            limit,
            offset,
        )
        if len(rows) < limit and (rows or offset == 0):
            return self._entries(rows), offset + len(rows)
        total = self._read(f"SELECT count(*) {matching.sql}", *matching.values)
        return self._entries(rows), total[0][0]

    def ids(self, search: Search) -> Sequence[int]:
        """The ids of all matches, newest first, as one array: a hundred thousand take 1 MB."""
        matching = _Matching.of(search)
        # One text from SQLite is read several times as fast as a row for each id.
        found = f"SELECT {matching.key} AS id {matching.sql} ORDER BY id DESC"
        rows = self._read(f"SELECT json_group_array(id) FROM ({found})", *matching.values)
        return array("q", sorted(json.loads(rows[0][0]), reverse=True))

    def by_ids(self, ids: Iterable[int]) -> tuple[Entry, ...]:
        """The listed pictures among these, newest first."""
        chosen = "SELECT value FROM json_each(?)"
        where = f"WHERE entries.id IN ({chosen}) ORDER BY entries.id DESC"
        return self._entries(self._read(f"{_COLUMNS} {where}", json.dumps(list(ids))))

    def by_id(self, entry: int) -> tuple[Entry, ...]:
        """The picture with this id, if any."""
        return self._entries(self._read(f"{_COLUMNS} WHERE entries.id = ?", entry))

    def by_name(self, name: str, folder: str | None = None) -> tuple[Entry, ...]:
        """The pictures with this file name, in one folder or (None) in any."""
        where = "name = ? AND (folders.path = ? OR ?)"
        return self._entries(self._read(f"{_COLUMNS} WHERE {where}", name, folder, folder is None))

    def has_hash(self, sha256: str) -> bool:
        """True if a picture file with this SHA-256 is listed."""
        return bool(self._read("SELECT 1 FROM files WHERE sha256 = ? LIMIT 1", sha256))

    def by_hash(self, sha256: str) -> tuple[Entry, ...]:
        """The pictures whose files have this SHA-256, newest first."""
        where = "WHERE files.sha256 = ? ORDER BY entries.id DESC"
        return self._entries(self._read(f"{_COLUMNS} {where}", sha256))

    def hash_of(self, entry: int) -> str:
        """The SHA-256 of a picture's file; "" if it is unknown."""
        rows = self._read("SELECT sha256 FROM files WHERE entry = ?", entry)
        return (rows[0][0] or "") if rows else ""

    def parents_of(self, entry: int) -> tuple[str, ...]:
        """The SHA-256 of each picture that a picture was made from."""
        rows = self._read("SELECT value FROM facts WHERE entry = ? AND name = ?", entry, PARENT)
        return tuple(row[0] for row in rows)

    def children_of(self, sha256: str, limit: int) -> tuple[Entry, ...]:
        """The first pictures that were made from one with this SHA-256, oldest first."""
        chosen = "SELECT entry FROM facts WHERE name = ? AND value = ? ORDER BY entry LIMIT ?"
        where = f"WHERE entries.id IN ({chosen}) ORDER BY entries.id"
        return self._entries(self._read(f"{_COLUMNS} {where}", PARENT, sha256, limit))

    def stats(self, trashed: int) -> Stats:
        """Numbers about the whole history; the caller counts the trash."""
        counts = self._read(
            "SELECT (SELECT count(*) FROM entries) AS pictures, "
            "(SELECT count(*) FROM entries WHERE starred) AS starred, "
            "(SELECT count(*) FROM skipped) AS skipped, "
            "(SELECT min(id) FROM entries) AS first, (SELECT max(id) FROM entries) AS last"
        )[0]
        first, last = counts["first"], counts["last"]
        models = self._read(
            "SELECT coalesce(shown_model, model), count(*) FROM words GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        tags = self._read("SELECT tag, count(*) FROM tags GROUP BY tag ORDER BY 2 DESC, 1")
        return Stats(
            pictures=counts["pictures"],
            starred=counts["starred"],
            trashed=trashed,
            skipped=counts["skipped"],
            first=None if first is None else time_of(first),
            last=None if last is None else time_of(last),
            models={row[0]: row[1] for row in models},
            tags={row[0]: row[1] for row in tags},
        )

    def _entries(self, rows: list[sqlite3.Row]) -> tuple[Entry, ...]:
        ids = json.dumps([row["id"] for row in rows])  # variables are limited in number
        tags: dict[int, list[str]] = {}
        for entry, tag in self._read(
            "SELECT entry, tag FROM tags WHERE entry IN (SELECT value FROM json_each(?)) "
            "ORDER BY tag",
            ids,
        ):
            tags.setdefault(entry, []).append(tag)
        return tuple(self._entry(row, tags.get(row["id"], [])) for row in rows)

    def _entry(self, row: sqlite3.Row, tags: list[str]) -> Entry:
        return Entry(
            id=row["id"],
            path=self._pictures / row["folder"] / row["name"],
            time=time_of(row["id"]),
            prompt=row["prompt"],
            negative_prompt=row["negative_prompt"],
            model=row["model"],
            sampler=row["sampler"],
            seed=None if row["seed"] is None else unsigned(row["seed"]),
            width=row["width"],
            height=row["height"],
            steps=row["steps"],
            guidance=row["guidance"],
            starred=bool(row["starred"]),
            tags=tuple(tags),
            problem=row["problem"],
            owner=row["owner"] or "",
        )

    def _folder(self, path: str) -> int:
        rows = self._write("SELECT id FROM folders WHERE path = ?", path) or self._write(
            "INSERT INTO folders (path, stamp) VALUES (?, 0) RETURNING id", path
        )
        return int(rows[0][0])

    def _forget(self, folder: int, name: str) -> None:
        for (entry,) in self._write(
            "DELETE FROM files WHERE folder = ? AND name = ? RETURNING entry", folder, name
        ):
            for table, key in _KEYS:
                self._write(f"DELETE FROM {table} WHERE {key} = ?", entry)

    def _add_words(self, entry: int, summary: Summary) -> None:
        """Index the texts of a picture, and store those that the index holds in another form."""
        shown = (
            summary.prompt,
            summary.negative_prompt,
            summary.shown_model,
            summary.shown_sampler,
        )
        words = tuple(searchable(text) for text in shown)
        changed = (text if word != text else None for text, word in zip(shown, words, strict=True))
        self._write(
            "INSERT INTO words (rowid, prompt, negative_prompt, model, sampler, shown_prompt, "
            "shown_negative_prompt, shown_model, shown_sampler) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            entry,
            *words,
            *changed,
        )

    def _add_tags(self, entry: int, tags: Iterable[str]) -> None:
        for tag in tags:
            self._write("INSERT OR IGNORE INTO tags VALUES (?, ?)", folded_tag(tag), entry)

    def _free_id(self, summary: Summary) -> int:
        """The id made of a picture's time and position in its run or grid, or the next free
        one."""
        window = first_id(summary.moment)
        candidate = window + min(max(0, summary.position), POSITIONS)
        taken = self._last_id(candidate, candidate + 1)
        while taken is not None:
            following = window + IDS_PER_MILLISECOND
            last = self._last_id(window, following)
            candidate = window + POSITIONS if last is None else max(last + 1, window + POSITIONS)
            taken = last if candidate == following else None
            window = following
        return candidate

    def _last_id(self, first: int, after: int) -> int | None:
        rows = self._write("SELECT max(id) FROM entries WHERE id >= ? AND id < ?", first, after)
        last: int | None = rows[0][0]
        return last
