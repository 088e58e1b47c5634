"""The ``index`` controller: names of indexes, which profiles may be restricted to."""

from __future__ import annotations

from typing import Annotated

from ostiary import errors
from ostiary.actions import GET, POST, Controller
from ostiary.services import Services

index = Controller("index")

Index = Annotated[str, "The name of the index."]
NAMING = [errors.InvalidArgument, errors.SearchAsAnId]
"""What a name that is declared can end with."""


@index.action(GET("/{index}/_exists"))
async def exists(services: Services, index: Index) -> bool:
    """Tell whether an index was declared."""
    return await services.places.known(index)


@index.action(POST("/{index}/_create"), raises=NAMING)
async def create(services: Services, index: Index) -> None:
    """Declare an index. Nothing is kept in it: profiles with ``strict`` need its name."""
    await services.places.declare(index)
