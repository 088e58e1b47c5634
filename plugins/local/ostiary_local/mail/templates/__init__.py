"""The texts of mail: for each kind and language one in plain text, and one in HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

KINDS: dict[str, frozenset[str]] = {
    "reset": frozenset({"service", "link", "minutes"}),
    "verify": frozenset({"service", "link", "hours", "account", "time", "address", "agent"}),
    "password-changed": frozenset({"service", "time", "address", "agent"}),
    "names-changed": frozenset({"service", "time", "address", "agent"}),
    "password-administered": frozenset({"service", "time"}),
    "names-administered": frozenset({"service", "time"}),
}
"""The kinds of mail, and what their texts may name."""

NEEDED = frozenset({"link", "account"})
"""What a text must name if it may: whoever verifies an address has to know for whose account."""

SUBJECT = "Subject: "


@dataclass(frozen=True, slots=True)
class Text:
    """What a mail of one kind says."""

    subject: Template
    plain: Template
    html: Template | None

    def filled(self, values: Mapping[str, str]) -> tuple[str, str, str | None]:
        """Return the subject, the plain text, and the HTML if there is any.

        In HTML every value is escaped.
        """
        shown = None
        if self.html is not None:
            # It brings half a MB of named characters, and many servers send no mail.
            import html

            escaped = {name: html.escape(value) for name, value in values.items()}
            shown = self.html.substitute(escaped)
        return self.subject.substitute(values), self.plain.substitute(values), shown


Templates = Mapping[str, Text]


def read(folder: Path | None, language: str) -> Templates:
    """Return the texts of all kinds in a language: those of a folder, and ours for the others.

    :raises ValueError: a file of the folder is wrong, or there is none in this language.
    """
    ours = files(__name__)
    return {kind: _text(folder, ours, kind, language) for kind in KINDS}


def _text(folder: Path | None, ours: Traversable, kind: str, language: str) -> Text:
    name = f"{kind}.{language}"
    # Who replaces the plain text alone wants no HTML of ours, which would say something else.
    for place in (ours,) if folder is None else (folder, ours):
        plain = _content(place, f"{name}.txt")
        shown = _content(place, f"{name}.html")
        if plain is not None:
            return _parsed(kind, name, plain, shown)
        if shown is not None:
            raise ValueError(f"templates: {name}.txt is missing: not everybody reads HTML")
    raise ValueError(f"templates: {name}.txt is missing, and there is none of ours in {language!r}")


def _content(place: Traversable, name: str) -> str | None:
    try:
        return (place / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as fault:
        raise ValueError(f"templates: {name}: {type(fault).__name__}") from None


def _parsed(kind: str, name: str, plain: str, shown: str | None) -> Text:
    first, _, rest = plain.partition("\n")
    if not first.startswith(SUBJECT) or rest.partition("\n")[0].strip():
        raise ValueError(
            f"templates: {name}.txt: wanted: {SUBJECT!r}…, an empty line, and the text"
        )
    subject = first.removeprefix(SUBJECT).strip()
    _check(kind, f"{name}.txt", subject, needed=())
    _check(kind, f"{name}.txt", rest, needed=KINDS[kind] & NEEDED)
    if shown is not None:
        _check(kind, f"{name}.html", shown, needed=KINDS[kind] & NEEDED)
    html_text = None if shown is None else Template(shown)
    return Text(Template(subject), Template(rest.lstrip("\n")), html_text)


def _check(kind: str, file: str, text: str, *, needed: frozenset[str] | tuple[()]) -> None:
    template = Template(text)
    if not template.is_valid():
        raise ValueError(f"templates: {file}: a $ that begins no name; $$ is written for one")
    named = set(template.get_identifiers())
    if unknown := named - KINDS[kind]:
        known = ", ".join(sorted(KINDS[kind]))
        raise ValueError(f"templates: {file}: there is no ${{{min(unknown)}}}; there are {known}")
    if lacking := set(needed) - named:
        raise ValueError(f"templates: {file}: ${{{min(lacking)}}} is missing")
