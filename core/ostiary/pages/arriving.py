"""Where browsers come back to from a provider: what has come of it stands in the fragment.

A fragment reaches no server. A script puts what the server has to know into a form: why it has
failed, or the one-time code behind which something is still asked. Without scripts there is a link.
"""

from __future__ import annotations

from ostiary.errors import CATALOGUE, LoginRefused
from ostiary.pages.declaring import Pages
from ostiary.pages.languages import mark
from ostiary.pages.onward import onward
from ostiary.pages.problems import Refused
from ostiary.pages.sign_in import offered, step
from ostiary.pages.visit import Visit
from ostiary.pages.wording import explained
from ostiary.request import Answer

pages = Pages()

ERROR, CODE = "arrival.error", "arrival.code"
UNAUTHORIZED = 401

NOT_IN = mark("Signing in there did not succeed. Try again, or in another way.")


@pages.get("/-/signed-in/{strategy}", public=True, arrival=True)
async def arrive(visit: Visit) -> Answer:
    """Find out what has come of it."""
    return visit.page("arrival.html", where=onward(visit), strategy=visit.values["strategy"])


@pages.post("/-/signed-in/{strategy}", public=True)
async def tell(visit: Visit) -> Answer:
    """Go on with what is still asked, or say what has gone wrong."""
    where, name = onward(visit), visit.values["strategy"]
    if visit.form.text(CODE):
        return await step(visit, where, name, {"loginCode": visit.form.text(CODE)})
    refused = _refused(visit, visit.form.text(ERROR))
    if visit.me is None:
        return await offered(visit, where, refused, name)
    # Who is signed in wanted to link an account.
    return visit.page("problem.html", refused.status, text=explained(visit, refused))


def _refused(visit: Visit, id: str) -> Refused:
    """Return the refusal that a browser was told the id of; a sentence with gaps says nothing."""
    known = CATALOGUE.get(id)
    if known is None or known is LoginRefused or "{" in known.message:
        return Refused(UNAUTHORIZED, {"message": visit.say(NOT_IN)}, {})
    return Refused(known.status, {"id": id, "message": known.message}, {})
