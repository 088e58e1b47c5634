"""The errors of the OAuth plugin, under the name that clients know it by."""

from __future__ import annotations

from ostiary import errors

WIRE_NAME = "kuzzle-plugin-auth-passport-oauth"
"""What the plugin is called on the wire."""

_ID = f"plugin.{WIRE_NAME}."

# fmt: off
ProviderUnavailable = errors.ServiceUnavailableError.declare(_ID + "provider_unavailable", 0x04_10_0001, 'The provider of "{0}" does not answer as it should; try again later.')
ProviderRefused = errors.BadRequestError.declare(_ID + "provider_refused", 0x04_10_0002, 'The provider of "{0}" has refused the login.')
ClientRefused = errors.ServiceUnavailableError.declare(_ID + "client_refused", 0x04_10_0010, 'The provider of "{0}" does not accept this server; its operator has to look at the settings.')
NoIdentity = errors.NotFoundError.declare(_ID + "no_identity", 0x04_10_0101, 'User "{0}" has no account of this provider.')
IdentityExists = errors.BadRequestError.declare(_ID + "identity_exists", 0x04_10_0102, 'User "{0}" has an account of this provider already.')
MissingIdentifier = errors.BadRequestError.declare(_ID + "missing_identifier", 0x04_10_0103, 'The attribute "{0}" is needed: it names the account.')
IdentityTaken = errors.BadRequestError.declare(_ID + "identity_taken", 0x04_10_0104, 'This account of "{0}" belongs to another user.')
NoSuchIdentity = errors.BadRequestError.declare(_ID + "no_such_identity", 0x04_10_0105, 'There is no account "{0}" of this provider.')
NotProved = errors.ForbiddenError.declare(_ID + "not_proved", 0x04_10_0106, "Only who signs in at the provider, or an administrator, says whose account it is.")
InvitationNeeded = errors.LoginRefusal.declare(_ID + "invitation_needed", 0x04_10_0110, "You need an invitation to sign in here for the first time.")
InvalidInvitation = errors.LoginRefusal.declare(_ID + "invalid_invitation", 0x04_10_0111, "The invitation is not valid, or not any more.")
SigningUp = errors.ServiceUnavailableError.declare(_ID + "signing_up", 0x04_10_0112, "This account is being signed up at this moment; sign in again.")
InvalidAttribute = errors.BadRequestError.declare(_ID + "invalid_attribute", 0x04_10_0113, 'The attribute "{0}" cannot be kept.')
TooManyAttributes = errors.BadRequestError.declare(_ID + "too_many_attributes", 0x04_10_0114, "The attributes of an account take at most {0} bytes.")
InvalidIdentifier = errors.BadRequestError.declare(_ID + "invalid_identifier", 0x04_10_0115, 'The attribute "{0}" names no account: a text of at most 255 characters is wanted.')
IdentifierFixed = errors.BadRequestError.declare(_ID + "identifier_fixed", 0x04_10_0116, "The account of a user is not made another one: add that one, and remove this one.")
TooManyIdentities = errors.BadRequestError.declare(_ID + "too_many_identities", 0x04_10_0117, "A user has at most {0} accounts of one provider.")
PrivateField = errors.ForbiddenError.declare(_ID + "private_field", 0x04_10_0118, '"{0}" cannot be searched for: nobody may see it.')
NotSearched = errors.BadRequestError.declare(_ID + "not_searched", 0x04_10_0119, 'Accounts are not searched by "{0}".')
NoSuchInvitation = errors.NotFoundError.declare(_ID + "no_such_invitation", 0x04_10_011A, "There is no such invitation.")
TooManyInvitations = errors.TooManyRequestsError.declare(_ID + "too_many_invitations", 0x04_10_011B, "You have {0} invitations open already: take some back.")
LastIdentity = errors.PreconditionError.declare(_ID + "last_identity", 0x04_10_011C, "This is the last account of this provider that the user has.")
NoAccount = errors.LoginRefusal.declare(_ID + "no_account", 0x04_10_011D, "Nobody here has this account.")
RuledProfile = errors.BadRequestError.declare(_ID + "ruled_profile", 0x04_10_011E, 'The profile "{0}" is given, and taken, by the claims of each login with "{1}": an invitation cannot give it.')
NoTokens = errors.NotFoundError.declare(_ID + "no_tokens", 0x04_10_0130, 'No tokens of "{0}" are kept for user "{1}".')
SeveralAccounts = errors.BadRequestError.declare(_ID + "several_accounts", 0x04_10_0131, 'User "{0}" has several accounts of this provider: say which with "subject".')
SignInAgain = errors.PreconditionError.declare(_ID + "sign_in_again", 0x04_10_0132, 'The provider of "{0}" gives no more tokens for user "{1}", who has to sign in again.')
OtherSession = errors.BadRequestError.declare(_ID + "other_session", 0x04_10_0133, 'This session was not begun with "{0}".')
ReturnNotListed = errors.BadRequestError.declare(_ID + "return_not_listed", 0x04_10_0134, 'The address is not among the "postLogoutURIs" of "{0}".')
WrongLogoutToken = errors.BadRequestError.declare(_ID + "wrong_logout_token", 0x04_10_0135, 'This is no logout token of the provider of "{0}": {1}.')
# fmt: on
