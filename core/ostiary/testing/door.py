"""A toy for tests: a door, at which a provider on another site lets people in."""

from __future__ import annotations

from ostiary.testing.packages import Package, badge


def door(
    name: str = "door", *, label: str = "Door", handle: bool = False, verify: str | None = None
) -> Package:
    """Return a plugin whose users are sent to a provider, and come back with a code.

    The code is the badge that they have. With ``+pin`` behind it they are asked for a PIN, which
    is 2468; ``twice`` sends them there again, ``broken`` makes the plugin fail, and ``no`` is
    refused to who wants to link it. ``provider`` in its settings says where they are sent.

    :param handle: the plugin makes the handle of a flow itself, and sends it as ``for``.
    :param verify: code that stands for the whole hook.
    """
    declared = _DECLARED.replace("LABEL", repr(label))
    body = _VERIFY.replace("HANDLE", str(handle)) if verify is None else verify
    return badge(name, _EXTRA, declared, verify=body)


_DECLARED = """
        label=LABEL,
        fields=(
            "badge",
            CredentialField("code", registration=False, required=False),
            CredentialField(
                "phrase", label="Invitation", kind="password", registration=False, required=False
            ),
            CredentialField(
                "pin", kind="one-time-code", secret=True, registration=False, required=False
            ),
        ),
        redirects=True,
"""

_VERIFY = """
if call.state is None:
    handle = secrets.token_urlsafe(32) if HANDLE else None
    location = f"{provider()}?for={handle}" if handle else provider()
    return Redirect(location, state={"way": "out"}, handle=handle)
code = credentials.get("code") or call.state.get("badge")
if code == "twice":
    return Redirect(f"{provider()}/again", state={"way": "out"})
if code is None or code == "broken":
    raise RuntimeError("the provider is not understood")
if code.endswith("+pin"):
    text = "What is the <i>number</i>?"
    return Challenge(PIN, question={"message": text}, state={"badge": code[:-4]})
if "badge" in call.state and credentials.get("pin") != "2468":
    raise errors.LoginRefused(strategy.refusal)
async with store.read() as db:
    kuid = await db.scalar(select(badges.c.kuid).where(badges.c.badge == code))
if kuid is None:
    raise errors.LoginRefused(strategy.refusal)
return Verified(kuid, session=f"sid of {kuid}")"""

_EXTRA = '''
import secrets

PIN = (CredentialField("pin", label="PIN", kind="one-time-code", secret=True),)


def provider():
    """Return where a provider lets people in."""
    return given.get("provider", "https://door.example/in")


@hookimpl
async def ostiary_link_credentials(strategy, store, kuid, credentials, call, directory):
    if call.state is None:
        return Redirect(provider(), state={"way": "link"})
    code = credentials.get("code") or call.state.get("badge")
    if code == "no":
        raise errors.CredentialsRejected("the provider said no")
    if code.endswith("+pin"):
        return Challenge(PIN, state={"badge": code[:-4]})
    return {"badge": code}
'''
