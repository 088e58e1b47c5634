"""What users can do before they sign in, or with an address that is not verified, as pages draw it."""

from __future__ import annotations

from collections.abc import Iterator

from ostiary import CredentialField, Form
from ostiary_local import errors
from ostiary_local.settings import LocalSettings

NEW_PASSWORD, VERIFY = "new-password", "verify-address"
"""By what the addresses of the pages that mails lead to are known."""

CODE = "token"


def offered(
    settings: LocalSettings, reset_page: str | None, verify_page: str | None
) -> Iterator[Form]:
    """Yield the forms.

    :param reset_page: where mails lead to by which a new password is set.
    :param verify_page: where mails lead to by which an address is verified.
    """
    if settings.mail is not None and reset_page is not None:
        yield Form(
            name="forgotten-password",
            action="password:requestReset",
            label="I have forgotten my password",
            help="You get a mail with a link to set a new one.",
            done="If there is such an account, a mail is on its way to its verified addresses.",
            fields=(CredentialField("username", label="User name or e-mail address"),),
        )
    yield Form(
        name=NEW_PASSWORD,
        action="password:reset",
        label="Choose a new password",
        done="The new password is set. Sign in with it.",
        fields=(CredentialField("password", kind="password", secret=True, label="New password"),),
        code=CODE,
        refusals={
            errors.ExpiredPassword.id: "resetToken",
            errors.MustChangePassword.id: "resetToken",
        },
    )
    if settings.mail is not None and verify_page is not None:
        yield Form(
            name="request-verification",
            action="identifier:requestVerification",
            label="Send a mail",
            help="A mail with a link goes to the address.",
            done="A mail is on its way. Follow the link in it.",
            beside=("email",),
            value="value",
            signed_in=True,
        )
    yield Form(
        name=VERIFY,
        action="identifier:verify",
        label="Verify an address",
        help="Confirm that you want to sign in with the address to which the link was sent.",
        done="The address is verified.",
        code=CODE,
        beside=("email", "phone"),
    )
