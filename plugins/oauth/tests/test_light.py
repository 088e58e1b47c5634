"""What the plugin costs a server on which nobody signs in with it."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from ostiary.testing.server import ThrowAwayServer
from ostiary.testing.wire import HttpApi

HEAVY = {"authlib", "httpx2", "httpcore2", "requests"}
"""What talks with providers; hundredths of a second and megabytes each."""

IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| *(\w+)(?:\.[\w.]+)?$", re.MULTILINE)
"""The packages that are imported; one that an entry point names tells itself by its modules."""

PROVIDER = """
[plugins.oauth]
allowInsecureHttp = true

[plugins.oauth.strategies.work]
provider = "oauth2"
authorizationURL = "http://127.0.0.1:9/authorize"
tokenURL = "http://127.0.0.1:9/token"
userinfoURL = "http://127.0.0.1:9/user"
identifierAttribute = "id"
clientID = "ostiary"
clientSecret = "a secret of the test"
callbackURL = "http://localhost/_login/work"
"""


@pytest.mark.parametrize("settings", ["", PROVIDER], ids=["no provider", "a provider"])
def test_what_talks_with_providers_is_not_loaded_before_somebody_signs_in(settings: str) -> None:
    traced = {"PYTHONPROFILEIMPORTTIME": "1"}
    server = ThrowAwayServer(dev=True, settings=settings, environment=traced)
    with server, closing(HttpApi(server.port)) as api:
        assert api.send("GET", "/strategies").status == 200
        loaded = set(IMPORTED.findall(server.log))
        assert "ostiary_oauth" in loaded
        assert loaded & HEAVY == set()
        if settings:
            # Else this test would see nothing.
            assert api.send("GET", "/_login/work").status == 302
            assert "authlib" in set(IMPORTED.findall(server.log))
