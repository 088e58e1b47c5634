"""A bounded memory of what was read: recently used values stay, the others go."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """Keeps at most ``capacity`` values in two generations.

    A value that is asked for moves to the young generation; when that is full it
    becomes the old one, and what nobody asked for meanwhile is gone. A hit costs
    one look into a dict, which a linked list of uses would not.

    :param on_forget: told of every value that is dropped, for being wrong or for age: who
        still holds it will not hear when it becomes wrong.
    """

    def __init__(self, capacity: int, on_forget: Callable[[V], None] = lambda _value: None) -> None:
        self._half = max(1, capacity // 2)
        self._on_forget = on_forget
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """Return a value, or None."""
        value = self._young.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember a value; another one that was remembered is dropped."""
        self.forget(key)
        if len(self._young) >= self._half:
            self._drop(self._old)
            self._old, self._young = self._young, {}
        self._young[key] = value

    def forget(self, key: K) -> None:
        """Drop a value that is no longer true."""
        for generation in (self._young, self._old):
            value = generation.pop(key, None)
            if value is not None:
                self._on_forget(value)

    def clear(self) -> None:
        """Drop everything."""
        self._drop(self._young)
        self._drop(self._old)
        self._young, self._old = {}, {}

    def _drop(self, generation: dict[K, V]) -> None:
        for value in generation.values():
            self._on_forget(value)
