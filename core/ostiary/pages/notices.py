"""What a page says at its top after something was done, by the word in its address."""

from __future__ import annotations

from ostiary.pages.languages import mark

NOTICES = {
    "signed-out": mark("You are signed out."),
    "left": mark(
        "This browser is signed out. You do not have the right to end the session: it ends by itself."
    ),
    "administrator": mark("The administrator is made."),
    "linked": mark("The account is linked: you can sign in with it."),
    "saved": mark("Saved."),
    "created": mark("Created."),
    "way-added": mark("From now on you can sign in with it."),
    "way-changed": mark("Saved. If it opens your account, your other sessions have ended."),
    "verified": mark("Verified: it is known now to be yours."),
    "way-removed": mark("Removed. Your other sessions have ended."),
    "one-removed": mark("Removed: it lets nobody in any more."),
    "session-ended": mark("The session is ended."),
    "deleted": mark("Deleted."),
    "ended": mark("Ended."),
    "released": mark("They may try again now."),
}
