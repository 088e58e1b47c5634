"""Choosing the language of the pages."""

from __future__ import annotations

from ostiary.pages.declaring import Pages
from ostiary.pages.languages import languages
from ostiary.pages.onward import is_page
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()


@pages.post("/-/language", public=True)
async def choose(visit: Visit) -> Answer:
    """Keep in the browser which language it wants, and go back to the page it was on."""
    chosen = visit.form.text("language")
    if chosen in languages():
        visit.cookies.append(visit.site.behind.cookies.language(chosen))
    back = visit.form.text("then")
    return visit.redirect(back if is_page(back) else "/")
