"""Making a kuid: words that people can tell apart, or a UUID."""

from __future__ import annotations

import secrets
import unicodedata
import uuid

from ostiary import errors

ADJECTIVES = (
    "amber", "brave", "brisk", "calm", "clever", "copper", "coral", "crisp", "dapper", "early",
    "eager", "fair", "fleet", "gentle", "glad", "golden", "grand", "happy", "hardy", "hidden",
    "honest", "jolly", "keen", "kind", "lively", "lucky", "mellow", "merry", "mild", "modest",
    "noble", "patient", "plucky", "polite", "proud", "quick", "quiet", "ready", "rosy", "shiny",
    "silent", "silver", "sincere", "smart", "snowy", "steady", "sunny", "swift", "tidy", "vivid",
)  # fmt: skip
ANIMALS = (
    "badger", "beaver", "bison", "bobcat", "camel", "cheetah", "condor", "cormorant", "crane",
    "curlew", "dingo", "dolphin", "donkey", "eagle", "egret", "falcon", "ferret", "finch", "fox",
    "gazelle", "gecko", "gibbon", "heron", "hornbill", "ibex", "ibis", "jackal", "jaguar", "kestrel",
    "koala", "lemur", "lynx", "magpie", "marmot", "marten", "mongoose", "narwhal", "ocelot",
    "oriole", "osprey", "otter", "panda", "pelican", "penguin", "plover", "puffin", "raven", "robin",
    "seal", "stoat", "stork", "swan", "tapir", "tern", "toucan", "walrus", "weasel", "wombat",
)  # fmt: skip

LONGEST = 512
"""Bytes that an id may have: it travels in every token."""

NOBODY = ("-1", "anonymous")
"""What the API calls who has not signed in: no user can be called so."""

PATHS = ("_create", "_createRestricted", "_mDelete", "_mGet", "_mapping", "_me", "_scroll")
"""What stands in the paths of routes where ids stand in others."""

TROUBLESOME = frozenset(">?~")
ESCAPED = 6
"""Bytes of a character that stands escaped in a token (decision 13)."""

UNACCEPTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that show nothing, or turn others round."""


def make_kuid(form: str | None = None) -> str:
    """Return a new kuid: ``kuid-<adjective>-<animal>-<number>``, or with ``uuid`` a UUID.

    Only the second form is certain to be free; the first is tried against the store.
    """
    if form == "uuid":
        return f"kuid-{uuid.uuid4()}"
    adjective, animal = secrets.choice(ADJECTIVES), secrets.choice(ANIMALS)
    return f"kuid-{adjective}-{animal}-{secrets.randbelow(100_000)}"


def check_kuid(kuid: str) -> str:
    """Return a kuid that a client chose, if a user can be called so.

    :raises errors.UserAlreadyExists: it stands for who has not signed in.
    """
    if kuid in NOBODY:
        raise errors.UserAlreadyExists(kuid)
    return check_id(kuid)


def check_id(id: str, name: str = "_id") -> str:
    """Return an id that a client chose, if one can read and delete it by its URL later.

    :raises errors.InvalidArgument: it is too long, a step or a word of paths, or holds control
        characters.
    """
    if id == "_search":
        raise errors.SearchAsAnId
    if id in (".", "..", *PATHS) or not _plain(id) or _length(id) > LONGEST:
        raise errors.InvalidArgument(
            name,
            f"at most {LONGEST} bytes without control or invisible characters or white space "
            "around them, no word of paths",
        )
    return id


def _plain(id: str) -> bool:
    """Tell whether an id shows what it is: two that differ look different, or nearly so."""
    return id == id.strip() and not any(unicodedata.category(one) in UNACCEPTABLE for one in id)


def _length(id: str) -> int:
    """Return the bytes of an id, or if it is much longer a fifth of its escaped form.

    Tokens hold the escaped form, and have 4096 characters at most.
    """
    escaped = sum(ESCAPED for character in id if character in TROUBLESOME or character > "\x7f")
    return max(len(id.encode()), escaped // 5)
