"""My account: who I am, how I prove it, where I am signed in, and what lets programs in."""

from __future__ import annotations

from ostiary.pages.account import (
    adding,
    changing,
    credentials,
    keys,
    profile,
    removing,
    sessions,
    sign_ins,
    verifying,
)

MODULES = (profile, credentials, adding, changing, verifying, removing, sessions, keys, sign_ins)
