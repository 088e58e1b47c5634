"""Visitors of pages: one who reads HTML and sends forms, and one in front of a real browser."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import httpx2
from bs4 import BeautifulSoup, Tag
from playwright.sync_api import BrowserContext, Page

SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True},
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SHOTS = Path(
    os.environ.get("OSTIARY_SCREENSHOTS") or Path(__file__).parents[2] / "build" / "screenshots"
)
"""Where the pictures of a run are kept."""

NARROW = 320
"""The width of a small phone, or of a desktop at 400 % (WCAG 2.2, 1.4.10)."""

CONTRAST = {"runOnly": ["color-contrast", "link-in-text-block"]}
"""The rules that look at colours."""

EVERY_RULE: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}}
"""All that axe-core does by itself, best practices among it, and how large a target is."""

TOO_WIDE = """() => {
    const all = document.documentElement
    if (all.scrollWidth <= all.clientWidth) return []
    return [all, ...document.body.querySelectorAll("*")].filter(one => !one.closest(".scroll"))
        .filter(one => one.getBoundingClientRect().right > all.clientWidth || one === all)
        .map(one => one.outerHTML.slice(0, 200))
}"""

SIDEWAYS = """() => [...document.querySelectorAll(".scroll")]
    .filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth)
    .map(one => one.outerHTML.slice(0, 200))"""

FAULTS = """async options => (await axe.run(options)).violations.map(
    rule => `${rule.id}: ${rule.help}: ${rule.nodes.map(one => one.html).join(" | ")}`
)"""


class Visitor:
    """Somebody whose browser runs no scripts: it keeps cookies, follows links and sends forms.

    :ivar soup: the page that is open.
    """

    def __init__(self, url: str, **headers: str) -> None:
        self.url = url
        self._client = httpx2.Client(
            base_url=url, headers={"Accept": "text/html", **headers}, follow_redirects=True
        )
        self.soup = BeautifulSoup("", "html.parser")
        self.status, self.path = 0, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def text(self) -> str:
        """What is to be read on the page."""
        return " ".join(self.soup.get_text(" ").split())

    @property
    def faulty(self) -> list[str]:
        """The names of the fields that something is wrong with, which is told beside each."""
        fields = self.soup.select("[aria-invalid=true]")
        for one in fields:
            told = self.soup.find(id=str(one["aria-describedby"]).split()[0])
            assert told is not None
            assert told["role"] == "alert"
        return [str(one["name"]) for one in fields]

    @property
    def language(self) -> str:
        """Which language the page says that it is in."""
        return str(self.soup.select("html")[0]["lang"])

    def open(self, path: str, **headers: str) -> Visitor:
        """Go to a page."""
        return self._show(self._client.get(path, headers=headers))

    def one(self, selector: str) -> Tag:
        """Return the first element of the page that a selector of CSS finds."""
        found = self.soup.select_one(selector)
        assert found is not None, f"nothing is {selector}"
        return found

    def form(self, action: str) -> Tag:
        """Return the form of the page that is sent to an address."""
        found = self.soup.select(f'form[action="{action}"]')
        assert found, f"no form {action}; there are {[f.get('action') for f in self.soup('form')]}"
        return found[0]

    def filled(self, action: str, /, **fields: Any) -> dict[str, Any]:
        """Return what a form would send, with some fields filled in."""
        form = self.form(action)
        values: dict[str, list[str]] = {}
        for one in form.select("input[name], select[name], textarea[name]"):
            for value in _values(one):
                values.setdefault(str(one["name"]), []).append(value)
        return {**values, **fields}

    def send(self, action: str, /, **fields: Any) -> Visitor:
        """Send a form of the page, with some fields filled in."""
        return self.send_from(self.url, action, **fields)

    def send_from(self, origin: str, action: str, /, **fields: Any) -> Visitor:
        """Send it as a page of another origin would."""
        data = self.filled(action, **fields)
        return self._show(self._client.post(action, data=data, headers={"Origin": origin}))

    def sign_in(self, strategy: str, **fields: str) -> Visitor:
        """Sign in on the first page."""
        return self.open("/").send(f"/-/sign-in/{strategy}", **fields)

    def _show(self, answer: httpx2.Response) -> Visitor:
        self.status, self.path = answer.status_code, answer.url.raw_path.decode()
        self.answer, self.soup = answer, BeautifulSoup(answer.text, "html.parser")
        return self


def _values(one: Tag) -> list[str]:
    if one.name == "select":
        return [str(o.get("value", o.get_text())) for o in one.select("option[selected]")]
    if one.get("type") in ("checkbox", "radio"):
        return [str(one.get("value", "on"))] if one.has_attr("checked") else []
    return [one.get_text() if one.name == "textarea" else str(one.get("value", ""))]


@dataclass
class Screen:
    """A browser as somebody holds it in front of them.

    :ivar name: ``desktop`` or ``phone``.
    :ivar axe: the script of axe-core.
    """

    url: str
    name: str
    context: BrowserContext
    axe: str = field(repr=False)
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(8_000)
        self.page: Page = self.context.new_page()
        # What the policy of the page has stopped is told on the console.
        self.page.on("console", lambda told: self._note(told.type, told.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))

    def open(self, path: str) -> Page:
        """Go to a page."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def sign_in(self, strategy: str, **fields: str) -> Page:
        """Sign in by the API, whose cookie the browser keeps; the page for it has tests of its own."""
        login = f"{self.url}/_login/{strategy}?cookieAuth=true"
        answer = self.context.request.post(login, data=fields)
        assert answer.ok, answer.text()
        return self.page

    def look(self, name: str) -> None:
        """Keep pictures of the page, light and dark, and see that nothing is wrong with it."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        faults = []
        for scheme in SCHEMES:
            self.page.emulate_media(color_scheme=scheme)
            self.page.screenshot(path=SHOTS / f"{name}-{self.name}-{scheme}.png", full_page=True)
            faults += self._judged(EVERY_RULE if scheme == "light" else CONTRAST)
        self.page.emulate_media(color_scheme="light")
        assert faults == [], f"{name} on a {self.name}"
        assert self.overflows() == [], f"{name} is wider than the screen of a {self.name}"
        assert self.troubles == []

    def overflows(self) -> list[str]:
        """Return what makes the page be scrolled sideways, on this screen or a smaller one.

        On the smaller one no table is scrolled either.
        """
        before = self.page.viewport_size
        assert before is not None
        found: list[str] = self.page.evaluate(TOO_WIDE)
        self.page.set_viewport_size({"width": NARROW, "height": before["height"]})
        found += self.page.evaluate(TOO_WIDE)
        found += self.page.evaluate(SIDEWAYS)
        self.page.set_viewport_size(before)
        return found

    def _judged(self, options: dict[str, Any]) -> list[str]:
        """Return what axe-core finds; it comes from beside the page, past the policy of it."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(self.axe)
        found: list[str] = self.page.evaluate(FAULTS, options)
        return found

    def _note(self, kind: str, text: str) -> None:
        # A refusal is shown in the page; that its status is no success is no trouble.
        if kind == "error" and "the server responded with a status" not in text:
            self.troubles.append(text)
