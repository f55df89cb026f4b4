"""The index's SQLite file: opened, made anew, and used by several threads and processes.

Two connections: one reads while the other writes (WAL), each used by one thread at a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdtui.core.errors import HistoryError
from sdtui.core.locks import exclusive

VERSION = 1
"""Raised when the tables change; an index of another version is thrown away and rebuilt."""

_WAIT = 10.0  # seconds for another process's transaction to end
_CACHE = 16 * 1024  # KiB a connection
_CHECKPOINT = 10_000  # pages; with the words' hashsize, a third off a rebuild's time

# entries is apart from files so that it is narrow: a search reads much of it
_TABLES = """
CREATE TABLE folders (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, stamp INTEGER NOT NULL);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, seed INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    steps INTEGER, guidance REAL, starred INTEGER NOT NULL
);
CREATE INDEX entries_by_number ON entries (width, height, seed, steps, guidance, starred);
CREATE TABLE files (
    entry INTEGER PRIMARY KEY, folder INTEGER NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL,
    sha256 TEXT, problem TEXT NOT NULL, UNIQUE (folder, name)
);
CREATE INDEX files_by_hash ON files (sha256);
CREATE TABLE tags (tag TEXT, entry INTEGER, PRIMARY KEY (tag, entry)) WITHOUT ROWID;
CREATE INDEX tags_by_entry ON tags (entry);
CREATE TABLE skipped (folder INTEGER, name TEXT, reason TEXT NOT NULL, PRIMARY KEY (folder, name));
CREATE VIRTUAL TABLE words USING fts5 (
    prompt, negative_prompt, model, sampler, prefix = '1 2 3',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co So'"
);
INSERT INTO words (words, rank) VALUES ('hashsize', 16000000);
"""


class Database:
    """Tables that can be thrown away at any time. Methods raise HistoryError if the file can't
    be used."""

    def __init__(self, file: Path) -> None:
        """Open the index, made anew if it is missing, damaged or of another version."""
        self._file = file
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._connect()

    def _connect(self) -> None:
        with _explained(self._file), exclusive(self._file.with_name(self._file.name + ".making")):
            try:
                self._writer = _open(self._file)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise  # busy, no space, no permission: nothing that a new file would mend
                self._delete()
                self._writer = _open(self._file)
            self._reader = _open(self._file)

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close both connections."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction around everything that is written inside, nested ones included."""
        with self._writing:
            if self._writer.in_transaction:
                yield
                return
            with _explained(self._file):
                self._writer.execute("BEGIN IMMEDIATE")
                with self._writer:
                    yield

    def clear(self) -> None:
        """Forget everything, and start on a new file if this one is damaged."""
        with self._writing, self._reading, _explained(self._file):
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
        """Rows as they are, or, inside a transaction of this thread, as they will be."""
        if self._writing.acquire(blocking=False):
            try:
                if self._writer.in_transaction:
                    return self._writer.execute(sql, values).fetchall()
            finally:
                self._writing.release()
        with self._reading, _explained(self._file):
            return self._reader.execute(sql, values).fetchall()

    def write(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Run one statement inside `writing`; the rows that it returns."""
        return self._writer.execute(sql, values).fetchall()


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Failures of the database as an error that people can read."""
    try:
        yield
    except sqlite3.Error as error:
        raise HistoryError(
            f"the history's index {file} can't be used: {error}",
            'The pictures are safe; free some space, or make it anew with "sdtui history reindex"',
        ) from error


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _make_tables(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    """Throw away whatever tables there are and make ours, in one transaction."""
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
