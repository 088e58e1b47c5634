"""Who has signed in as me of late, and who has tried."""

from __future__ import annotations

from ostiary.pages.account.parts import SIGN_INS, draw, within
from ostiary.pages.credentials import labels
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.visit import Visit
from ostiary.request import Answer

pages = Pages()

SHOWN = 20
"""On one page."""

OUTCOMES = {
    "signedIn": mark("Signed in"),
    "refused": mark("Refused"),
    "heldBack": mark("Held back after too many failures"),
    "proofRefused": mark("A change of credentials was refused: the proof was wrong"),
}


@pages.get(SIGN_INS.path)
@within(SIGN_INS)
async def sign_ins(visit: Visit) -> Answer:
    """List them, the newest first."""
    before = visit.query.number("before")
    found = await visit.call("auth", "getMySignIns", size=SHOWN + 1, before=before or None)
    hits = found["hits"]
    return draw(
        visit,
        "account/sign_ins.html",
        sign_ins=hits[:SHOWN],
        more=hits[SHOWN - 1]["_id"] if len(hits) > SHOWN else None,
        before=before,
        outcomes=OUTCOMES,
        labels=await labels(visit),
    )
