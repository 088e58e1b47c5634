"""A toy for tests: a lock with a secret code, which its owner proves again before it is changed."""

from __future__ import annotations

from ostiary.testing.packages import Package, badge

DECLARED = """
        fields=("badge", CredentialField("code", kind="password", secret=True), "colour"),
        proof=(CredentialField("currentCode", kind="password", secret=True),),
        identifier="badge",
"""


def lock(name: str = "lock", declared: str = DECLARED, family: int = 0x71) -> Package:
    """Return a plugin whose users have a badge and a code, and prove the code once more.

    The proof is ``currentCode`` in the body, or the argument ``code``. The codes 0000 and 9999
    are odd: the one is refused as too easy, the other is right and no longer good for a login.
    ``asked`` lists whoever was asked for a proof, ``calls`` those of every update.

    :param family: the third byte of the codes of its errors.
    """
    bodies = {key: text.replace("LOCK", name) for key, text in _BODIES.items()}
    extra = _EXTRA.replace("LOCK", name).replace("0x04_71", f"0x04_{family:02X}")
    return badge(name, extra, declared, **bodies)


_BODIES = {
    "verify": """
await at("verify", "")
shown = f'{credentials.get("badge")}/{credentials.get("code")}'
async with store.read() as db:
    kuid = await db.scalar(select(badges.c.kuid).where(badges.c.badge == shown))
if kuid is None:
    raise errors.LoginRefused(strategy.refusal)
await at("verified", kuid)
if credentials["code"] == "9999":
    told = {"www_authenticate": "Lock", "kuid": kuid, "reason": "known to the log"}
    raise Expired(proved=True, resetToken="token-that-resets", **told)
return Verified(kuid)""",
    "validate": """
await at("validate", user.kuid)
if credentials.get("code") == "0000":
    raise errors.CredentialsRejected("the code is too easy")""",
    "create": """
await at("create", kuid)
held = f'{credentials["badge"]}/{credentials["code"]}'
async with store.begin() as db:
    await db.execute(insert(badges).values(kuid=kuid, badge=held))
return {"badge": credentials["badge"]}""",
    "update": """
calls.append(call)
await at("update", kuid)
async with store.begin() as db:
    badge, code = (await db.scalar(select(badges.c.badge).where(badges.c.kuid == kuid))).split("/")
    badge, code = credentials.get("badge", badge), credentials.get("code", code)
    mine = update(badges).where(badges.c.kuid == kuid)
    await db.execute(mine.values(badge=f"{badge}/{code}"))
await at("updated", kuid)
return {"badge": badge}""",
    "get": """
async with store.read() as db:
    held = await db.scalar(select(badges.c.badge).where(badges.c.kuid == kuid))
return None if held is None else {"badge": held.split("/")[0]}""",
}

_EXTRA = '''
from typing import TypedDict

NoProof = errors.BadRequestError.declare(
    "plugin.LOCK.no_proof", 0x04_71_0001, "The current code is missing."
)
WrongProof = errors.ForbiddenError.declare(
    "plugin.LOCK.wrong_proof", 0x04_71_0002, "This is not the current code."
)
Expired = errors.LoginRefusal.declare("plugin.LOCK.expired", 0x04_71_0003, "The code is too old.")

asked, calls = [], []
keys = Controller("keys")


@hookimpl
async def ostiary_reauthenticate(store, kuid, credentials, call):
    asked.append((kuid, dict(credentials), dict(call.args), f"{call.controller}:{call.action}"))
    await at("reauthenticate", kuid)
    proof = credentials.get("currentCode", call.args.get("code"))
    if proof is None:
        raise NoProof
    async with store.read() as db:
        held = await db.scalar(select(badges.c.badge).where(badges.c.kuid == kuid))
    if held.split("/")[1] != proof:
        raise WrongProof


class NewCode(TypedDict):
    code: str


@keys.action(POST("/LOCK/{_id}/_change"), raises=[errors.TargetTooPowerful])
async def change(directory, call, id: str, body: NewCode):
    """Change the code of a user who may do no more than the caller."""
    await directory.check_authority(id, call)
    return await directory.change_credentials("LOCK", id, {"code": body["code"]}, call)


@keys.action(POST("/LOCK/{_id}/_hint"))
async def hint(directory, call, id: str):
    """Check the authority of the caller, and forget to declare what comes of it."""
    await directory.check_authority(id, call)
    return True


@hookimpl
def ostiary_controllers():
    return [keys]
'''
