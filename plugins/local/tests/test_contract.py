"""The ``local`` strategy keeps the contract of every strategy; its own promises stand beside."""

from __future__ import annotations

from ostiary.testing import StrategyContract


class TestLocal(StrategyContract):
    plugin = "local"
    good = {"username": "ann", "password": "correct horse battery staple"}
    other = {"username": "bob", "password": "staple battery horse correct"}
    wrong = {"password": "incorrect horse battery staple"}
    proof = {"currentPassword": "correct horse battery staple"}
