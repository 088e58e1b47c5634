"""The settings in force, to be read: what they mean, what they are, and where that was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages(Section("/-/console/settings", mark("Settings"), "server:describeSettings"))

SOURCES = {
    "default": mark("by default"),
    "file": mark("in the file {0}"),
    "environment": mark("by the environment variable {0}"),
    "commandLine": mark("on the command line, by {0}"),
}
SEARCHED = ("key", "description", "environment", "plugin")


@pages.get("/-/console/settings")
async def settings(visit: Visit) -> Answer:
    """Show the settings, or those in which some words stand."""
    told = await visit.call("server", "describeSettings")
    words, given = visit.query.text("q"), visit.query.text("given") == "yes"

    def wanted(one: Mapping[str, Any]) -> bool:
        text = " ".join(str(one.get(name, "")) for name in SEARCHED).lower()
        found = all(word in text for word in words.lower().split())
        return found and not (given and one["source"] == "default")

    own = [one for one in told["settings"] if wanted(one)]
    tables: dict[str, list[Any]] = {}
    for one in own:
        tables.setdefault(one["key"].rpartition(".")[0], []).append(one)
    return visit.page(
        "console/settings_found.html" if visit.by_htmx else "console/settings.html",
        tables=list(tables.items()),
        plugins=[one for one in told["plugins"] if wanted(one)],
        count=len(own),
        words=words,
        given=given,
        where=lambda one: visit.say(SOURCES[one["source"]], one["from"]),
    )
