"""The SQLite file of the index, shared by several threads and processes.

Two connections: one reads while the other writes (WAL), each for one thread at a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdtui.core.errors import HistoryError
from sdtui.core.locks import exclusive
from sdtui.history.segmentation import TOKENIZER

VERSION = 8
"""Incremented when the tables or what is in them change; an index of another version is rebuilt,
and a process of another version doesn't write to it any more."""

_BUSY_TIMEOUT = 10.0  # seconds to wait for another process's transaction
_CACHE_KIB = 16 * 1024  # per connection
_CHECKPOINT_PAGES = 10_000  # with the hashsize below, a rebuild takes a third less time

# entries and files are separate tables because searches scan entries: it has to be narrow
_TABLES = f"""
CREATE TABLE folders (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, stamp INTEGER NOT NULL);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, seed INTEGER, width INTEGER NOT NULL, height INTEGER NOT NULL,
    steps INTEGER, guidance REAL, starred INTEGER NOT NULL
);
CREATE INDEX entries_by_number ON entries (width, height, seed, steps, guidance, starred);
CREATE TABLE files (
    entry INTEGER PRIMARY KEY, folder INTEGER NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL,
    sha256 TEXT, problem TEXT NOT NULL, UNIQUE (folder, name)
);
CREATE TABLE facts (
    name TEXT, value, entry INTEGER, PRIMARY KEY (name, value, entry)
) WITHOUT ROWID;
CREATE INDEX facts_by_entry ON facts (entry);
CREATE INDEX files_by_hash ON files (sha256);
CREATE TABLE tags (tag TEXT, entry INTEGER, PRIMARY KEY (tag, entry)) WITHOUT ROWID;
CREATE INDEX tags_by_entry ON tags (entry);
CREATE TABLE skipped (folder INTEGER, name TEXT, reason TEXT NOT NULL, PRIMARY KEY (folder, name));
CREATE VIRTUAL TABLE words USING fts5 (
    prompt, negative_prompt, model, sampler,
    shown_prompt UNINDEXED, shown_negative_prompt UNINDEXED, shown_model UNINDEXED,
    shown_sampler UNINDEXED, prefix = '1 2 3', tokenize = '{TOKENIZER}'
);
INSERT INTO words (words, rank) VALUES ('hashsize', 16000000);
"""


class Database:
    """The connections to the index. Methods raise HistoryError if the file can't be used."""

    def __init__(self, file: Path) -> None:
        """Open the file; one that is missing, damaged or of another version is recreated."""
        self._file = file
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._connect()

    def _connect(self) -> None:
        with (
            _readable_errors(self._file),
            exclusive(self._file.with_name(self._file.name + ".opening.lock")),
        ):
            try:
                self._writer = _open(self._file)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise  # busy, no space, no permission: a new file wouldn't help
                self._delete()
                self._writer = _open(self._file)
            self._reader = _open(self._file)
            self._changes_by_others = 0

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run the body in one transaction; nested calls join it."""
        with self._writing:
            if self._writer.in_transaction:
                yield
                return
            with _readable_errors(self._file):
                self._writer.execute("BEGIN IMMEDIATE")
                with self._writer:
                    self._check_version()
                    yield

    def _check_version(self) -> None:
        if _version(self._writer) != VERSION:
            raise HistoryError(
                f"another version of sdtui has rebuilt the history's index {self._file}",
                "Restart this one",
            )

    def clear(self) -> None:
        """Delete all rows, or replace the file if it is damaged."""
        with self._writing, self._reading, _readable_errors(self._file):
            try:
                _make_tables(self._writer)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._writer.close()
                self._reader.close()
                self._delete()
                self._connect()

    def read(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a query; inside a transaction of this thread it sees the changes."""
        if self._writing.acquire(blocking=False):
            try:
                if self._writer.in_transaction:
                    return self._writer.execute(sql, values).fetchall()
            finally:
                self._writing.release()
        with self._reading, _readable_errors(self._file):
            return self._reader.execute(sql, values).fetchall()

    def changes_by_others(self) -> int:
        """Return a number that is another one after another process has changed the file: SQLite's
        `data_version` of the connection that makes all changes of this process. While that is in
        use, return the last number."""
        if self._writing.acquire(blocking=False):
            try:
                with _readable_errors(self._file):
                    row = self._writer.execute("PRAGMA data_version").fetchone()
                    self._changes_by_others = int(row[0])
            finally:
                self._writing.release()
        return self._changes_by_others

    def write(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Run one statement inside `writing` and return its rows."""
        return self._writer.execute(sql, values).fetchall()


@contextmanager
def _readable_errors(file: Path) -> Iterator[None]:
    """Raise HistoryError in place of errors of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        raise HistoryError(
            f"the history's index {file} can't be used: {error}",
            'The pictures are safe; free some space, or rebuild it with "sdtui history reindex"',
        ) from error


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = FAST")  # else dropping tables rewrites the file
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if _version(connection) != VERSION:
            _make_tables(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _make_tables(connection: sqlite3.Connection) -> None:
    """Drop all tables and create them again, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
            "AND name NOT LIKE 'words_%'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f'DROP TABLE "{name}"')
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
