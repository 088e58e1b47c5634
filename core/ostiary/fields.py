"""What strategies describe of themselves, so that pages, commands and clients draw it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["text", "password", "email", "tel", "number", "url", "one-time-code", "json"]
"""What is typed into a field; ``json`` is made by a script, such as an assertion of WebAuthn."""


@dataclass(frozen=True, slots=True)
class CredentialField:
    """A field of credentials, described once: pages, commands, OpenAPI and clients draw it.

    :param name: on the wire; ``[A-Za-z][A-Za-z0-9_]*``.
    :param label: what a person reads beside it; by default made from the name.
    :param secret: it is shown to nobody and kept out of everything that is written.
    :param login: it is asked for at a login.
    :param registration: it is asked for when credentials are made or changed.
    :param required: whether it has to be there where it is asked for.
    :param help: a sentence for who fills it in.
    """

    name: str
    label: str = ""
    kind: Kind = "text"
    secret: bool = False
    login: bool = True
    registration: bool = True
    required: bool = True
    help: str = ""

    @property
    def title(self) -> str:
        """The label, or the name as words: ``pinCode`` is ``Pin code``."""
        words = "".join(f" {one.lower()}" if one.isupper() else one for one in self.name)
        words = " ".join(words.replace("_", " ").split())
        return self.label or words[:1].upper() + words[1:]

    def to_json(self) -> dict[str, Any]:
        """Return what a client needs to draw it."""
        return {
            "name": self.name,
            "label": self.title,
            "kind": self.kind,
            "secret": self.secret,
            "required": self.required,
            "help": self.help,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What somebody can do beside signing in: an action of the plugin, which pages draw.

    It is for who has not signed in, or for who sees a name of theirs that is not verified.

    :param name: what the address of its page ends with; ``[a-z][a-z0-9-]*``.
    :param action: one of the plugin's own, as ``controller:action``. What is filled in is sent as
        its body; who it signs in, by answering as ``Directory.open_session`` does, is signed in.
    :param label: what a person reads on a link to it, and above it.
    :param fields: what is filled in: members of the body.
    :param help: a sentence above the fields.
    :param done: a sentence for who has done it, and was not signed in by it.
    :param code: the member of the body that takes what proves who one is. A mail opens the page
        with it, behind a ``#``: ``#token=…`` where it is ``token``. A form with a code is offered
        to nobody who has none; one without to everybody, where they sign in.
    :param refusals: logins that go on here, by the id of their error: the member of it that holds
        the code.
    :param beside: fields of the strategy. My account offers the form beside each name of these
        kinds that one's credentials list and that is not verified; see ``value``. Whoever has sent
        it stays there, until the name is verified or gone.
    :param value: the member of the body that takes the name beside which the form stands.
    :param signed_in: it is for who is signed in alone, as its action wants it, and is offered
        nowhere else.
    """

    name: str
    action: str
    label: str
    fields: tuple[CredentialField | str, ...] = ()
    help: str = ""
    done: str = ""
    code: str | None = None
    refusals: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    value: str | None = None
    signed_in: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what a page needs to draw it."""
        return {
            "name": self.name,
            **named(self.action),
            "label": self.label,
            "help": self.help,
            "done": self.done,
            "fields": [one.to_json() for one in described(self.fields)],
            "code": self.code,
            "refusals": dict(self.refusals),
            "beside": list(self.beside),
            "value": self.value,
            "signedIn": self.signed_in,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """How each of several credentials of one user is listed and given up: actions of the plugin.

    Those that list answer an object with a list of objects, one for each. Of such an object pages
    read the members in ``named_by``, which are texts; ``attributes``, an object of whatever a
    person knows it by, under names of fields; ``createdAt``, since when it is theirs, in ms; and
    ``strategy``, if there are others' among them. Those that give up one take the ``strategy``,
    what names it, and ``force``, which is needed for the last way in (412
    ``ostiary.credentials.last_way_in``); as their body they get what was typed as a ``proof``, if
    they take one.

    :param member: of the answer, where the list stands.
    :param named_by: what names one of them: members of each, and arguments of the actions that
        give it up.
    :param mine: lists one's own; ``controller:action``, as are the others.
    :param give_up: gives up one of one's own.
    :param theirs: lists those of the user whose kuid is ``_id``.
    :param take: takes one off that user.
    """

    member: str
    named_by: tuple[CredentialField | str, ...]
    mine: str
    give_up: str
    theirs: str
    take: str

    def to_json(self) -> dict[str, Any]:
        """Return what a page needs to list them."""
        return {
            "member": self.member,
            "namedBy": [one.to_json() for one in described(self.named_by)],
            "mine": named(self.mine),
            "giveUp": named(self.give_up),
            "theirs": named(self.theirs),
            "take": named(self.take),
        }


def described(fields: Iterable[CredentialField | str]) -> tuple[CredentialField, ...]:
    """Return fields as their descriptions: a name alone stands for a text that is no secret."""
    return tuple(CredentialField(one) if isinstance(one, str) else one for one in fields)


def named(action: str) -> dict[str, str]:
    """Return an action that is written ``controller:action`` as clients name it."""
    controller, _, name = action.rpartition(":")
    return {"controller": controller, "action": name}
