// An OpenID provider from npm, with its own pages for logging in and for consent.
// Its standard input is one line of JSON: {port, issuer, clients, jwks}.
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const { port, issuer, clients, jwks } = JSON.parse(readFileSync(0, 'utf8'));

// Whoever types a name at the login is that person; any password will do.
const findAccount = (ctx, id) => ({
  accountId: id,
  claims: () => ({
    sub: id,
    name: `${id} of the provider`,
    email: `${id}@example.org`,
    email_verified: !id.startsWith('unverified'),
    groups: id.startsWith('chief') ? ['staff', 'chiefs'] : ['staff'],
  }),
});

const provider = new Provider(issuer, {
  clients,
  jwks,
  findAccount,
  claims: {
    openid: ['sub'],
    profile: ['name', 'groups'],
    email: ['email', 'email_verified'],
  },
  // What is asked for stands in the id token too, not at userinfo alone.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  cookies: { keys: ['a key of the test'] },
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'ES256', 'PS256', 'EdDSA'] },
  // Without its guard against private addresses: everything here is on one.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
    userinfo: { enabled: true },
  },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: 3600, AuthorizationCode: 60, Grant: 3600, IdToken: 3600,
    Interaction: 600, RefreshToken: 3600, Session: 3600,
  },
});

provider.on('server_error', (ctx, error) => console.error(error));
for (const event of ['authorization.error', 'grant.error', 'end_session.error', 'backchannel.error', 'userinfo.error']) {
  provider.on(event, (ctx, error) => console.error(event, error.message, error.error_detail ?? error.error_description ?? ''));
}
provider.listen(port, '127.0.0.1');
