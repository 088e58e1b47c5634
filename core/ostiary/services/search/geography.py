"""The filters of Koncorde on points of the earth, and the notations that it has for them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from ostiary.filters import Box, Filter, Polygon, Ring
from ostiary.services.search import reading
from ostiary.services.search.reading import Budget, Malformed

Point = tuple[float, float]
"""Latitude and longitude, in degrees."""

MOST_POINTS = 64
BASE32 = "0123456789bcdefghjkmnpqrstuvwxyz"
GEOHASH = re.compile(f"[{BASE32}]{{1,12}}")
PAIR = re.compile(r" *(-?\d{1,3}(?:\.\d{1,20})?) *, *(-?\d{1,3}(?:\.\d{1,20})?) *")
DISTANCE = re.compile(r" *(\d{1,3}(?:[ ,]\d{3})+|\d{1,12})(\.\d{1,12})? *([a-z]*) *", re.IGNORECASE)
METRES = {
    name: size
    for size, names in (
        (1.0, "m meter meters metre metres"),
        (1000.0, "km kilometer kilometers kilometre kilometres"),
        (0.01, "cm centimeter centimeters centimetre centimetres"),
        (0.001, "mm millimeter millimeters millimetre millimetres"),
        (1609.344, "mi mile miles"),
        (0.9144, "yd yard yards"),
        (0.3048, "ft foot feet"),
        (0.0254, "in inch inches"),
        (1852.0, "nmi nauticalmile nauticalmiles"),
    )
    for name in names.split()
} | {"": 1.0}


def box(value: Any, _budget: Budget) -> Filter:
    """Read ``geoBoundingBox``: four sides, or two opposite corners."""
    name, given = reading.single("geoBoundingBox", value)
    sides = reading.mapping("geoBoundingBox", given)
    for north_west, south_east in (("topLeft", "bottomRight"), ("top_left", "bottom_right")):
        if sides.keys() == {north_west, south_east}:
            top, left = point(f"geoBoundingBox.{north_west}", sides[north_west])
            bottom, right = point(f"geoBoundingBox.{south_east}", sides[south_east])
            break
    else:
        top, left, bottom, right = (
            reading.number(f"geoBoundingBox.{side}", sides.get(side))
            for side in ("top", "left", "bottom", "right")
        )
    return Box(reading.path("geoBoundingBox", name), top, left, bottom, right)


def distance(value: Any, _budget: Budget) -> Filter:
    """Read ``geoDistance``: a centre, and how far from it at most."""
    return _ring("geoDistance", value, lambda told: (0.0, metres("distance", told.get("distance"))))


def distance_range(value: Any, _budget: Budget) -> Filter:
    """Read ``geoDistanceRange``: a centre, and how far from it at least and at most."""
    return _ring(
        "geoDistanceRange",
        value,
        lambda told: (metres("from", told.get("from")), metres("to", told.get("to"))),
    )


def polygon(value: Any, budget: Budget) -> Filter:
    """Read ``geoPolygon``: the corners."""
    name, given = reading.single("geoPolygon", value)
    points = reading.mapping("geoPolygon", given).get("points")
    if not isinstance(points, list) or not 3 <= len(points) <= MOST_POINTS:  # noqa: PLR2004
        raise Malformed("geoPolygon.points", f"from 3 to {MOST_POINTS} points")
    for _ in points:
        budget.clause()
    corners = tuple(point("geoPolygon.points", one) for one in points)
    return Polygon(reading.path("geoPolygon", name), corners)


def point(where: str, value: Any) -> Point:
    """Return a point, in any notation of it."""
    match value:
        case {"lat": latitude, "lon": longitude} if len(value) == 2:  # noqa: PLR2004
            pass
        case {"latLon": inner} | {"lat_lon": inner} if len(value) == 1:
            return point(where, inner)
        case [latitude, longitude]:
            pass
        case str():
            return _written(where, value)
        case _:
            raise Malformed(where, "a point")
    return _on_earth(where, reading.number(where, latitude), reading.number(where, longitude))


def metres(where: str, value: Any) -> float:
    """Return a distance: a number of metres, or a text that may name its unit."""
    if isinstance(value, str):
        written = DISTANCE.fullmatch(value)
        unit = METRES.get(written[3].lower()) if written else None
        if written is None or unit is None:
            raise Malformed(where, "a distance, such as 1.5 km")
        whole = re.sub("[ ,]", "", written[1])
        return float(whole + (written[2] or "")) * unit
    length = reading.number(where, value)
    if length < 0:
        raise Malformed(where, "a distance that is not negative")
    return length


def _ring(where: str, value: Any, lengths: Callable[[Mapping[str, Any]], Point]) -> Filter:
    told = dict(reading.mapping(where, value))
    least, most = lengths(told)
    for name in ("distance", "from", "to"):
        told.pop(name, None)
    name, centre = reading.single(where, told)
    latitude, longitude = point(where, centre)
    return Ring(reading.path(where, name), latitude, longitude, least, most)


def _written(where: str, value: str) -> Point:
    if pair := PAIR.fullmatch(value):
        return _on_earth(where, float(pair[1]), float(pair[2]))
    if GEOHASH.fullmatch(value):
        return _from_geohash(value)
    raise Malformed(where, "a point: latitude, longitude; or a geohash")


def _on_earth(where: str, latitude: float, longitude: float) -> Point:
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # noqa: PLR2004
        raise Malformed(where, "a latitude and a longitude, in degrees")
    return latitude, longitude


def _from_geohash(value: str) -> Point:
    """Return the middle of the cell that a geohash names: its bits halve longitude and latitude."""
    cells = [[-180.0, 180.0], [-90.0, 90.0]]
    bits = (BASE32.index(letter) >> shift & 1 for letter in value for shift in (4, 3, 2, 1, 0))
    for turn, bit in enumerate(bits):
        cell = cells[turn % 2]
        cell[1 - bit] = math.fsum(cell) / 2
    longitude, latitude = (math.fsum(cell) / 2 for cell in cells)
    return latitude, longitude
