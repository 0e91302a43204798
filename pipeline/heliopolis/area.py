"""The study area: a name and a boundary."""

from __future__ import annotations

import re
from dataclasses import dataclass

from odc.geo import CRS, Geometry

from heliopolis.errors import ConfigError, GridError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


def safe_name(name: str, what: str = "name") -> str:
    """Return ``name`` if it can safely be part of a path, else raise.

    Identifiers come from catalogs and tables that heliopolis does not control; none of them
    may climb out of the results folder.

    >>> safe_name("LC09_L2SP_197024_20240625")
    'LC09_L2SP_197024_20240625'
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise ConfigError(
            f"{what} {name[:100]!r} cannot be used in a path",
            remedy="Use letters, digits, '_', '-' and '.', beginning with a letter or a digit",
        )
    return name


@dataclass(frozen=True)
class StudyArea:
    """A named area of interest.

    Attributes
    ----------
    name
        Used as the name of the results folder.
    boundary
        Polygon or multipolygon with its coordinate reference system.
    """

    name: str
    boundary: Geometry

    def __post_init__(self) -> None:
        safe_name(self.name, "area name")
        if self.boundary.crs is None:
            raise GridError(
                "the boundary of the study area has no coordinate reference system",
                where=self.name,
                remedy="Give area.crs, or a boundary file that carries its CRS",
            )
        if self.boundary.is_empty or not self.boundary.area > 0:
            raise GridError(
                "the study area is empty",
                where=self.name,
                remedy="Check area.bbox (west, south, east, north) or the boundary file",
            )

    def to_crs(self, crs: CRS | str) -> Geometry:
        """Boundary in another CRS, densified so that long edges stay true."""
        return self.boundary.to_crs(crs, resolution="auto", wrapdateline=False)
