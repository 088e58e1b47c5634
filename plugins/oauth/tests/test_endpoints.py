"""URLs that a provider writes: which of them are asked, or shown to a browser."""

from __future__ import annotations

import pytest

from ostiary_oauth.web import endpoints
from ostiary_oauth.web.endpoints import UnfitError


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example.org",
        "https://id.example.org:8443/a/b?tenant=1&x=%20",
        "https://[2001:db8::1]/token",
        "https://xn--bcher-kva.example/token",
    ],
)
def test_an_https_url_is_asked(url: str) -> None:
    assert endpoints.checked(url, insecure_http=False) == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        17,
        "",
        "token",
        "//id.example.org/token",
        "http://id.example.org/token",
        "file:///etc/passwd",
        "javascript:alert(1)//https://",
        "ftp://id.example.org/",
        "https:///token",
        "https://id.example.org@10.0.0.1/token",
        "https://user:password@id.example.org/token",
        "https://id.example.org/token#fragment",
        "https://id.example.org/token#",
        "https://id.example.org/to ken",
        "https://id.example.org/to\nken",
        "https://id.example.org/to\r\nHost: x",
        "https://id.example.org\\@10.0.0.1/",
        "https://id.example.org/<script>",
        'https://id.example.org/"',
        "https://bücher.example/token",
        "https://id.example.org:99999/",
        "https://id.example.org:0/",
        "https://[::1/",
        "https://id.example.org/" + "a" * 2048,
    ],
)
def test_anything_else_is_not(url: object) -> None:
    """OAU-18: neither by this server nor by a browser that it sends away."""
    with pytest.raises(UnfitError) as refused:
        endpoints.checked(url, insecure_http=True)
    assert str(url) not in str(refused.value) or not url


def test_http_is_for_this_machine_alone_and_only_where_the_operator_says_so() -> None:
    for url in ("http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/a"):
        assert endpoints.checked(url, insecure_http=True) == url
        with pytest.raises(UnfitError):
            endpoints.checked(url, insecure_http=False)
    for url in ("http://127.0.0.1.example.org/", "http://10.0.0.1/", "http://0.0.0.0/"):
        with pytest.raises(UnfitError):
            endpoints.checked(url, insecure_http=True)
