"""The configuration written out: configs/default.yaml and configs/schema.json.

``python -m heliopolis.config_reference configs`` writes both.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from heliopolis.config import Config, schema_text
from heliopolis.io.atomic import write_text

_HEAD = """\
# Every key of a configuration, with its default. Written by heliopolis.config_reference.
# Keys marked (required) have no default. A whole section that is left out keeps its defaults;
# `thermal` switches the heat half on, `elevation` the solar half.
# Paths are relative to the folder of the configuration; globs are allowed where a list is.
"""


def default_text() -> str:
    """All keys, commented, as YAML."""
    return _HEAD + "\n" + "\n".join(_lines(Config, 0)) + "\n"


def _lines(model: type[BaseModel], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for name, field in model.model_fields.items():
        section, listed = _section(field.annotation)
        note = " ".join(filter(None, [field.description, _limits(field)]))
        if section is None:
            yield f"{pad}{name}: {_value(field)}" + (f"  # {note}" if note else "")
            continue
        about = (section.__doc__ or "").strip().splitlines()[0]
        optional = "" if field.is_required() else " (may be left out)"
        yield f"{pad}# {about}{optional}"
        yield f"{pad}{name}:"
        inner = list(_lines(section, depth + (2 if listed else 1)))
        if listed:
            first = next(i for i, line in enumerate(inner) if not line.lstrip().startswith("#"))
            inner[first] = f"{pad}  - {inner[first].strip()}"
        yield from inner
        if depth == 0:
            yield ""


def _section(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section behind an annotation, and whether there is a list of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType, tuple):
        for part in typing.get_args(annotation):
            found, listed = _section(part)
            if found is not None:
                return found, listed or origin is tuple
    return None, False


def _value(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    value = field.get_default(call_default_factory=True)
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("...").strip()


def _limits(field: FieldInfo) -> str:
    if typing.get_origin(field.annotation) is typing.Literal:
        return "One of: " + ", ".join(map(str, typing.get_args(field.annotation)))
    return ""


def main(folder: Path) -> None:
    """Write both files into ``folder``."""
    write_text(folder / "default.yaml", default_text())
    write_text(folder / "schema.json", schema_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
