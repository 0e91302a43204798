"""What is asked of every file from outside: sizes, depths, and an error that names the file."""

from __future__ import annotations

import functools
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from xml.etree import ElementTree

import yaml
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from shapely.errors import ShapelyError

from heliopolis.documents import DEEPEST
from heliopolis.errors import HeliopolisError, InputError

P = ParamSpec("P")
R = TypeVar("R")

#: Largest file that is parsed as a whole [bytes]: text, JSON, XML.
LARGEST_TEXT = 200_000_000
LARGEST_XML = 50_000_000
#: Unpacked size of an archive or of compressed text, and how much more than the packed one.
LARGEST_UNPACKED = 20_000_000_000
LARGEST_RATIO = 1000
#: Characters of a line of a table.
LONGEST_LINE = 100_000
#: Cells of a raster that is read onto a grid, and vertices of one polygon.
MOST_CELLS = 4_000_000_000
MOST_VERTICES = 1_000_000
#: What third-party readers raise on files that are not what they claim to be.
MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    CPLE_BaseError,
    EOFError,
    ElementTree.ParseError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RasterioError,
    RuntimeError,
    TypeError,
    ShapelyError,
    ValueError,
    struct.error,
    yaml.YAMLError,
    zlib.error,
)


@contextmanager
def reading(what: str, where: object) -> Iterator[None]:
    """Turn whatever a reader stumbles over into an `InputError` that names the file."""
    try:
        yield
    except HeliopolisError:
        raise
    except MALFORMED as error:
        text = " ".join(str(error).split())[:300]
        raise InputError(
            f"{what} cannot be read: it is damaged, or is not what it claims to be",
            where=str(where),
            remedy=f"Copy or download the file again. The reader says: {type(error).__name__}"
            + (f": {text}" if text else ""),
        ) from error


def guarded(what: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`reading` around a function whose first argument is a path, or a sequence of paths."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def guard(*args: P.args, **kwargs: P.kwargs) -> R:
            first = args[0] if args else next(iter(kwargs.values()), "")
            where = first if isinstance(first, str | Path) else _names(first)
            with reading(what, where):
                return function(*args, **kwargs)

        return guard

    return wrap


def _names(found: object) -> str:
    values = found.values() if isinstance(found, dict) else found
    listed = list(values) if isinstance(values, list | tuple) or hasattr(values, "__iter__") else []
    return ", ".join(str(one) for one in listed[:3])


def small_text(path: Path, limit: int = LARGEST_TEXT, *, what: str = "the file") -> str:
    """Text of a file that is not larger than ``limit`` [bytes], as UTF-8."""
    with reading(what, path):
        size = path.stat().st_size
        if size > limit:
            raise too_large(what, path, f"{size / 1e6:.0f} MB", f"{limit / 1e6:.0f} MB")
        return path.read_text(encoding="utf-8-sig")


def too_large(what: str, where: object, found: str, limit: str) -> InputError:
    """Error that a file goes beyond a limit."""
    return InputError(
        f"{what} has {found}, which is beyond the limit of {limit}",
        where=str(where),
        remedy="Check that it is the right file; cut it to the study area if it is",
    )


def parse_json(text: str, where: object, *, what: str = "the JSON file") -> Any:
    """Value of a JSON text; `InputError` where it is no JSON, or deeper than `DEEPEST`."""
    with reading(what, where):
        check_depth(text, where, what)
        return json.loads(text)


def check_depth(text: str, where: object, what: str) -> None:
    """Refuse brackets that are nested deeper than `DEEPEST`; brackets in strings do not count."""
    depth, inside, escaped = 0, False, False
    for mark in text:
        if inside:
            if escaped:
                escaped = False
            elif mark == "\\":
                escaped = True
            elif mark == '"':
                inside = False
        elif mark == '"':
            inside = True
        elif mark in "[{":
            depth += 1
            if depth > DEEPEST:
                raise too_large(what, where, f"more than {DEEPEST} levels", f"{DEEPEST} levels")
        elif mark in "]}":
            depth -= 1


def parse_xml(path: Path, *, what: str = "the XML file") -> ElementTree.Element:
    """Root of an XML file; refuses document types, and with them entities of any kind."""
    text = small_text(path, LARGEST_XML, what=what)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(
            f"{what} declares a document type, which no product does",
            where=str(path),
            remedy="Take the file from the provider's archive",
        )
    with reading(what, path):
        return ElementTree.fromstring(text)
