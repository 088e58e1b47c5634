"""Many documents in one request: reading their ids, fetching all, deleting each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

from ostiary import errors
from ostiary.request import Reply
from ostiary.services import Services

DELETING = [errors.WriteLimitExceeded, errors.IncompleteDelete]
"""What deleting many can end with."""

EXPECTED = (
    errors.BadRequestError,
    errors.ForbiddenError,
    errors.NotFoundError,
    errors.PreconditionError,
)
"""What may keep one document from being deleted, and not the others."""


class Ids(TypedDict):
    """The body of a request about many documents."""

    ids: Annotated[list[str], "The ids."]


def wanted(services: Services, ids: list[Any], name: str = "body.ids") -> list[str]:
    """Return the ids of documents to read, each once.

    :raises errors.GetLimitExceeded: there are more than ``limits.documentsFetchCount``.
    """
    texts = _texts(ids, name)
    if len(texts) > services.documents_fetch_count:
        raise errors.GetLimitExceeded
    return texts


async def delete_each(
    services: Services, ids: list[Any], delete: Callable[[str], Awaitable[None]]
) -> list[str] | Reply:
    """Delete what can be deleted; the answer tells what was, and why the rest was not.

    :raises errors.WriteLimitExceeded: there are more than ``limits.documentsWriteCount``.
    """
    texts = _texts(ids, "body.ids")
    if len(texts) > services.documents_write_count:
        raise errors.WriteLimitExceeded
    deleted, failures = [], []
    for id in texts:
        try:
            await delete(id)
        except EXPECTED as error:
            failures.append(error.to_json())
        else:
            deleted.append(id)
    if not failures:
        return deleted
    partial = errors.IncompleteDelete(errors=failures, count=len(failures))
    return Reply(deleted, status=partial.status, error=partial)


def _texts(ids: list[Any], name: str) -> list[str]:
    if not all(isinstance(id, str) for id in ids):
        raise errors.InvalidType(name, "array of strings")
    return list(dict.fromkeys(ids))
