"""What the events of the audit log are called, as people read them."""

from __future__ import annotations

from ostiary.pages.languages import mark

NAMES = {
    "SignedIn": mark("Signed in"),
    "SignInRefused": mark("Sign-in refused"),
    "SignInHeldBack": mark("Sign-in held back"),
    "LoginsReleased": mark("Released from waiting"),
    "ReauthenticationRefused": mark("Proof before a change refused"),
    "ActionRefused": mark("Action refused"),
    "ActionRun": mark("Action run"),
    "SignedOut": mark("Signed out"),
    "SessionsEnded": mark("Sessions ended"),
    "TokenCreated": mark("Token made"),
    "TokenRefreshed": mark("Token refreshed"),
    "UserCreated": mark("User created"),
    "UserChanged": mark("User changed"),
    "UserProfilesChanged": mark("Profiles of a user changed"),
    "UserDisabled": mark("User disabled"),
    "UserEnabled": mark("User enabled"),
    "UserDeleted": mark("User deleted"),
    "CredentialsCreated": mark("Credentials created"),
    "CredentialsChanged": mark("Credentials changed"),
    "CredentialsDeleted": mark("Credentials deleted"),
    "ApiKeyCreated": mark("API key created"),
    "ApiKeyDeleted": mark("API key deleted"),
    "RoleChanged": mark("Role changed"),
    "RoleDeleted": mark("Role deleted"),
    "ProfileChanged": mark("Profile changed"),
    "ProfileDeleted": mark("Profile deleted"),
    "RightsRestricted": mark("Rights restricted"),
    "SecurityReset": mark("All users deleted"),
    "SigningKeyRotated": mark("Signing key replaced"),
    "MasterKeyRotated": mark("Master key replaced"),
    "PluginDisabled": mark("Plugin disabled"),
    "PluginEnabled": mark("Plugin enabled"),
    "PluginRemoved": mark("Plugin removed"),
    "PluginRestored": mark("Plugin restored"),
}
"""By the names of the events; ``events.kinds`` has them."""
