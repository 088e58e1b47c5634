"""A toy for tests: passes of another house, of which a user may link several and keeps the last."""

from __future__ import annotations

from dataclasses import replace

from ostiary.testing.packages import Package, badge

DECLARED = """
        fields=("badge", "way", "code", CredentialField("pin", kind="one-time-code", secret=True)),
        several=SEVERAL,
        keeps_last=True,
"""


def passes(name: str = "pass", *, several: bool = True) -> Package:
    """Return a plugin whose users sign in elsewhere, and link what they have there.

    There they are given the code ``of-<badge>`` of a badge; ``again`` asks for the pin 2468 of
    the badge first, and no other code is good. A link without a way leads there; with the ``way``
    ``ask`` the pin is asked for here, and with ``show`` the badge is taken as it is; ``barred`` is refused, ``nowhere`` no answer. ``linked``
    lists the calls of the hook that links, ``erased`` whose badges were erased.
    """
    declared = DECLARED.replace("SEVERAL", str(several))
    package = badge(name, _EXTRA, declared, **_BODIES)
    source = package.source.replace('"kuid", String, primary_key=True', '"kuid", String')
    source = source.replace("nullable=False, unique=True", "primary_key=True")
    (revision,) = package.files
    steps = package.files[revision].replace(
        '"kuid", sa.String, primary_key=True', '"kuid", sa.String'
    )
    steps = steps.replace("nullable=False, unique=True", "primary_key=True")
    return replace(package, source=source, files={revision: steps})


_BODIES = {
    "verify": """
verdict = await at("verify", "")
if verdict is not None:
    return verdict
if call.state is None:
    return Redirect("https://pass.example/in", state={"verifier": "v"})
held = found(credentials, call)
async with store.read() as db:
    kuid = await db.scalar(select(badges.c.kuid).where(badges.c.badge == held))
if kuid is None:
    raise errors.LoginRefused(strategy.refusal)
return Verified(kuid, session=f"sid-{held}")""",
    "validate": """
await at("validate", user.kuid)
if call.state is None and call.controller == "auth" and credentials.get("way") != "show":
    raise errors.CredentialsRejected("nothing was proved")""",
    "delete": """
erased.append(kuid)
async with store.begin() as db:
    await db.execute(delete(badges).where(badges.c.kuid == kuid))""",
    "get": """
mine = select(badges.c.badge).where(badges.c.kuid == kuid).order_by(badges.c.badge)
async with store.read() as db:
    held = list((await db.execute(mine)).scalars())
return {"badges": held} if held else None""",
}

_EXTRA = '''
linked, erased = [], []
PIN = (CredentialField("pin", label="PIN", kind="one-time-code", secret=True),)


def found(credentials, call):
    """Return the badge of which a code is."""
    if "verifier" not in call.state:
        raise errors.LoginRefused("Nothing like this was begun.")
    head, _, held = str(credentials.get("code")).partition("of-")
    if head or not held:
        raise errors.LoginRefused("This code is not good.")
    return held


@hookimpl
async def ostiary_link_credentials(strategy, store, kuid, credentials, call, directory):
    linked.append((kuid, dict(credentials), call))
    await at("link", kuid)
    if call.state is None and credentials.get("way") == "show":
        return {"badge": credentials["badge"], "way": "show"}
    if call.state is None and credentials.get("way") == "ask":
        return Challenge(PIN, question={"of": "the pass"}, state={"badge": credentials["badge"]})
    if call.state is None and credentials.get("way") == "nowhere":
        return None
    if call.state is None and credentials.get("way") == "barred":
        raise errors.LoginRefused("This way is barred.")
    if call.state is None:
        return Redirect("https://pass.example/in", state={"verifier": "v"})
    if "badge" in call.state:
        if credentials.get("pin") == "again":
            return Challenge(PIN, state=call.state)
        if credentials.get("pin") != "2468":
            raise errors.LoginRefused("This PIN is wrong.")
        return {"badge": call.state["badge"]}
    if credentials.get("code") == "again":
        return Challenge(PIN, state={"badge": credentials["badge"]})
    return {"badge": found(credentials, call)}
'''
