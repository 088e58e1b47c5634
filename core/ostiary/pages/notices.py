"""What a page says at its top after something was done, by the word in its address."""

from __future__ import annotations

from ostiary.pages.languages import mark

NOTICES = {
    "signed-out": mark("You are signed out."),
    "administrator": mark("The administrator is made."),
    "saved": mark("Saved."),
    "created": mark("Created."),
    "deleted": mark("Deleted."),
    "ended": mark("Ended: whoever was signed in so is signed out."),
}
