"""What a browser does with the answer of a provider: it follows it, or posts the form there."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qsl

import httpx2


def sent_back(answer: httpx2.Response) -> tuple[str, dict[str, str]]:
    """Return where a browser goes that the provider has answered, and what it brings there.

    By its query; or by a form that is posted (OAuth 2.0 Form Post Response Mode).
    """
    if answer.status_code == 302:
        back, _, query = answer.headers["location"].partition("?")
        return back, dict(parse_qsl(query))
    assert answer.status_code == 200, answer.text
    form = _Form()
    form.feed(answer.text)
    return form.to, form.fields


class _Form(HTMLParser):
    """The form of a page: where it is posted to, and its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.to, self.fields = "", dict[str, str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert given["method"] == "post"
            self.to = given["action"]
        elif tag == "input":
            self.fields[given["name"]] = given["value"]
