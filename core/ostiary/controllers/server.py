"""The ``server`` controller: what a client may know of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from ostiary import errors
from ostiary.actions import GET, Controller
from ostiary.arguments import Duration
from ostiary.durations import HOUR, MINUTE
from ostiary.request import Reply
from ostiary.services import Services
from ostiary.services.health import GREEN, RED
from ostiary.services.histogram import BOUNDS

server = Controller("server")

FORMATS = {"json": "application/json", "yaml": "application/yaml"}
SCOPES = ("kuzzle", "app")
ServiceNames = Annotated[
    str | None, "Names of services, separated by commas; without them all are asked."
]
Format = Annotated[str, "`json` or `yaml`: the text is the same, for JSON is YAML 1.2."]
MOST_STEPS = 1500
"""Steps of the history that one request may ask for: the minutes of a day, and some more."""

Scope = Annotated[str, "`kuzzle` for the API of the server, `app` for that of its plugins."]


@server.action(GET("/_publicApi", deprecated="2.5.0"))
async def public_api(services: Services) -> Mapping[str, Any]:
    """List every action and its routes."""
    return services.public_api()


@server.action(GET("/_describeActions"))
async def describe_actions(services: Services) -> dict[str, Any]:
    """List every action with a sentence on it, its routes, and the plugin that adds it."""
    plugins = services.about.plugins()
    owners = {one: name for name, plugin in plugins.items() for one in plugin["controllers"]}
    hits = [
        {
            "controller": action.controller,
            "action": action.name,
            "description": action.summary,
            "plugin": owners.get(action.controller),
            "signedIn": action.signed_in,
            "http": [{"verb": route.verb, "path": route.kuzzle_path} for route in action.routes],
        }
        for action in services.actions
    ]
    return {"hits": hits, "total": len(hits)}


@server.action(GET("/_openapi"), raises=[errors.UnexpectedArgument], raw=FORMATS.values())
async def openapi(services: Services, format: Format = "json", scope: Scope = "kuzzle") -> Reply:
    """Return the OpenAPI document of this server."""
    if format not in FORMATS:
        raise errors.UnexpectedArgument(format, ", ".join(FORMATS))
    if scope not in SCOPES:
        raise errors.UnexpectedArgument(scope, ", ".join(SCOPES))
    return Reply(services.openapi(scope), raw=True, headers={"content-type": FORMATS[format]})


@server.action(GET("/"), GET("/_serverInfo"))
async def info(services: Services) -> dict[str, Any]:
    """Describe the server: its API, its plugins, what it runs on."""
    about = services.about
    kuzzle = {**about.process(), "api": {"routes": services.public_api()}}
    return {"serverInfo": {"kuzzle": kuzzle, "services": await about.services()}}


@server.action(GET("/_capabilities"))
async def capabilities(services: Services) -> dict[str, Any]:
    """Describe what the server can do: its routes, limits, plugins and services."""
    about = services.about
    return {
        "version": about.version,
        "routes": services.public_api(),
        "limits": about.limits(),
        "plugins": about.plugins(),
        "services": await about.services(),
    }


@server.action(GET("/_getConfig"))
async def get_config(services: Services) -> dict[str, Any]:
    """Return the settings in force, without anything that may be secret."""
    return services.about.config()


@server.action(GET("/_describeSettings"))
async def describe_settings(services: Services) -> Mapping[str, Any]:
    """Describe every setting of the server: what it means, its value, and where that was given.

    What is secret is hidden. `unit` is `ms`, `B` or `KiB` where a number is a duration or a size. Of
    plugins the keys that were given are told, and no values: which of those are secret, they alone
    know.
    """
    return services.about.settings()


@server.action(GET("/_describePlugins"))
async def describe_plugins(services: Services) -> dict[str, Any]:
    """Describe every plugin that is installed, or was: its state, its strategies, who needs it.

    `lockout` tells who could not sign in without it. Whether it answers (`health`) is told by the
    process that is asked, of its own calls.
    """
    plugins = await services.plugin_states.describe()
    return {"plugins": plugins, "total": len(plugins)}


@server.action(GET("/_now"))
async def now(services: Services) -> dict[str, int]:
    """Return the time of the server, in milliseconds since 1970."""
    return {"now": services.clock()}


@server.action(GET("/_adminExists"))
async def admin_exists(services: Services) -> dict[str, bool]:
    """Tell whether anybody holds the profile `admin`."""
    return {"exists": await services.users.admin_exists()}


@server.action(GET("/_healthCheck"), raises=[errors.ServiceUnavailable])
async def health_check(
    services: Services, services_: ServiceNames = None
) -> dict[str, Any] | Reply:
    """Tell whether the services that the server depends on work.

    `GET /_healthcheck`, which needs no rights, tells only that the server answers.
    """
    found = await services.health.services()
    if services_ is not None:
        asked = services_.split(",")
        found = {name: found[name] for name in found if name in asked}
    red = [name for name, state in found.items() if state == RED]
    result = {"status": RED if red else GREEN, "services": found}
    if not red:
        return result
    error = errors.ServiceUnavailable(", ".join(red))
    return Reply(result, status=error.status, error=error)


@server.action(GET("/_metrics"))
async def metrics(services: Services) -> dict[str, Any]:
    """Count the requests that run and the connections that are open in the process that answers."""
    return services.metrics.read()


@server.action(GET("/_history"), raises=[errors.InvalidArgument])
async def get_history(
    services: Services,
    since: Annotated[
        int | None,
        "From this instant on, in milliseconds since the epoch; by default an hour before `until`.",
    ] = None,
    until: Annotated[int | None, "Before this instant; by default until now."] = None,
    step: Annotated[
        Duration | None, "How long each step is: whole minutes; by default one."
    ] = None,
) -> dict[str, Any]:
    """Return how much was asked of the server lately, and how long that took.

    Every process counts and adds to the minutes when they are over, so the last one may not be
    whole. Steps in which nothing happened are left out, and minutes older than
    `history.retention` are gone.
    """
    step = Duration(MINUTE) if step is None else step
    if step < MINUTE or step % MINUTE:
        raise errors.InvalidArgument("step", "whole minutes")
    until = services.clock() if until is None else until
    since = until - HOUR if since is None else since
    # A first step that is cut off would look as if little had happened in it.
    since -= since % step
    if not 0 <= until - since <= MOST_STEPS * step:
        raise errors.InvalidArgument("since", f"at most {MOST_STEPS} steps before `until`")
    steps = await services.minutes.read(since, until, step)
    told = [one.to_json() for one in steps]
    return {"since": since, "until": until, "step": step, "bounds": BOUNDS, "steps": told}
