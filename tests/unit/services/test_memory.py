"""The bounded memory: it never grows past its capacity, and nobody holds a value unawares."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ostiary.services.memory import Memory


class Value:
    dropped = False

    def __init__(self, weight: int = 1) -> None:
        self.weight = weight


def drop(value: Value) -> None:
    value.dropped = True


def test_what_is_put_is_found_until_it_is_forgotten() -> None:
    memory: Memory[str, str] = Memory(10)
    memory.put("a", "1")
    assert memory.get("a") == "1"
    memory.put("a", "2")
    assert memory.get("a") == "2"
    memory.forget("a")
    assert memory.get("a") is None
    memory.forget("a")


def test_what_is_asked_for_stays_and_the_rest_goes() -> None:
    memory: Memory[str, str] = Memory(10)
    memory.put("hot", "!")
    for number in range(100):
        memory.put(str(number), "?")
        assert memory.get("hot") == "!"
    assert memory.get("0") is None


def test_clearing_drops_everything() -> None:
    memory: Memory[int, Value] = Memory(4, on_forget=drop)
    values = [Value() for _ in range(4)]
    for number, value in enumerate(values):
        memory.put(number, value)
    memory.clear()
    assert len(memory) == memory.weight == 0
    assert all(value.dropped for value in values)


def test_who_goes_round_through_as_much_as_there_is_room_for_finds_all_of_it() -> None:
    memory: Memory[int, str] = Memory(10)
    for number in range(10):
        memory.put(number, "!")
    for number in [*range(10), *range(10)]:
        assert memory.get(number) == "!"


def test_one_that_is_too_heavy_is_kept_alone() -> None:
    memory: Memory[int, Value] = Memory(10, lambda value: value.weight)
    for number in range(5):
        memory.put(number, Value(2))
    memory.put(5, Value(100))
    assert (len(memory), memory.weight) == (1, 100)
    memory.put(6, Value(2))
    assert (len(memory), memory.weight) == (1, 2)


@given(
    capacity=st.integers(1, 16),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "get", "forget", "clear"]), st.integers(0, 9), st.integers(1, 5)
        )
    ),
)
def test_it_is_bounded_and_holds_exactly_what_it_has_not_dropped(
    capacity: int, steps: list[tuple[str, int, int]]
) -> None:
    memory: Memory[int, Value] = Memory(capacity, lambda value: value.weight, drop)
    newest: dict[int, Value] = {}
    everything: list[Value] = []
    for step, key, weight in steps:
        if step == "put":
            newest[key] = Value(weight)
            everything.append(newest[key])
            memory.put(key, newest[key])
        elif step == "forget":
            memory.forget(key)
        elif step == "clear":
            memory.clear()
        found = memory.get(key)
        assert found is None or found is newest[key]
        kept = [value for key in newest if (value := memory.get(key)) is not None]
        assert memory.weight == sum(value.weight for value in kept)
        assert memory.weight <= capacity or len(memory) == 1
        assert {id(value) for value in kept} == {
            id(value) for value in everything if not value.dropped
        }
