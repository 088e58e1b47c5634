"""Points of the earth in SQL: within a box, a ring or a polygon."""

from __future__ import annotations

import math

from sqlalchemy import ColumnElement, Float, and_, case, cast, func, literal, or_

from ostiary.filters import Box, Polygon, Ring

RADIUS = 6_371_008.8
"""Mean radius of the earth, in metres."""

Degrees = ColumnElement[float]


def lies(where: Box | Ring | Polygon, latitude: Degrees, longitude: Degrees) -> ColumnElement[bool]:
    """Return whether a point lies there."""
    match where:
        case Box():
            return _in_box(where, latitude, longitude)
        case Ring():
            return _in_ring(where, latitude, longitude)
        case Polygon():
            return _in_polygon(where, latitude, longitude)


def _in_box(box: Box, latitude: Degrees, longitude: Degrees) -> ColumnElement[bool]:
    east_of, west_of = longitude >= box.left, longitude <= box.right
    # A box may lie across the 180th meridian.
    beside = and_(east_of, west_of) if box.left <= box.right else or_(east_of, west_of)
    return and_(latitude.between(box.bottom, box.top), beside)


def _in_ring(ring: Ring, latitude: Degrees, longitude: Degrees) -> ColumnElement[bool]:
    """Compare haversines: they grow with the distance, and need neither roots nor arcs."""
    turn = math.pi / 180
    north = func.sin((latitude - ring.latitude) * (turn / 2))
    east = func.sin((longitude - ring.longitude) * (turn / 2))
    along = math.cos(ring.latitude * turn)
    between = north * north + along * func.cos(latitude * turn) * east * east
    return cast(between, Float).between(_haversine(ring.least), _haversine(ring.most))


def _haversine(metres: float) -> float:
    if metres <= 0:
        return 0.0
    half = metres / (2 * RADIUS)
    return 2.0 if half >= math.pi / 2 else math.sin(half) ** 2


def _in_polygon(polygon: Polygon, latitude: Degrees, longitude: Degrees) -> ColumnElement[bool]:
    """Count the edges to the east of the point: an odd number has it inside."""
    crossed: ColumnElement[int] = literal(0)
    points = polygon.points
    for (lat, lon), (next_lat, next_lon) in zip(points, points[1:] + points[:1], strict=True):
        if lat == next_lat:
            continue
        slope = (next_lon - lon) / (next_lat - lat)
        spans = (latitude >= min(lat, next_lat)) & (latitude < max(lat, next_lat))
        east = longitude < lon + (latitude - lat) * slope
        crossed = crossed + case((and_(spans, east), 1), else_=0)
    return crossed % 2 == 1
