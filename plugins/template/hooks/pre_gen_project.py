"""Refuses, before anything is written, what cannot become a plugin."""

import json
import keyword
import re
import sys

# JSON between single quotes: what was typed may hold any quote, brace and backslash.
ANSWERS = json.loads(r'{{ {"name": cookiecutter.name, "author": cookiecutter.author, "description": cookiecutter.description} | tojson }}')
SLUG = json.loads(r'{{ cookiecutter.__slug | tojson }}')
# The name of a plugin names its store, its roles on PostgreSQL and its table of settings.
WANTED = re.compile(r"[a-z][a-z0-9_]{0,30}")
TAKEN = {
    "core": "the server's own store has that name",
    "local": "it is the plugin for passwords",
    "oauth": "it is the plugin for other providers",
    "migrations": "ostiary_migrations is a package of the server",
    "migrator": "a role of the server has that name on PostgreSQL",
}


def faults():
    """Yield what is wrong with the answers."""
    for question, answer in ANSWERS.items():
        if not answer.strip():
            yield f"The {question} is empty."
        elif not answer.isprintable():
            yield f"The {question} holds a character that cannot be printed: {answer!r}."
    if len(ANSWERS["name"]) > 60:
        yield "The name is longer than 60 characters."
    if not WANTED.fullmatch(SLUG):
        yield (
            f"The name would make a plugin called {SLUG!r}, which must begin with a letter from a "
            "to z and have at most 31 characters."
        )
    elif SLUG in TAKEN:
        yield f"A plugin cannot be called {SLUG!r}: {TAKEN[SLUG]}."
    elif SLUG.endswith("_owner"):
        yield f"A plugin cannot be called {SLUG!r}: roles on PostgreSQL end so."
    elif keyword.iskeyword(SLUG):
        yield f"A plugin cannot be called {SLUG!r}: it is a keyword of Python."


found = list(faults())
print(*found, sep="\n", file=sys.stderr)
sys.exit(1 if found else 0)
