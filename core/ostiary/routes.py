"""The tree of routes: a verb and a path give an action, or a page, and the arguments in the path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from ostiary import errors
from ostiary.actions import Route

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


class Routed(Protocol):
    """What has routes."""

    @property
    def routes(self) -> Sequence[Route]:
        """Where it is found."""


R = TypeVar("R", bound=Routed)


class _Node(Generic[R]):
    __slots__ = ("action", "placeholder", "statics")

    def __init__(self) -> None:
        self.statics: dict[str, _Node[R]] = {}
        self.placeholder: _Node[R] | None = None
        self.action: tuple[R, tuple[str, ...]] | None = None


class Routes(Generic[R]):
    """Finds actions by verb and path.

    Each verb has a tree of its own. A static segment beats a placeholder, and
    there is no way back: once a static branch is entered, a miss is a miss
    (contract, 2.2).
    """

    def __init__(self, actions: Iterable[R]) -> None:
        self._roots: dict[str, _Node[R]] = {verb: _Node() for verb in VERBS}
        self._plain: dict[tuple[str, bytes], tuple[R, dict[str, str]]] = {}
        for action in actions:
            for route in action.routes:
                self._add(route, action)

    def find(self, verb: str, raw_path: bytes) -> tuple[R, dict[str, str]]:
        """Return the action of a path as it stood in the request line, and its arguments.

        :raises errors.UnsupportedVerb: no route has this verb.
        :raises errors.UrlNotFound: no route has this path.
        :raises errors.HttpError: the path is not percent-encoded UTF-8.
        """
        plain = self._plain.get((verb, raw_path))
        if plain is not None:
            return plain[0], {}
        if verb not in VERBS:
            raise errors.UnsupportedVerb(verb)
        try:
            segments = [unquote_to_bytes(part).decode() for part in raw_path.split(b"/") if part]
        except UnicodeDecodeError:
            raise errors.HttpError("the path is not percent-encoded UTF-8") from None
        values: list[str] = []
        node: _Node[R] | None = self._roots[verb]
        for segment in segments:
            assert node is not None
            child = node.statics.get(segment)
            if child is None:
                child = node.placeholder
                values.append(segment)
            if child is None:
                raise errors.UrlNotFound(raw_path.decode("ascii", "replace"))
            node = child
        assert node is not None
        found = node.action
        if found is None:
            raise errors.UrlNotFound(raw_path.decode("ascii", "replace"))
        return found[0], dict(zip(found[1], values, strict=True))

    def _add(self, route: Route, action: R) -> None:
        node = self._roots[route.verb]
        for segment in filter(None, route.path.split("/")):
            if segment.startswith("{"):
                node.placeholder = node.placeholder or _Node()
                node = node.placeholder
            else:
                node = node.statics.setdefault(segment, _Node())
        if node.action is not None:
            raise ValueError(f"route {route.verb} {route.path} is declared twice")
        node.action = (action, tuple(route.names))
        if not route.names:
            self._plain[route.verb, route.path.encode()] = (action, {})
