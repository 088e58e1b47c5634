"""Asking a provider that does not answer as it should."""

from __future__ import annotations

import gzip
import logging
import zlib
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from starlette.responses import JSONResponse, RedirectResponse, Response

from ostiary_oauth import errors, web
from ostiary_oauth.provider import Provider
from ostiary_oauth.web import Web, transport

from .malicious import always, body, dripping, said
from .provider import Answer, Loopback

pytestmark = pytest.mark.anyio

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def settled(loopback: Loopback) -> Provider:
    return loopback.provider()


@pytest.fixture
def asking(settled: Provider) -> Web:
    return Web(settled)


def paths(loopback: Loopback) -> list[str]:
    return [path for _, path, _ in loopback.asked]


ANSWERS: dict[str, Answer] = {
    "too large": body(b" " * (transport.LARGEST + 1)),
    "a gzip bomb": body(gzip.compress(b" " * 50_000_000), content_encoding="gzip"),
    "a deflate bomb": body(zlib.compress(b" " * 50_000_000), content_encoding="deflate"),
    "a bomb in a bomb": body(
        gzip.compress(gzip.compress(b" " * 50_000_000)), content_encoding="gzip, gzip"
    ),
    "many encodings": body(b"{}", content_encoding=", ".join(["gzip"] * 50)),
    "broken gzip": body(b"\x1f\x8b broken", content_encoding="gzip"),
    "an unknown encoding": body(b"\x00\x01", content_encoding="zstd"),
    "a redirect": always(RedirectResponse("http://127.0.0.1:1/", 302)),
    "a redirect with an answer": always(
        JSONResponse({}, 307, {"location": "https://example.org/"})
    ),
    "not modified": always(Response(status_code=304)),
    "no content": always(Response(status_code=204)),
    "not found": said({}, 404),
    "forbidden": said({"error": "<script>"}, 403),
    "a failure": said({}, 500),
    "too many": said({}, 429),
    "HTML": always(Response("<html></html>", media_type="text/html")),
    "JSON as HTML": always(Response("{}", media_type="text/html")),
    "no JSON": body(b"{'a': 1}"),
    "nothing": body(b""),
    "another charset": body(b"\xff\xfe\x00"),
    "a lone byte": body(b'{"a": "\xe4"}'),
    "deep": body(b"[" * 200_000),
    "deep objects": body(b'{"a":' * 40_000),
    "no number": body(b'{"a": NaN}'),
    "infinity": body(b'{"a": -Infinity}'),
    "a long number": body(b'{"a": ' + b"9" * 100_000 + b"}"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_what_is_no_answer_is_a_failure_of_the_provider(
    loopback: Loopback, asking: Web, answer: Answer
) -> None:
    """OAU-18: too large, unpacked or not; elsewhere; no success; no JSON."""
    loopback.answers["/userinfo"] = answer
    with pytest.raises(errors.ProviderUnavailable):
        await asking.get_json(f"{loopback.url}/userinfo", bearer="token")
    assert paths(loopback) == ["/userinfo"]


async def test_a_large_answer_is_not_read_to_its_end(loopback: Loopback, asking: Web) -> None:
    """OAU-18: it is counted while it comes."""
    loopback.answers["/jwks"] = dripping(10**9, 0, b" " * 65_536)
    with pytest.raises(errors.ProviderUnavailable):
        await asking.get_json(f"{loopback.url}/jwks")


@pytest.mark.parametrize("answer", [dripping(10**9, 0.02), dripping(1, 60.0)], ids=["drip", "hang"])
async def test_a_slow_answer_is_not_waited_for(
    loopback: Loopback, asking: Web, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OAU-18: the time is that of all, not of one byte."""
    monkeypatch.setattr(web, "TALK", 0.3)
    loopback.answers["/jwks"] = answer
    with pytest.raises(errors.ProviderUnavailable):
        await asking.get_json(f"{loopback.url}/jwks")


async def test_one_request_of_a_client_of_the_library_is_bounded_too(
    loopback: Loopback, asking: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OAU-18."""
    monkeypatch.setattr(transport, "REQUEST", 0.3)
    elsewhere = said({"access_token": "a", "token_type": "bearer"}, 302)
    for answer in (dripping(10**9, 0.02), ANSWERS["a gzip bomb"], elsewhere):
        loopback.answers["/token"] = answer
        with pytest.raises(errors.ProviderUnavailable):
            await fetched(asking, loopback)


async def fetched(asking: Web, loopback: Loopback) -> Any:
    async with asking.client(client_id="client", client_secret="secret") as client:
        return await client.fetch_token(f"{loopback.url}/token", code="a code")


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"7", b"null", b"", b"<html>", b"[" * 9999])
@pytest.mark.parametrize("status", [200, 400, 401])
async def test_what_a_token_endpoint_answers_is_an_object_or_a_failure(
    loopback: Loopback, asking: Web, content: bytes, status: int
) -> None:
    loopback.answers["/token"] = body(content, status)
    with pytest.raises(errors.ProviderUnavailable):
        await fetched(asking, loopback)


async def test_cookies_of_a_provider_are_not_kept(loopback: Loopback, asking: Web) -> None:
    loopback.answers["/jwks"] = always(JSONResponse({}, headers={"set-cookie": "a=b"}))
    client = asking.client(client_id="client")
    answer = await client.request("GET", f"{loopback.url}/jwks", withhold_token=True)
    assert "set-cookie" not in answer.headers
    assert not client.cookies


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/userinfo",
        "http://example.org/userinfo",
        "file:///etc/passwd",
        "https://user:password@example.org/",
        "",
    ],
)
async def test_no_other_url_is_asked(asking: Web, url: str) -> None:
    """OAU-18: whoever wrote it, plain HTTP is for providers on this machine alone."""
    with pytest.raises(errors.ProviderUnavailable):
        await asking.get_json(url)


async def test_a_provider_on_this_machine_is_not_asked_where_the_operator_forbids_it(
    loopback: Loopback, settled: Provider
) -> None:
    """OAU-18: SSRF, CWE-918; by address and by name."""
    forbidding = Web(replace(settled, private_addresses=False))
    for host in ("127.0.0.1", "localhost"):
        url = loopback.url.replace("127.0.0.1", host)
        with pytest.raises(errors.ProviderUnavailable):
            await forbidding.get_json(f"{url}/jwks")
    assert paths(loopback) == []


@pytest.mark.parametrize("token", ["", "two words", "line\r\nHost: x", "ünicode", "a" * 20_000])
async def test_a_token_that_breaks_a_header_is_not_sent(
    loopback: Loopback, asking: Web, token: str
) -> None:
    with pytest.raises(errors.ProviderUnavailable):
        await asking.get_json(f"{loopback.url}/userinfo", bearer=token)
    assert paths(loopback) == []


async def test_a_provider_can_ask_for_time(loopback: Loopback, asking: Web) -> None:
    for sent, told in (("7", 7), ("99999999", 300), ("soon", None), ("-1", None), ("٣", None)):
        header = {"retry-after": sent.encode().decode("latin-1")}
        loopback.answers["/jwks"] = always(JSONResponse({}, 503, header))
        with pytest.raises(errors.ProviderUnavailable) as failed:
            await asking.get_json(f"{loopback.url}/jwks")
        assert failed.value.retry_after == told


async def test_metadata_and_keys_are_asked_for_once(loopback: Loopback, asking: Web) -> None:
    for _ in range(3):
        metadata = await asking.metadata()
        assert metadata.token_endpoint == f"{loopback.url}/token"
        assert [key.kid for key in await asking.key_set()] == ["rsa", "ec"]
        assert [key.kid for key in await asking.key_set(refresh=True)] == ["rsa", "ec"]
    # Once as usual, and once because somebody has brought a key that was not known.
    assert paths(loopback) == [DISCOVERY, "/jwks", "/jwks"]


async def test_a_document_of_another_issuer_is_a_failure_of_the_provider(
    loopback: Loopback, asking: Web
) -> None:
    """OAU-20."""
    loopback.metadata["issuer"] = "https://id.example.org"
    with pytest.raises(errors.ProviderUnavailable):
        await asking.metadata()
    with pytest.raises(errors.ProviderUnavailable):
        await asking.key_set()
    assert paths(loopback) == [DISCOVERY]


@pytest.mark.parametrize(
    "document",
    [
        {"jwks_uri": None},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data/"},
        {"token_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
async def test_a_document_that_points_elsewhere_is_one_too(
    loopback: Loopback, asking: Web, document: dict[str, Any]
) -> None:
    """OAU-18."""
    loopback.metadata.update(document)
    with pytest.raises(errors.ProviderUnavailable):
        await asking.metadata()


async def test_the_log_tells_what_was_wrong_and_no_secret(
    loopback: Loopback, asking: Web, caplog: pytest.LogCaptureFixture
) -> None:
    """OAU-19, LEAK: neither this plugin nor the libraries below it."""
    caplog.set_level(logging.DEBUG)
    loopback.answers["/userinfo"] = always(JSONResponse({"error": "s3cret-answer"}, 401))
    params = {"proof": "s3cret-proof"}
    with pytest.raises(errors.ProviderUnavailable):
        await asking.get_json(f"{loopback.url}/userinfo", bearer="s3cret-token", params=params)
    loopback.answers["/token"] = always(JSONResponse({}, 500, {"x": "s3cret-header"}))
    with pytest.raises(errors.ProviderUnavailable):
        await fetched(asking, loopback)
    # The provider of the test logs in this process, too.
    ours = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    told = " ".join(record.getMessage() for record in ours)
    assert "status 500" in told
    assert "answered 401" in told
    assert "s3cret" not in told
    assert "a code" not in told


async def test_the_proxy_of_the_environment_is_used_where_it_says(
    loopback: Loopback, settled: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator whose machines reach the Internet by a proxy alone."""
    monkeypatch.setenv("https_proxy", loopback.url.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "inside.example.org")
    asked = Web(replace(settled, private_addresses=False))
    assert (await asked_by(asked, "https://id.example.org/")) == "ProxyError"
    assert (await asked_by(asked, "https://10.0.0.1/")) == "its address is not public"
    assert (await asked_by(asked, "https://inside.example.org/")).startswith("ConnectError")


async def asked_by(asking: Web, url: str) -> str:
    reasons: list[str] = []
    logger = logging.getLogger("ostiary_oauth.web.transport")
    handler = logging.Handler()
    handler.emit = lambda record: reasons.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        with pytest.raises(errors.ProviderUnavailable):
            await asking.get_json(url)
    finally:
        logger.removeHandler(handler)
    (reason,) = reasons
    return reason.rpartition(": ")[2]


async def test_a_key_that_was_rotated_is_found(loopback: Loopback, asking: Web) -> None:
    clock = [1000.0]
    asking._keys._clock = lambda: clock[0]
    await asking.key_set()
    loopback.published = [RSAKey.generate_key(2048, {"kid": "new"})]
    assert [key.kid for key in await asking.key_set(refresh=True)] == ["new"]
    loopback.published = [RSAKey.generate_key(2048, {"kid": "newer"})]
    assert [key.kid for key in await asking.key_set(refresh=True)] == ["new"]
    clock[0] += 60
    assert [key.kid for key in await asking.key_set(refresh=True)] == ["newer"]
    assert paths(loopback) == [DISCOVERY, "/jwks", "/jwks", "/jwks"]
