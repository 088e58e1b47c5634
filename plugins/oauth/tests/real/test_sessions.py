"""A second way in, and the way out, with oidc-provider and a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .world import SESSION

if TYPE_CHECKING:
    from .visitors import Visitor

PASSWORD = "correct horse battery staple"


def test_who_is_signed_in_may_link_an_account_and_then_sign_in_with_it(visitor: Visitor) -> None:
    """OAU-15: an account is linked by signing in there while signed in here."""
    local = {"username": "ada", "password": PASSWORD}
    body = {"content": {"profileIds": ["default"]}, "credentials": {"local": local}}
    with visitor.world.administrator() as call:
        call("security:createUser", body, _id="ada")
    visitor.world.allow("default", "auth", "createMyCredentials")
    visitor.open_application("code")
    visitor.page.evaluate(
        "([name, word]) => application.link('npm', name, word)", ["ada", PASSWORD]
    )
    visitor.log_in("npm", "ada-there")
    visitor.consent("npm")
    visitor.page.wait_for_url("**/index.html")
    assert visitor.user() == "linked: npm"
    visitor.open_application("code")
    visitor.press("npm")
    visitor.page.wait_for_url("**/index.html")
    assert visitor.user() == "ada"


def test_who_leaves_here_leaves_at_the_provider_and_comes_back_to_the_page(
    visitor: Visitor,
) -> None:
    """OpenID Connect RP-Initiated Logout 1.0."""
    visitor.world.allow("default", SESSION, "logout")
    visitor.open_application("cookie")
    visitor.sign_in("npm", "bob")
    assert visitor.user() in visitor.world.users()
    visitor.page.evaluate("application.leave('npm')")
    visitor.page.get_by_role("button", name="Yes, sign me out").click()
    visitor.page.wait_for_url("**/index.html")
    assert visitor.user() == "nobody"
    # And the provider asks again who it is.
    visitor.press("npm")
    visitor.log_in("npm", "bob")


def test_who_leaves_at_the_provider_is_signed_out_here(visitor: Visitor) -> None:
    """OpenID Connect Back-Channel Logout 1.0."""
    visitor.world.allow("anonymous", SESSION, "backchannel")
    page = visitor.open_application("cookie")
    visitor.sign_in("npm", "cid")
    assert visitor.user() in visitor.world.users()
    page.goto(f"{visitor.world.registered.npm_url}/session/end")
    page.get_by_role("button", name="Yes, sign me out").click()
    page.get_by_text("Sign-out Success").wait_for()
    visitor.open_application("cookie")
    assert visitor.user() == "nobody"
