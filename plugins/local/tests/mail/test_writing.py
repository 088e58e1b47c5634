"""What mail looks like: its headers, its texts in each language, and what operators put in their place."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ostiary_local.mail.addresses import mailbox, recipient
from ostiary_local.mail.letters import Letter
from ostiary_local.mail.settings import MailSettings
from ostiary_local.mail.templates import KINDS, read
from ostiary_local.mail.writing import written

if TYPE_CHECKING:
    from .conftest import Inbox, Post

VALUES = {name: f"<{name} & 'co'>" for names in KINDS.values() for name in names}


def settings(**given: Any) -> MailSettings:
    return MailSettings(host="mail.example.com", sender="Example <no-reply@example.com>", **given)


def mail(to: str = "ann@example.org", kind: str = "reset", **given: Any) -> EmailMessage:
    letter = Letter(
        kind, "ann", to, 1_764_313_200_000, dict.fromkeys(("account", "address", "agent"), "-")
    )
    values = {name: VALUES[name] for name in ("link", "minutes", "hours")}
    return written(letter, settings(**given), id="an-id", values=values)


def test_mail_says_that_a_machine_has_written_it() -> None:
    """RFC 3834, RFC 5322"""
    headers = {name: value for name, value in mail().items() if not name.startswith("Content")}
    assert "2" in headers.pop("Date")
    assert headers == {
        "From": "Example <no-reply@example.com>",
        "To": "ann@example.org",
        "Subject": "Reset your password for example.com",
        "Message-ID": "<an-id@example.com>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
    }


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_text_tells_what_it_has_to_and_escapes_it_in_html(kind: str, language: str) -> None:
    subject, plain, html = read(None, language)[kind].filled(VALUES)
    assert html is not None
    assert "$" not in subject + plain + html
    for name in KINDS[kind]:
        assert VALUES[name] in plain
        assert VALUES[name] not in html
        assert f"&lt;{name} &amp; &#x27;co&#x27;&gt;" in html


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "link" not in KINDS[kind]])
@pytest.mark.parametrize("language", ["en", "de"])
def test_a_notice_leads_nowhere(kind: str, language: str) -> None:
    _, plain, html = read(None, language)[kind].filled(dict.fromkeys(VALUES, "x"))
    assert "http" not in f"{plain}{html}"
    assert "href" not in f"{plain}{html}"


@pytest.mark.parametrize(
    "to",
    [
        "ann@example.org\r\nBcc: eve@example.net",
        "ann@example.org\nSubject: x",
        "ann\r\n@example.org",
        "ann@example.org, eve@example.net",
        "ann@example.org> <eve@example.net",
        "ann@exa mple.org",
        "ann@",
        "@example.org",
        "ann",
        "",
    ],
)
def test_an_address_adds_neither_headers_nor_other_addresses(to: str) -> None:
    with pytest.raises(ValueError, match=r"address|label|codepoint"):
        mail(to)


def test_a_domain_goes_out_in_ascii_and_keeps_its_letters() -> None:
    """RFC 5891: ``ß`` is not ``ss``."""
    assert recipient("ann@straße.example").addr_spec == "ann@xn--strae-oqa.example"
    assert recipient("änn@example.org").addr_spec == "änn@example.org"


def test_a_sender_has_one_address() -> None:
    assert str(mailbox("Müller, Ann <ann@example.com>".replace(",", ""))).endswith("example.com>")
    for wrong in ("", "Ann", "a@example.com, b@example.com", "a@example.com\r\nBcc: b", "<>"):
        with pytest.raises(ValueError, match="from"):
            mailbox(wrong)


def test_texts_of_operators_go_before_ours_and_may_leave_html_out(tmp_path: Path) -> None:
    (tmp_path / "reset.en.txt").write_text("Subject: Ahoy ${service}\n\nGo to ${link}!\n")
    message = mail(templates=tmp_path)
    assert message["Subject"] == "Ahoy example.com"
    assert not message.is_multipart()
    assert message.get_content() == f"Go to {VALUES['link']}!\n"
    assert mail(kind="verify", templates=tmp_path).is_multipart()


def test_operators_add_a_language(tmp_path: Path) -> None:
    for kind, names in KINDS.items():
        text = "\n".join(f"${{{name}}}" for name in names)
        (tmp_path / f"{kind}.fr.txt").write_text(f"Subject: Bonjour\n\n{text}\n")
    assert mail(templates=tmp_path, language="fr")["Subject"] == "Bonjour"


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("reset.en.txt", "Hello\n\n${link}", "reset.en.txt: wanted: 'Subject: '"),
        ("reset.en.txt", "Subject: a\nb\n\n${link}", "reset.en.txt: wanted: 'Subject: '"),
        ("reset.en.txt", "Subject: a\n\nno way", r"reset.en.txt: \$\{link\} is missing"),
        ("verify.en.txt", "Subject: a\n\n${link}", r"verify.en.txt: \$\{account\} is missing"),
        ("reset.en.txt", "Subject: a\n\n${link} ${kuid}", r"reset.en.txt: there is no \$\{kuid\}"),
        ("reset.en.txt", "Subject: a\n\n${link} for 5$ only", "reset.en.txt: a \\$ that begins"),
        ("reset.en.html", "${link}", "reset.en.txt is missing"),
        ("reset.en.txt", b"\xff", "reset.en.txt: UnicodeDecodeError"),
    ],
)
def test_a_text_that_is_wrong_stops_the_start(
    tmp_path: Path, name: str, text: str | bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=told):
        settings(templates=tmp_path)


def test_a_language_that_nobody_has_written_stops_the_start() -> None:
    with pytest.raises(ValueError, match=r"reset.tlh.txt is missing"):
        settings(language="tlh")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "address, to", [("ännchen@example.org", "ännchen@example.org"), ("a@bücher.example", None)]
)
async def test_addresses_beyond_ascii_get_their_mail(
    post: Post, inbox: Inbox, address: str, to: str | None
) -> None:
    """RFC 6531, RFC 5891"""
    await post.account("ann", address)
    await post.ask("ann")
    await post.deliver()
    assert inbox.envelopes[0].rcpt_tos == [to or "a@xn--bcher-kva.example"]
