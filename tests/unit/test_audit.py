"""Which actions the audit log names."""

from __future__ import annotations

from ostiary import audit
from ostiary.composition import make_registry


def test_what_only_reads_is_not_noted() -> None:
    """LEAK-07."""
    noted = {action.name for action in make_registry() if audit.is_noted(action)}
    assert {"login", "logout", "refreshToken", "createUser", "createFirstAdmin"} <= noted
    assert {"updateSelf", "deleteUser", "createMyCredentials", "updateCredentials"} <= noted
    assert noted.isdisjoint({"checkToken", "getCurrentUser", "getUser", "publicApi", "now"})
    assert noted.isdisjoint({"describeStrategies", "explainUserRights", "previewRole"})
    assert noted.isdisjoint({"hasCredentials", "credentialsExist", "validateCredentials"})
