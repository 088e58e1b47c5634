"""Every promise of hooks and stores, in the order in which they are asked."""

from __future__ import annotations

from ostiary.testing.promise import Promise
from ostiary.testing.promises.crash import crash
from ostiary.testing.promises.forms import forms, own_names
from ostiary.testing.promises.hostile import hostile
from ostiary.testing.promises.life import absence, deletion, old_secret, partial, proof, update
from ostiary.testing.promises.loading import loads
from ostiary.testing.promises.logins import answers, login, work
from ostiary.testing.promises.races import uniqueness, validation
from ostiary.testing.promises.secrecy import secret_store, secret_told, secret_views
from ostiary.testing.promises.tables import drift, expansion, upgrade
from ostiary.testing.promises.views import agreement, views

PROMISES: tuple[Promise, ...] = (
    loads,
    login,
    answers,
    work,
    forms,
    own_names,
    uniqueness,
    validation,
    update,
    partial,
    old_secret,
    proof,
    deletion,
    absence,
    views,
    agreement,
    secret_views,
    secret_told,
    secret_store,
    hostile,
    crash,
    drift,
    upgrade,
    expansion,
)
NAMES = tuple(one.name for one in PROMISES)
