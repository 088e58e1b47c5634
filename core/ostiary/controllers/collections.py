"""The ``collection`` controller: names of collections, which profiles may be restricted to."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from ostiary.actions import GET, PUT, Controller
from ostiary.controllers.indexes import NAMING, Index
from ostiary.services import Services

collection = Controller("collection")

Name = Annotated[str, "The name of the collection."]


class NewCollection(TypedDict):
    """The body of ``collection:create``."""

    mappings: NotRequired[Annotated[dict[str, Any], "Not kept: there are no documents here."]]


@collection.action(GET("/{index}/{collection}/_exists"))
async def exists(services: Services, index: Index, collection: Name) -> bool:
    """Tell whether a collection was declared."""
    return await services.places.known(index, collection)


@collection.action(PUT("/{index}/{collection}"), raises=NAMING)
async def create(
    services: Services, index: Index, collection: Name, body: NewCollection | None = None
) -> dict[str, bool]:
    """Declare a collection, and its index. Nothing is kept in it."""
    await services.places.declare(index, collection)
    return {"acknowledged": True}
