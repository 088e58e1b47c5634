"""Metrics: what is counted is asked for anew each time, what nobody counts is 0."""

from __future__ import annotations

from functools import partial
from typing import get_args

from ostiary.services.metrics import Metrics, What


def test_a_count_is_asked_for_when_somebody_reads() -> None:
    metrics, running = Metrics(), [1]
    metrics.measure("requests", lambda: len(running))
    assert metrics.read()["api"] == {"concurrentRequests": 1, "pendingRequests": 0}
    running.append(2)
    assert metrics.read()["api"]["concurrentRequests"] == 2


def test_every_count_stands_where_clients_of_kuzzle_read_it() -> None:
    metrics = Metrics()
    for number, what in enumerate(get_args(What), 1):
        metrics.measure(what, partial(int, number))
    assert metrics.read() == {
        "api": {"concurrentRequests": 1, "pendingRequests": 2},
        "network": {"connections": {"http": 3, "websocket": 4}},
        "realtime": {"rooms": 5, "subscriptions": 6},
    }
