"""The body of a request: the fields of a GenerationRequest, with pictures in place of paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import RootModel, TypeAdapter, model_validator

from sdtui.core.fields import Field
from sdtui.requests.request import REQUEST_FIELDS, GenerationRequest
from sdtui.requests.validation import validate_fields

_MOST_FIELDS = 100
WEBHOOK = "webhook_url"
ABOUT_WEBHOOK = "An http or https URL to which a POST says that this has ended."
_WEBHOOK = {"type": "string", "description": ABOUT_WEBHOOK}
_PRESET = {"type": "string", "description": "A preset, whose values the fields override."}


class GenerateBody(RootModel[dict[str, Any]]):
    """What to make. Fields that are left open take the server's or the model's own values.

    The values are checked where a request is made of them.
    """

    @model_validator(mode="before")
    @classmethod
    def _few(cls, values: Any) -> Any:
        """Refuse bodies with too many fields, since each unknown one is an error of its own."""
        if isinstance(values, dict) and len(values) > _MOST_FIELDS:
            raise ValueError(f"has {len(values)} fields; there are {len(REQUEST_FIELDS)}")
        return values

    def num_images_per_prompt(self) -> int:
        """Return the number of requested pictures. Raises InvalidRequestError."""
        name = "num_images_per_prompt"
        default = REQUEST_FIELDS[name].default
        count: int = validate_fields(REQUEST_FIELDS, {name: self.root.get(name, default)})[name]
        return count

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic: the schema of a GenerationRequest; the names of version 0.1, which
        has no sections, are deprecated."""
        whole = request_schema(GenerationRequest)
        properties: dict[str, Any] = whole["properties"]
        flat = {}
        for name, field in REQUEST_FIELDS.items():
            parent = properties[field.section] if field.section else {"properties": properties}
            options = [parent, *parent.get("anyOf", ())]
            shape = next(each["properties"] for each in options if "properties" in each)
            place = shape[field.path[-1]]
            _send_files(place, field)
            if field.section:
                flat[name] = {**place, "deprecated": True}
        return {
            **whole,
            "title": cls.__name__,
            "description": "What to make.",
            "examples": [{"prompt": "a red apple", "seed": 42}],
            "properties": {"preset": _PRESET, **properties, **flat},
        }


class JobBody(GenerateBody):
    """What to make, and the URL to notify of its end."""

    @property
    def request(self) -> dict[str, Any]:
        """The values of the request."""
        return {name: value for name, value in self.root.items() if name != WEBHOOK}

    @property
    def webhook_url(self) -> str | None:
        """The URL to notify."""
        return self.root.get(WEBHOOK)

    @model_validator(mode="before")
    @classmethod
    def _url_is_text(cls, values: Any) -> Any:
        if isinstance(values, dict) and not isinstance(values.get(WEBHOOK), str | None):
            raise ValueError(f"{WEBHOOK} must be a text")
        return values

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic."""
        whole = super().__get_pydantic_json_schema__(schema, handler)
        return {**whole, "properties": {WEBHOOK: _WEBHOOK, **whole["properties"]}}


def request_schema(kind: type) -> dict[str, Any]:
    """Return the JSON schema of a request's class, without references."""
    whole = TypeAdapter(kind).json_schema()
    resolved: dict[str, Any] = _resolved(whole, whole.pop("$defs", {}))
    return resolved


def _send_files(schema: dict[str, Any], field: Field) -> None:
    """Have the schema of a file field say that the file itself is sent."""
    if field.is_file:
        file = schema["items"] if field.is_list else schema
        file.pop("format", None)
        file["contentEncoding"] = "base64"
        schema["description"] += " As base64 or a data URL."
    for item in field.items:
        _send_files(schema["items"]["properties"][item.name], item)


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema with the definitions in place of the references to them."""
    if isinstance(schema, list):
        return [_resolved(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    target = definitions.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    merged = {**target, **{name: each for name, each in schema.items() if name != "$ref"}}
    return {name: _resolved(each, definitions) for name, each in merged.items()}
