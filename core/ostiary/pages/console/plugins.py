"""Strategies and plugins: which ways to sign in there are, how they do, and who needs them."""

from __future__ import annotations

from ostiary.pages.declaring import Pages, Section
from ostiary.pages.languages import mark
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages(
    Section("/-/console/plugins", mark("Strategies and plugins"), "server:describePlugins")
)


@pages.get("/-/console/plugins")
async def plugins(visit: Visit) -> Answer:
    """Show every plugin that is installed, or was."""
    told = await visit.call("server", "describePlugins")
    return visit.page("console/plugins.html", plugins=told["plugins"])
