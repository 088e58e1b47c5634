"""Settings come from four sources, and mean the same in each."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.settings import Settings, SettingsError, described_settings, load

Load = Callable[..., Any]


def test_nothing_given_is_a_server_on_loopback_and_sqlite(loaded: Load) -> None:
    settings = loaded()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 7512)
    assert settings.database.url is None
    assert settings.data.dir == Path("/home/somebody/.local/share/ostiary")
    assert settings.security.auth_token.expires_in == 7_200_000
    assert settings.security.auth_token.max_ttl == -1
    assert settings.security.auth_token.grace_period == 1000
    assert settings.server.trusted_proxies == ()
    assert not settings.http.allow_credentials_in_url
    assert not settings.dev


def test_nothing_given_has_no_secret_by_default(loaded: Load) -> None:
    security = loaded().security
    assert security.master_key is None
    assert security.setup_secret is None


def test_the_environment_beats_the_file_and_options_beat_both(loaded: Load) -> None:
    toml = "[server]\nport = 1\nworkers = 2\nhost = '::1'"
    settings = loaded(
        toml,
        OSTIARY_SERVER__PORT="2",
        OSTIARY_SERVER__WORKERS="3",
        options={"server.port": 3, "server.workers": None},
    )
    assert settings.server.host == "::1"
    assert settings.server.workers == 3
    assert settings.server.port == 3


def test_the_file_in_the_current_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ostiary.toml").write_text("[server]\nport = 7", encoding="utf-8")
    assert load(config=None, environment={}, overrides={}).server.port == 7


def test_no_file_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(config=None, environment={}, overrides={}).server.port == 7512


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.toml cannot be read: No such file"):
        load(config=tmp_path / "gone.toml", environment={}, overrides={})


def test_every_setting_has_a_variable_that_the_environment_understands(loaded: Load) -> None:
    values = {
        "OSTIARY_MASTER_KEY": "00" * 32,
        "OSTIARY_SETUP_SECRET": "sixteen characters",
        "OSTIARY_HTTP__ACCESS_CONTROL_ALLOW_ORIGIN": "https://a.example, https://b.example",
        "OSTIARY_HTTP__ALLOW_CREDENTIALS_IN_URL": "true",
        "OSTIARY_SERVER__TRUSTED_PROXIES": "10.0.0.0/8,::1",
        "OSTIARY_SERVER__MAX_REQUEST_SIZE": "2MB",
        "OSTIARY_SECURITY__AUTH_TOKEN__MAX_TTL": "1d",
        "OSTIARY_SECURITY__RESTRICTED_PROFILE_IDS": '["default", "guests"]',
        "OSTIARY_SECURITY__STANDARD__PROFILES__ANONYMOUS__RATE_LIMIT": "7",
        "OSTIARY_DATABASE__PASSWORDS__OSTIARY_CORE": "1234",
        "OSTIARY_PLUGINS__ALLOW": "local",
        "OSTIARY_LOGGING__LEVEL": "DEBUG",
    }
    settings = loaded(**values)
    assert settings.security.master_key == "00" * 32
    assert settings.security.setup_secret == "sixteen characters"
    assert settings.http.access_control_allow_origin == ("https://a.example", "https://b.example")
    assert settings.http.allow_credentials_in_url is True
    assert settings.server.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert settings.server.max_request_size == 2 * 1024 * 1024
    assert settings.security.auth_token.max_ttl == 86_400_000
    assert settings.security.restricted_profile_ids == ("default", "guests")
    assert settings.security.standard.profiles.rate_limits()["anonymous"] == 7
    assert settings.database.passwords == {"ostiary_core": "1234"}
    assert settings.plugins.allow == ("local",)
    assert settings.logging.level == "debug"


def test_an_empty_variable_is_not_given(loaded: Load) -> None:
    settings = loaded(OSTIARY_SETUP_SECRET="", OSTIARY_DATABASE__URL="")
    assert settings.security.setup_secret is None
    assert settings.database.url is None


def test_variables_that_kubernetes_sets_for_a_service_are_none_of_ours(loaded: Load) -> None:
    services = {
        "OSTIARY_SERVICE_HOST": "10.0.0.1",
        "OSTIARY_SERVICE_PORT_HTTP": "7512",
        "OSTIARY_PORT": "tcp://10.0.0.1:7512",
        "OSTIARY_PORT_7512_TCP": "tcp://10.0.0.1:7512",
        "OSTIARY_REQUIRE_ALL": "1",
    }
    assert loaded(**services) == loaded()


def test_dev_opens_what_a_fresh_kuzzle_leaves_open(loaded: Load) -> None:
    limits = "[limits]\nloginsPerSecond = 5\nwebsocketMessagesPerSecond = 50"
    settings = loaded(limits, dev=True)
    assert settings.dev
    assert settings.limits.logins_per_second == 0
    assert settings.limits.websocket_messages_per_second == 0
    assert loaded().limits.websocket_messages_per_second == 100
    assert settings.http.allow_credentials_in_url


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_dev_listens_on_loopback(loaded: Load, host: str) -> None:
    assert loaded(dev=True, options={"server.host": host}).server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example", "example.com"])
def test_dev_listens_nowhere_else(mistake: Load, host: str) -> None:
    message = mistake(dev=True, options={"server.host": host})
    assert "loopback" in message
    assert "option --host" in message


@pytest.mark.parametrize(
    "described", list(described_settings()), ids=lambda described: described.key
)
def test_every_setting_is_documented(described: Any) -> None:
    assert described.declared.doc.endswith(".")


def test_no_two_settings_share_a_variable() -> None:
    variables = [described.variable for described in described_settings() if not described.alias]
    assert len(variables) == len(set(variables))


def test_settings_travel_to_other_processes(secretive: Settings) -> None:
    assert pickle.loads(pickle.dumps(secretive)) == secretive
    assert copy.deepcopy(secretive) == secretive


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
KEYS = [described.key for described in described_settings()]


@given(key=st.sampled_from(KEYS), value=JSON)
def test_any_value_is_a_setting_or_a_settings_error(key: str, value: Any) -> None:
    try:
        settings = load(config=None, environment={}, overrides={key: value})
    except SettingsError as error:
        assert key.partition(".")[0] in str(error)  # noqa: PT017 -- either outcome is right
    else:
        assert isinstance(settings, Settings)
