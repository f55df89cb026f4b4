"""The prompts of `sdtui generate`: from the argument, stdin, or a file."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdtui.core.errors import InvalidRequestError, Problem, SdtuiError
from sdtui.core.text_files import (
    SAVE_AS_UTF8,
    UnreadableTextError,
    decode_text,
    split_lines,
    syntax_problem,
)
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest

_STDIN = Path("-")
_JSON_LINES = (".jsonl", ".ndjson")
_OBJECT = re.compile(r"\s*\{\s*[\"'}]")
"""The beginning of a JSON object; {red|blue} is how some prompts begin."""


def read_requests(
    prompt: str | None, file: Path | None, shared: Mapping[str, Any], overriding: Mapping[str, Any]
) -> list[GenerationRequest]:
    """Return the requests of one call: `prompt` ("-" = all of stdin), or one for each line of
    `file` ("-" = stdin), which is text or JSON objects of request fields.

    `shared` are defaults, `overriding` the values of flags. Raises InvalidRequestError (naming the
    line), or SdtuiError if the file can't be read.
    """
    if file is not None:
        requests = [
            _parse({**shared, **REQUEST_FIELDS.flat(values), **overriding}, where)
            for where, values in _lines(file)
        ]
        if not requests:
            raise InvalidRequestError([Problem("--from", str(file), f"{file} holds no prompts")])
        return requests
    given = {} if prompt is None else {"prompt": prompt_text(prompt)}
    return [GenerationRequest.parse({**shared, **overriding, **given})]


def prompt_text(argument: str) -> str:
    """Return the prompt that is meant by an argument: all of stdin by "-". Raises SdtuiError if it
    can't be read."""
    return "\n".join(split_lines(_read(_STDIN))).strip() if argument == "-" else argument


def _read(file: Path) -> str:
    name = "stdin" if file == _STDIN else str(file)
    try:
        return decode_text(sys.stdin.buffer.read() if file == _STDIN else file.read_bytes())
    except OSError as error:
        problem = f"the prompts in {name} can't be read: {error.strerror}"
        raise SdtuiError(problem, "Check the path") from error
    except UnreadableTextError as error:
        raise SdtuiError(f"the prompts in {name} can't be read: {error}", SAVE_AS_UTF8) from error


def _lines(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = _read(file)
    objects = _array(text)
    if objects is not None:
        yield from ((f"{file}, object {number}", each) for number, each in enumerate(objects, 1))
        return
    as_json = file.suffix.lower() in _JSON_LINES or _OBJECT.match(text) is not None
    for number, line in enumerate(split_lines(text), start=1):
        if line.strip():
            where = f"{file}, line {number}"
            yield where, _object(line, where) if as_json else {"prompt": line.strip()}


def _array(text: str) -> list[Mapping[str, Any]] | None:
    """Return the objects of a JSON array; None for another text, such as a prompt in brackets."""
    if not text.lstrip().startswith("["):
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    are_objects = isinstance(values, list) and all(isinstance(each, dict) for each in values)
    return values if are_objects else None


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _unusable(line, where, syntax_problem(error)) from error
    if not isinstance(value, dict):
        raise _unusable(line, where, "it is no object")
    return value


def _unusable(line: str, where: str, problem: str) -> InvalidRequestError:
    message = f"is not JSON that can be used: {problem}"
    return InvalidRequestError([Problem(where, line, message)])


def _parse(values: Mapping[str, Any], where: str) -> GenerationRequest:
    try:
        return GenerationRequest.parse(values)
    except InvalidRequestError as error:
        problems = [
            Problem(f"{where}: {problem.field}", problem.value, problem.message)
            for problem in error.problems
        ]
        raise InvalidRequestError(problems) from error
