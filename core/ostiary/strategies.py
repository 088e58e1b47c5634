"""The words that the core and the plugins share: strategies, users, calls and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from ostiary import errors
from ostiary.fields import CredentialField, Each, Form, described

Factor = Literal["knowledge", "possession", "inherence"]
"""What is proved: that one knows, has or is something (NIST SP 800-63B-4, 2)."""

FIVE_MINUTES = 300_000


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to prove who one is, declared by a plugin.

    A plugin subclasses it to carry its parsed settings, and receives the same
    object back in every hook.

    :param name: as clients write it; ``[a-z][a-z0-9_-]*``, at most 63 characters.
    :param label: what a person reads on a button or above a form; by default made from the name.
    :param fields: those of the credentials; a name alone stands for a text that is no secret.
    :param proof: what proves to ``ostiary_reauthenticate`` who one is: fields of pages, beside those
        that are changed. Declare none, and only clients that know of the proof can send it.
    :param factors: what a login proves.
    :param phishing_resistant: a login on a look-alike page gives an attacker nothing
        (NIST SP 800-63B-4, 3.2.5).
    :param identifier: the field that names an account, or None; attempts are
        counted by it, so that guesses on one account are limited even when the
        account does not exist (NIST SP 800-63B-4, 3.2.2). See ``account``.
    :param refusal: the sentence for every refused login; one sentence, so that
        it does not tell which accounts exist (OWASP ASVS 6.3.8).
    :param headers: names of the request headers that the hooks want to see, in lower case.
        ``authorization`` is shown where its scheme is another than Bearer (RFC 4559, RFC 7617).
    :param several: a user may hold several credentials of it, such as two accounts of one provider:
        ``ostiary_link_credentials`` and then ``ostiary_create_credentials`` are called for who
        holds some already.
    :param each: how pages list each of several and give it up; None, and they give up all at once.
    :param keeps_last: credentials of it are not given up, nor taken, when nothing else would let
        their user in, unless that is forced.
    :param redirects: a login leads the browser elsewhere, and back: a page draws a button for it,
        and no form.
    :param proxy_headers: those that mean something only if a trusted proxy has set them, such as
        the certificate of a client; no other request has them.
    :param forms: what people can do beside a login, such as ask for a new password, or have an
        address of theirs verified.
    """

    name: str
    label: str = ""
    fields: tuple[CredentialField | str, ...] = ()
    proof: tuple[CredentialField | str, ...] = ()
    factors: tuple[Factor, ...] = ()
    phishing_resistant: bool = False
    identifier: str | None = None
    refusal: str = "Wrong credentials."
    headers: tuple[str, ...] = ()
    proxy_headers: tuple[str, ...] = ()
    several: bool = False
    each: Each | None = None
    keeps_last: bool = False
    redirects: bool = False
    forms: tuple[Form, ...] = ()

    @cached_property
    def described(self) -> tuple[CredentialField, ...]:
        """The fields, each as its description."""
        return described(self.fields)

    @cached_property
    def field_names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(field.name for field in self.described)

    @cached_property
    def opening(self) -> frozenset[str]:
        """The names of the fields that open an account; where none is secret, each may."""
        secret = frozenset(field.name for field in self.described if field.secret)
        return secret or frozenset(self.field_names)

    def to_json(self) -> dict[str, Any]:
        """Return what a page needs to offer the strategy."""
        return {
            "name": self.name,
            "label": self.label or CredentialField(self.name.replace("-", "_")).title,
            "fields": [
                {**field.to_json(), "login": field.login, "registration": field.registration}
                for field in self.described
            ],
            "proof": [field.to_json() for field in described(self.proof)],
            "several": self.several,
            "each": None if self.each is None else self.each.to_json(),
            "keepsLast": self.keeps_last,
            "factors": list(self.factors),
            "phishingResistant": self.phishing_resistant,
            "redirects": self.redirects,
            "identifier": self.identifier,
            "forms": [form.to_json() for form in self.forms],
        }

    def page(self, pages_url: str | None, form: str) -> str | None:
        """Return the address of the page of a form, for a mail; None if there is no such page.

        :param pages_url: the key ``pagesUrl`` of the plugin's settings, which the server adds.
        """
        return None if pages_url is None else f"{pages_url}/{self.name}/{form}"

    def account(self, credentials: Mapping[str, Any]) -> str | None:
        """Return by what the attempts on an account are counted; None if they name none.

        Override it where several spellings open one account: what they share is
        counted once. It is asked before ``verify``, with whatever a client sent,
        and looks nothing up: accounts that do not exist are counted alike.
        """
        value = None if self.identifier is None else credentials.get(self.identifier)
        # What is no text may be taken for one by the hook.
        return None if value is None else str(value)


@dataclass(frozen=True, kw_only=True)
class User:
    """Whom credentials belong to; may not be stored yet while they are validated.

    :ivar enabled: they may sign in; the core refuses who may not, whatever a plugin says.
    :ivar generation: another one when who had the kuid was deleted and somebody is created with
        it: what a plugin keeps in a user's name must not become another's. Empty before they are
        stored.
    """

    kuid: str
    profile_ids: tuple[str, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    generation: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a hook may know of the request it serves.

    :param kuid: who calls; ``"-1"`` for nobody.
    :param args: the arguments that are fields of this strategy, and no others.
    :param headers: those that the strategy declared, in lower case.
    :param state: what the step before this one gave the server to keep; None at a first step.
    :param proxied: a trusted proxy has passed the request on.
    :param session: the session that calls, by the id that its owner sees it listed with; None
        for nobody, and for an API key.
    """

    kuid: str = "-1"
    controller: str = ""
    action: str = ""
    protocol: str = ""
    address: str = ""
    user_agent: str = ""
    args: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    state: Mapping[str, Any] | None = field(default=None, repr=False)
    proxied: bool = False
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """The credentials belong to this user.

    :param profiles: the profiles that the user has from now on; None leaves them as they are.
    :param session: by what the plugin will name the session, to end it; such as the ``sid`` of
        an OpenID provider.
    """

    kuid: str
    profiles: tuple[str, ...] | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The credentials are genuine, and nobody's yet: the core creates a user for them.

    :param content: of the user; ``profileIds`` among it, or those of who signs up.
    :param session: see ``Verified``.
    """

    credentials: Mapping[str, Any] = field(repr=False)
    content: Mapping[str, Any]
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """The client has to go elsewhere first.

    :param location: where; the server adds ``state=…`` to its query if there is a state.
    :param state: what the hook gets back as ``call.state`` when the client returns with that
        ``state``, once, from where it left. Sealed; JSON.
    :param lifetime: how long it may take, in ms; at most ten minutes.
    :param handle: what the client comes back with as ``state``, where ``location`` has it
        already or leads to it otherwise, as with OAuth 1.0a: 256 random bits, as
        ``secrets.token_urlsafe(32)`` writes them. By default the server makes it.
    """

    location: str
    state: Mapping[str, Any] | None = field(default=None, repr=False)
    lifetime: int = FIVE_MINUTES
    handle: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """The client has to answer something before it is let in.

    :param fields: those of the answer, which come as the credentials of the next step.
    :param question: what the client is told; JSON, nothing secret.
    :param state: what the hook gets back as ``call.state`` with the answer, once. Sealed; JSON.
    :param lifetime: how long the answer may take, in ms; at most ten minutes.
    """

    fields: tuple[CredentialField | str, ...]
    question: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lifetime: int = FIVE_MINUTES


Verdict = Verified | Newcomer | Redirect | Challenge


@dataclass(frozen=True, slots=True)
class FoundCredentials:
    """A page of credentials that were searched for.

    :param hits: what a client may see of each, and the ``kuid`` of its user.
    :param total: how many there are, this page and all others.
    """

    hits: Sequence[Mapping[str, Any]]
    total: int


def mark(text: str) -> str:
    """Return a text as it is; it is translated where people read it.

    Labels, helps, refusals and the messages of errors are translated without this.
    """
    return text


def text_field(fields: Mapping[str, Any], name: str) -> str:
    """Return a field of some credentials.

    :raises errors.MissingArgument: it is absent, null or empty.
    :raises errors.InvalidType: it is not a text.
    """
    value = fields.get(name)
    if value is None or value == "":
        raise errors.MissingArgument(name)
    if not isinstance(value, str):
        raise errors.InvalidType(name, "string")
    return value
