"""A wrong setting stops the start with a message that names the mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ostiary.settings import SettingsError, load

Load = Callable[..., Any]


@pytest.mark.parametrize(
    "toml,named",
    [
        ("[server]\nprot = 1", "did you mean server.port?"),
        ("[srever]\nport = 1", "did you mean server?"),
        ("[server]\nloginsPerSecond = 1", "did you mean limits.loginsPerSecond?"),
        ("[security.jwt]\nmaxTtl = 1", "did you mean security.jwt.maxTTL?"),
        ("[security.hashing]\ntime_cost = 2", "did you mean security.hashing.timeCost?"),
        ("[logging]\ncolour = 1", "known here: logging.access, logging.level"),
        ("dev = true", " is not a setting"),
        ("[plugins]\nalow = []", "did you mean plugins.allow?"),
    ],
)
def test_an_unknown_key_stops_the_start_and_names_file_and_nearest_key(
    mistake: Load, tmp_path: Path, toml: str, named: str
) -> None:
    message = mistake(toml)
    assert named in message
    assert str(tmp_path / "ostiary.toml") in message


@pytest.mark.parametrize(
    "variable,named",
    [
        ("OSTIARY_SERVER__PROT", "did you mean OSTIARY_SERVER__PORT?"),
        ("OSTIARY_SERVER__MAXREQUESTSIZE", "did you mean OSTIARY_SERVER__MAX_REQUEST_SIZE?"),
        ("OSTIARY_PORT", "did you mean OSTIARY_SERVER__PORT?"),
        ("OSTIARY_SETUP_SECERT", "did you mean OSTIARY_SETUP_SECRET?"),
        ("OSTIARY_SECURITY__SETUP_SECRET", "did you mean OSTIARY_SETUP_SECRET?"),
        ("OSTIARY_SECURITY__MASTER_KEY", "did you mean OSTIARY_MASTER_KEY?"),
        ("OSTIARY_PLUGINS__9__X", "is not a setting"),
    ],
)
def test_an_unknown_variable_stops_the_start_and_names_the_nearest_one(
    mistake: Load, variable: str, named: str
) -> None:
    message = mistake(**{variable: "hush-hush"})
    assert variable in message
    assert named in message
    assert "hush-hush" not in message


@pytest.mark.parametrize(
    "toml,key,wanted",
    [
        ("[server]\nport = '7512'", "server.port", "wanted: int, got str"),
        ("[server]\nport = 65536", "server.port", "wanted: int <= 65535"),
        ("[server]\nport = true", "server.port", "wanted: int, got bool"),
        ("[server]\nworkers = 0", "server.workers", "wanted: int >= 1"),
        ("[server]\nhost = ''", "server.host", "wanted: str of length >= 1"),
        ("server = 1", "server", "wanted: a table"),
        ("[server]\nmaxRequestSize = '1 mile'", "server.maxRequestSize", '"1MB"'),
        ("[server]\nmaxRequestSize = 0", "server.maxRequestSize", '"1MB"'),
        ("[server]\ntrustedProxies = ['proxy']", "server.trustedProxies", "10.0.0.0/8"),
        ("[server]\npublicUrl = 'login.example'", "server.publicUrl", "https://login.example.com"),
        ("[server]\npublicUrl = 'https://b\u00fccher.example'", "server.publicUrl", "xn--"),
        ("[server]\npublicUrl = 'http://[::1'", "server.publicUrl", "https://login.example.com"),
        *(
            (f"[security]\nreturnAddresses = ['{one}']", "security.returnAddresses", "no wildcard")
            for one in (
                *("", "app.example", "/signed-in", "http://app.example/", "https:///x"),
                *("https://app.example/#", "https://app.example/#a", "https://*.app.example/"),
                *("https://app.example/*", "https://a@app.example/", "https://app.example/a b"),
                *("javascript:alert(1)", "https://app.example:x/", "https://\u00e9.example/"),
                *("http://127.0.0.1.evil.example/", "http://localhost.evil.example/"),
            )
        ),
        ("[security.jwt]\nexpiresIn = '2 moons'", "security.jwt.expiresIn", '"2h"'),
        ("[security.jwt]\nexpiresIn = 0", "security.jwt.expiresIn", '"2h"'),
        ("[security.jwt]\nexpiresIn = true", "security.jwt.expiresIn", '"2h"'),
        ("[security.jwt]\nmaxTTL = -2", "security.jwt.maxTTL", '"2h"'),
        ("[security.authToken]\ngracePeriod = -1", "security.authToken.gracePeriod", '"1s"'),
        ("[security.authToken]\ngracePeriod = false", "security.authToken.gracePeriod", '"1s"'),
        ("[security]\nsetupSecret = 'short'", "security.setupSecret", "length >= 16"),
        ("[security]\nrestrictedProfileIds = []", "security.restrictedProfileIds", "length >= 1"),
        ("[security.hashing]\ntimeCost = 1", "security.hashing", "floor"),
        ("[security.hashing]\nprofile = 'rfc9106'\nmemoryCost = 7168", "security.hashing", "floor"),
        ("[security.hashing]\nprofile = 'cheap'", "security.hashing.profile", "'owasp', 'rfc9106'"),
        ("[security.hashing]\nnice = 20", "security.hashing.nice", "<= 19"),
        ("[limits]\nloginsPerSecond = 0", "limits.loginsPerSecond", "wanted: int >= 1"),
        ("[database]\nurl = 'mysql://u:hush@h/d'", "database.url", "postgresql://host/database"),
        ("[database]\nurl = 'postgresql://u:hush@h:x/d'", "database.url", "postgresql://host"),
        ("[database]\nisolation = 'role'", "database.isolation", "'roles', 'shared-role'"),
        ("[database]\npasswords = {core = 1}", "database.passwords", "wanted: str, got int"),
        ("[logging]\nlevel = 'loud'", "logging.level", "one of debug"),
        ("[http]\naccessControlAllowOrigin = ['*', 'https://a.example']", "AllowOrigin", '"*"'),
        ("[http]\naccessControlAllowOrigin = 'https://a.example/'", "AllowOrigin", '"*"'),
        ("[http]\naccessControlAllowOrigin = 'https://a.example:443'", "AllowOrigin", '"*"'),
        ("[http]\naccessControlAllowOrigin = 'https://\u00e9.example'", "AllowOrigin", '"*"'),
        ("[http]\naccessControlAllowOrigin = 'null'", "AllowOrigin", '"*"'),
        ('[server]\nname = "a\\r\\nSet-Cookie: b=c"', "server.name", "ASCII"),
        ('[server]\nname = "knode-\u00e9"', "server.name", "ASCII"),
        ('[server]\nname = " "', "server.name", "ASCII"),
        ("[plugins]\nallow = 'local'", "plugins.allow", "wanted: array"),
        ("plugins = 1", "plugins", "wanted: a table"),
        ("[plugins.Local]", "plugins.Local", "no plugin can have this name"),
        ("[plugins.local]\ndev = true", "plugins.local.dev", "only --dev"),
    ],
)
def test_a_wrong_value_stops_the_start_and_names_key_file_and_what_is_wanted(
    mistake: Load, tmp_path: Path, toml: str, key: str, wanted: str
) -> None:
    message = mistake(toml)
    assert key in message
    assert wanted in message
    assert str(tmp_path / "ostiary.toml") in message
    assert "hush" not in message


def test_a_wrong_value_names_its_variable_or_option(mistake: Load) -> None:
    message = mistake(OSTIARY_SERVER__PORT="many")
    assert "server.port (environment variable OSTIARY_SERVER__PORT): wanted: int" in message
    assert "(option --port)" in mistake(options={"server.port": "many"})
    assert "(option --data)" in mistake(options={"data.dir": " "})


@pytest.mark.parametrize("toml", ["[server", "port = ", "a = 'hush", "x = 1\nx = 2", "\0"])
def test_a_file_that_is_not_toml_is_named_and_not_quoted(
    mistake: Load, tmp_path: Path, toml: str
) -> None:
    message = mistake(toml)
    assert f"{tmp_path / 'ostiary.toml'} is not TOML" in message
    assert "hush" not in message


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "binary.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"binary\.toml is not TOML"):
        load(config=file, environment={}, overrides={})


@pytest.mark.parametrize("name", ["jwt", "authToken"])
def test_jwt_and_auth_token_are_one_section(loaded: Load, name: str) -> None:
    toml = f"[security.{name}]\nexpiresIn = '3h'\nmaxTTL = '1d'\ngracePeriod = 0"
    token = loaded(toml).security.auth_token
    assert (token.expires_in, token.max_ttl, token.grace_period) == (10_800_000, 86_400_000, 0)


def test_equal_names_may_complete_and_repeat_each_other(loaded: Load) -> None:
    toml = "[security.jwt]\nexpiresIn='3h'\n[security.authToken]\nexpiresIn=10800000\nmaxTTL='1d'"
    token = loaded(toml).security.auth_token
    assert (token.expires_in, token.max_ttl) == (10_800_000, 86_400_000)


@pytest.mark.parametrize("key,one,other", [("expiresIn", "1h", "2h"), ("gracePeriod", "1s", "0")])
def test_equal_names_that_differ_stop_the_start(
    mistake: Load, key: str, one: str, other: str
) -> None:
    toml = f"[security.jwt]\n{key} = '{one}'\n[security.authToken]\n{key} = '{other}'"
    message = mistake(toml)
    assert f"security.jwt.{key}" in message
    assert f"security.authToken.{key}" in message


def test_equal_names_that_differ_stop_the_start_wherever_they_were_given(mistake: Load) -> None:
    toml = "[security.jwt]\nexpiresIn = '1h'"
    message = mistake(toml, OSTIARY_SECURITY__AUTH_TOKEN__EXPIRES_IN="2h")
    assert "OSTIARY_SECURITY__AUTH_TOKEN__EXPIRES_IN" in message
    assert "ostiary.toml" in message
