"""Where a request comes from, by the word of proxies that are trusted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proxies import Proxies

PROXY, INNER, CLIENT = "10.0.0.1", "10.200.0.2", "198.51.100.7"
proxies = Proxies(("10.0.0.0/8", "2001:db8:ffff::/48"))


def client_of(*values: bytes | str, peer: Any = (PROXY, 40_000)) -> Any:
    """Return the client of a request with these headers, as the application sees it."""
    said = [value.encode("latin-1") if isinstance(value, str) else value for value in values]
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value) for value in said)]
    scope: dict[str, Any] = {"client": peer, "headers": headers}
    proxies.locate(scope)
    return scope["client"] and scope["client"][0]


@pytest.mark.parametrize(
    "values, client",
    [
        ([], PROXY),
        ([CLIENT], CLIENT),
        ([f"{CLIENT}, {INNER}"], CLIENT),
        # What the client has written itself stands before what the proxy has seen.
        ([f"127.0.0.1, {CLIENT}"], CLIENT),
        ([f"10.1.1.1, {CLIENT}, {INNER}"], CLIENT),
        (["127.0.0.1", CLIENT, INNER], CLIENT),
        ([CLIENT, ""], CLIENT),
        ([f"{CLIENT}, , ,"], CLIENT),
        ([f"  {CLIENT}\t"], CLIENT),
        ([f"{CLIENT}:4711"], CLIENT),
        (["2001:db8::7"], "2001:db8::7"),
        (["2001:DB8:0:0::7"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (['"[2001:db8::7]:4711"'], "2001:db8::7"),
        (["fe80::7%eth0"], "fe80::7"),
        ([f"::ffff:{CLIENT}"], CLIENT),
        ([f"{CLIENT}, 2001:db8:ffff::1"], CLIENT),
        # A client that is a trusted proxy itself.
        ([f"{INNER}, {INNER}"], INNER),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(
    values: list[str], client: str
) -> None:
    """AUTH-25"""
    assert client_of(*values) == client


@pytest.mark.parametrize(
    "value",
    ["unknown", "_hidden", "", ",,,", "999.1.1.1", "1.2.3", "01.2.3.4", "[::1", "1.2.3.4;5", "é",
     "for=1.2.3.4", "::ffff:1.2.3.4.5", "1.2.3.4/8", "x" * 100_000, "1.2.3.4\x00"],
)  # fmt: skip
def test_what_is_no_address_leaves_the_hop_before_it(value: str) -> None:
    """AUTH-15"""
    assert client_of(value) == PROXY
    assert client_of(f"{CLIENT}, {value}, {INNER}") == (INNER if value.strip(",") else CLIENT)


@pytest.mark.parametrize("peer", [CLIENT, "127.0.0.1", "2001:db8::1", "testclient", ""])
def test_nobody_else_is_believed(peer: str) -> None:
    """AUTH-25"""
    assert client_of("203.0.113.1", peer=(peer, 1)) == peer


def test_a_proxy_on_a_socket_for_both_families_is_trusted() -> None:
    assert client_of(CLIENT, peer=(f"::ffff:{PROXY}", 1)) == CLIENT


def test_a_peer_that_has_gone_is_nobody() -> None:
    """AUTH-15: the server knows no address of it."""
    assert client_of(CLIENT, peer=None) is None


def test_a_long_list_is_read_from_its_end() -> None:
    assert client_of(f"{'1.1.1.1, ' * 10_000}{CLIENT}, {INNER}") == CLIENT


@given(st.lists(st.binary(), max_size=4))
def test_no_header_can_break_it(values: list[bytes]) -> None:
    """AUTH-15"""
    assert client_of(*values)
    assert client_of(*values, CLIENT) == CLIENT
