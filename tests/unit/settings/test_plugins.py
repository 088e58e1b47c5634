"""A plugin types its own table, and sees no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from ostiary import Folder, Span
from ostiary.settings import SettingsError, Table, read_settings

Load = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Provider:
    client_id: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Oauth:
    """The settings of some plugin."""

    max_ttl: int = field(default=1, metadata={"key": "maxTTL"})
    mode: Literal["fast", "safe"] = "safe"
    ratio: float = 0.5
    providers: Mapping[str, Provider] = field(default_factory=dict)
    fallbacks: tuple[Provider, ...] = ()

    def __post_init__(self) -> None:
        if self.max_ttl > 9:
            raise ValueError("maxTTL is at most 9")


def test_the_table_of_a_plugin_is_typed_by_the_plugin(loaded: Load) -> None:
    toml = (
        "[plugins.oauth]\nmaxTTL = 3\nfallbacks = [{clientId = 'b'}]\n"
        "[plugins.oauth.providers.google]\nclientId = 'a'\nscopes = ['email']"
    )
    read = read_settings(loaded(toml).plugins.tables["oauth"], Oauth)
    assert read == Oauth(
        max_ttl=3,
        providers={"google": Provider(client_id="a", scopes=("email",))},
        fallbacks=(Provider(client_id="b"),),
    )


@dataclass(frozen=True, kw_only=True)
class Optional:
    """What a plugin may leave out, of the types that ``ostiary`` offers."""

    texts: Annotated[Folder | None, "A folder."] = None
    pause: Annotated[Span | None, "A pause."] = None
    bare: Folder | None = None


def test_a_type_of_the_interface_may_be_left_out_or_given(loaded: Load) -> None:
    toml = "[plugins.oauth]\ntexts = '/srv/texts'\npause = '2s'"
    variables = {"OSTIARY_PLUGINS__OAUTH__BARE": "/srv/bare"}
    read = read_settings(loaded(toml, **variables).plugins.tables["oauth"], Optional)
    assert read == Optional(texts=Path("/srv/texts"), pause=2000, bare=Path("/srv/bare"))
    with pytest.raises(SettingsError, match="wanted: the path of a folder"):
        read_settings(loaded("[plugins.oauth]\ntexts = 5").plugins.tables["oauth"], Optional)
    assert read_settings({}, Optional) == Optional()


def test_the_environment_reaches_a_plugin_and_beats_the_file(loaded: Load) -> None:
    toml = "[plugins.oauth]\nmaxTTL = 3\nmode = 'fast'"
    variables = {
        "OSTIARY_PLUGINS__OAUTH__MAX_TTL": "4",
        "OSTIARY_PLUGINS__OAUTH__RATIO": "0.25",
        "OSTIARY_PLUGINS__OAUTH__PROVIDERS__GOOGLE__CLIENT_ID": "0123",
    }
    table = loaded(toml, **variables).plugins.tables["oauth"]
    read = read_settings(table, Oauth)
    assert (read.max_ttl, read.mode, read.ratio) == (4, "fast", 0.25)
    assert read.providers["google"].client_id == "0123"


def test_the_environment_gives_a_list_of_tables_as_json(loaded: Load) -> None:
    variable = "OSTIARY_PLUGINS__OAUTH__FALLBACKS"
    given = {variable: '[{"clientId": "a", "scopes": ["b"]}]'}
    read = read_settings(loaded("", **given).plugins.tables["oauth"], Oauth)
    assert read.fallbacks == (Provider(client_id="a", scopes=("b",)),)
    for wrong in ("[{", "a", '["a"]', '{"clientId": "a"}'):
        table = loaded("", **{variable: wrong}).plugins.tables["oauth"]
        with pytest.raises(SettingsError, match=r"plugins\.oauth\.fallbacks.*variable"):
            read_settings(table, Oauth)


def test_a_plugin_learns_dev_only_where_it_asks(loaded: Load) -> None:
    @dataclass(frozen=True)
    class Curious:
        dev: bool

    table = loaded("[plugins.oauth]\nmaxTTL = 3").plugins.tables["oauth"]
    assert isinstance(table, Table)
    assert read_settings(table | {"dev": True}, Oauth).max_ttl == 3
    assert read_settings({"dev": True}, Curious).dev
    assert "dev" not in table


@pytest.mark.parametrize(
    "toml,message",
    [
        ("maxTTl = 1", r"plugins\.oauth\.maxTTl \(.*ostiary\.toml\) .* plugins\.oauth\.maxTTL\?"),
        ("mode = 'quick'", r"plugins\.oauth\.mode \(.*\): wanted: one of 'fast', 'safe'"),
        ("maxTTL = '3'", r"plugins\.oauth\.maxTTL \(.*\): wanted: int, got str"),
        ("maxTTL = 10", r"plugins\.oauth: maxTTL is at most 9"),
        ("providers = {x = {}}", r"plugins\.oauth\.providers\.x\.clientId .*is missing"),
        ("providers = {x = 1}", r"plugins\.oauth\.providers\.x .*wanted: a table"),
        ("providers = 1", r"plugins\.oauth\.providers .*wanted: a table of tables"),
        ("fallbacks = [{clientID = 'a'}]", r"fallbacks\[0\]\.clientID .*clientId\?"),
        ("fallbacks = {}", r"plugins\.oauth\.fallbacks .*wanted: a list of tables"),
    ],
)
def test_a_wrong_setting_of_a_plugin_names_plugin_key_and_file(
    loaded: Load, toml: str, message: str
) -> None:
    table = loaded(f"[plugins.oauth]\n{toml}").plugins.tables["oauth"]
    with pytest.raises(SettingsError, match=message):
        read_settings(table, Oauth)


def test_a_plain_table_is_named_by_the_caller() -> None:
    with pytest.raises(SettingsError, match=r"^maxTTl is not a setting; did you mean maxTTL\?$"):
        read_settings({"maxTTl": 1}, Oauth)
    with pytest.raises(SettingsError, match=r"^here\.maxTTl is not a setting"):
        read_settings({"maxTTl": 1}, Oauth, where="here")


def test_a_plugin_sees_its_own_table_only(loaded: Load) -> None:
    toml = "[plugins.one]\na = 1\n[plugins.two]\nb = 2"
    tables = loaded(toml).plugins.tables
    assert tables == {"one": {"a": 1}, "two": {"b": 2}}


def test_what_a_dataclass_refuses_says_where_it_was_given(loaded: Load) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Strict:
        shortest: int = 1
        longest: int = 9

        def __post_init__(self) -> None:
            if self.shortest > self.longest:
                raise ValueError("shortest: wanted: no more than longest")

    table = loaded("[plugins.strict]\nshortest = 10").plugins.tables["strict"]
    with pytest.raises(SettingsError, match=r"^plugins\.strict\.shortest \(.*toml\): wanted: no"):
        read_settings(table, Strict)
    table = loaded("[plugins.strict]\nlongest = 0").plugins.tables["strict"]
    with pytest.raises(SettingsError, match=r"^plugins\.strict\.shortest: wanted"):
        read_settings(table, Strict)


def test_what_a_dataclass_refuses_may_stand_below_it_or_be_missing(loaded: Load) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Strict:
        providers: Mapping[str, Provider] = field(default_factory=dict)
        told: str = ""

        def __post_init__(self) -> None:
            raise ValueError(self.told)

    toml = "[plugins.strict]\ntold = '{}'\n[plugins.strict.providers.x]\nclientId = 'a'"
    for told, message in [
        ("providers.x.clientId: bad", r"^plugins\.strict\.providers\.x\.clientId \(.*toml\): bad$"),
        ("providers.x.scopes: none", r"^plugins\.strict\.providers\.x\.scopes \(.*toml\): none$"),
        ("providers.y.scopes: none", r"^plugins\.strict\.providers\.y\.scopes \(.*toml\): none$"),
        ("elsewhere.x: bad", r"^plugins\.strict: elsewhere\.x: bad$"),
    ]:
        table = loaded(toml.format(told)).plugins.tables["strict"]
        with pytest.raises(SettingsError, match=message):
            read_settings(table, Strict)


@pytest.mark.parametrize("name", ["myIdp", "my_idp", "my-idp", "myidp"])
def test_a_variable_means_the_name_that_the_file_has_written(loaded: Load, name: str) -> None:
    toml = f"[plugins.oauth.providers.{name}]\nscopes = ['email']"
    variables = {"OSTIARY_PLUGINS__OAUTH__PROVIDERS__MY_IDP__CLIENT_ID": "a"}
    table = loaded(toml, **variables).plugins.tables["oauth"]
    assert read_settings(table, Oauth).providers == {
        name: Provider(client_id="a", scopes=("email",))
    }
