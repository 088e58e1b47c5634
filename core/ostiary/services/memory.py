"""A bounded memory of what was read: recently used values stay, the others go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """Keeps values up to a weight; the one that was not asked for the longest goes first.

    :param capacity: what the values may weigh together; one that is heavier is kept alone.
    :param weigh: tells what a value weighs, always the same; by default 1.
    :param on_forget: told of every value that is dropped, for being wrong or for age: who
        still holds it will not hear when it becomes wrong.
    """

    def __init__(
        self,
        capacity: int,
        weigh: Callable[[V], int] = lambda _value: 1,
        on_forget: Callable[[V], None] = lambda _value: None,
    ) -> None:
        self._capacity, self._weigh, self._on_forget = capacity, weigh, on_forget
        self._values: OrderedDict[K, V] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return a value, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember a value; those that there is no room for any more are dropped."""
        self.forget(key)
        weight = self._weigh(value)
        while self._values and self.weight + weight > self._capacity:
            self._drop(self._values.popitem(last=False)[1])
        self._values[key] = value
        self.weight += weight

    def forget(self, key: K) -> None:
        """Drop a value that is no longer true."""
        value = self._values.pop(key, None)
        if value is not None:
            self._drop(value)

    def clear(self) -> None:
        """Drop everything."""
        dropped, self._values, self.weight = self._values, OrderedDict(), 0
        for value in dropped.values():
            self._on_forget(value)

    def _drop(self, value: V) -> None:
        self.weight -= self._weigh(value)
        self._on_forget(value)
