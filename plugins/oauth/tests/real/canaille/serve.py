"""Serve Canaille, an identity provider from PyPI, with its own pages for logging in and for consent.

Run by the Python of an environment that Canaille is installed in, and nothing of ours. Standard
input is JSON: {port, host, clients, people, key}, where a client is {id, secret, method,
redirect_uris, post_logout_redirect_uris} and people are names; the password of a person is
their name, twice.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from werkzeug.serving import make_server

wanted: dict[str, Any] = json.load(sys.stdin)
app = create_app(
    {
        "SECRET_KEY": "a key of the test",
        "SERVER_NAME": f"{wanted['host']}:{wanted['port']}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {
            "DATABASE": "memory",
            "JAVASCRIPT": False,
            "HTMX": False,
            "SMTP": None,
        },
        # No domain is trusted: everybody is asked for consent.
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [wanted["key"]], "TRUSTED_DOMAINS": []},
    }
)
with app.app_context(), Backend.instance.session():
    for name in wanted["people"]:
        Backend.instance.save(
            models.User(
                user_name=name,
                password=name * 2,
                given_name=name,
                family_name="of Canaille",
                formatted_name=f"{name} of Canaille",
                emails=[f"{name}@example.org"],
            )
        )
    for client in wanted["clients"]:
        made = models.Client(
            client_id=client["id"],
            client_secret=client["secret"],
            client_name=client["id"],
            client_uri="https://ostiary.example",
            token_endpoint_auth_method=client["method"],
            redirect_uris=client["redirect_uris"],
            post_logout_redirect_uris=client["post_logout_redirect_uris"],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            scope=["openid", "profile", "email"],
        )
        Backend.instance.save(made)
        # As its own registration of clients does: what a client gets is for itself.
        made.audience = [made]
        Backend.instance.save(made)
make_server("127.0.0.1", wanted["port"], app, threaded=True).serve_forever()
