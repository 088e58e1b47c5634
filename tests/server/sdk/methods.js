// Calls every method of the SDK's controllers `auth` and `security`, and uses what they return as an application would.
// Usage: node methods.js <WebSocket|Http> <port> <setup secret>
'use strict';
const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { connect, heard, protocol, refused, run, signedIn } = require('./harness');

const [, , , , secret] = process.argv;
const PASSWORD = 'a password long enough';
const ROOT = { username: 'root', password: PASSWORD };
const ANN = { username: 'ann', password: PASSWORD };
const NEW = 'another password, long enough';
const MEMBER = { auth: { actions: { '*': true } } };
const ACKNOWLEDGED = { acknowledged: true };
const FIELDS = ['username', 'password', 'email', 'phone'];

let root; // signed in as the administrator
let ann; // signed in as somebody with the actions of `auth`
let key; // an API key

/** Takes the pages of a search until there is none. */
async function pages(first) {
  const ids = [];
  for (let page = await first; page; page = await page.next()) {
    ids.push(page.hits.map(hit => hit._id));
  }
  return ids;
}

async function who(jwt) {
  const kuzzle = await connect();
  kuzzle.jwt = jwt;
  return (await kuzzle.auth.getCurrentUser())._id;
}

const ids = hits => hits.map(hit => hit._id).sort();
const flat = found => found.flat().sort();
const numbered = name => [1, 2, 3, 4, 5].map(number => `${name}-${number}`);

const cases = {
  async 'security.createFirstAdmin'() {
    root = await connect({ headers: { 'X-Ostiary-Setup': secret } });
    const body = { content: { name: 'Root' }, credentials: { local: ROOT } };
    const user = await root.security.createFirstAdmin('root', body, { reset: true });
    assert.equal(user._id, 'root');
    assert.deepEqual(user.profileIds, ['admin']);
    assert.equal(user.content.name, 'Root');
    await refused(root.security.createFirstAdmin('other', body), 401, 'security.rights.unauthorized');
  },
  async 'auth.login'() {
    await refused(
      root.auth.login('local', { ...ROOT, password: 'wrong' }), 401, 'plugin.strategy.missing_user');
    assert.equal(await root.isAuthenticated(), false);
    const jwt = await root.auth.login('local', ROOT, '1h');
    assert.match(jwt, /^kauth-/);
    assert.equal(root.jwt, jwt);
    assert.equal(root.auth.authenticationToken.userId, 'root');
    assert.equal(root.auth.authenticationToken.expired, false);
    assert.equal(await root.isAuthenticated(), true);
  },
  async 'auth.checkToken'() {
    const found = await root.auth.checkToken();
    assert.deepEqual([found.valid, found.kuid], [true, 'root']);
    assert.ok(found.expiresAt > Date.now() + 3500_000);
    const wrong = await root.auth.checkToken('kauth-garbage');
    assert.equal(wrong.valid, false);
    assert.ok(wrong.state);
  },
  async 'auth.getStrategies'() {
    assert.deepEqual(await root.auth.getStrategies(), ['local']);
  },
  async 'auth.getMyRights'() {
    assert.deepEqual(await root.auth.getMyRights(), [
      { controller: '*', action: '*', index: '*', collection: '*', value: 'allowed' }]);
  },
  async 'auth.getCurrentUser'() {
    const user = await root.auth.getCurrentUser();
    assert.deepEqual([user._id, user.profileIds], ['root', ['admin']]);
    assert.deepEqual((await user.getProfiles()).map(profile => profile._id), ['admin']);
  },

  // Roles
  async 'security.createRole'() {
    const role = await root.security.createRole('member', { controllers: MEMBER });
    assert.deepEqual([role._id, role.controllers], ['member', MEMBER]);
    await refused(
      root.security.createRole('member', { controllers: MEMBER }), 400, 'services.storage.document_already_exists');
    const unknown = { controllers: { 'of-no-plugin': { actions: { '*': true } } } };
    await refused(root.security.createRole('odd', unknown), 400, 'security.role.unknown_controller');
    assert.equal((await root.security.createRole('odd', unknown, { force: true }))._id, 'odd');
  },
  async 'security.getRole'() {
    assert.deepEqual((await root.security.getRole('member')).controllers, MEMBER);
    await refused(root.security.getRole('ghost'), 404, 'security.role.not_found');
  },
  async 'security.updateRole'() {
    const controllers = { auth: { actions: { login: true, checkToken: true } } };
    assert.deepEqual((await root.security.updateRole('odd', { controllers })).controllers, controllers);
    await refused(root.security.updateRole('ghost', { controllers }), 404, 'services.storage.not_found');
  },
  async 'security.createOrReplaceRole'() {
    for (const id of numbered('role')) {
      const role = await root.security.createOrReplaceRole(
        id, { controllers: { server: { actions: { '*': true } } } }, { refresh: 'wait_for' });
      assert.equal(role._id, id);
    }
    const controllers = { server: { actions: { info: true } } };
    const body = { controllers };
    assert.deepEqual((await root.security.createOrReplaceRole('role-1', body)).controllers, controllers);
  },
  async 'security.mGetRoles'() {
    assert.deepEqual(ids(await root.security.mGetRoles(['member', 'odd'])), ['member', 'odd']);
    await refused(root.security.mGetRoles(['member', 'ghost']), 404, 'security.role.not_found');
  },
  async 'security.searchRoles'() {
    const found = await pages(root.security.searchRoles({ controllers: ['server'] }, { size: 2 }));
    assert.ok(numbered('role').every(id => flat(found).includes(id)), found);
    assert.ok(found.every(page => page.length <= 2));
    const all = await root.security.searchRoles({}, { size: 100 });
    assert.ok(all.hits.some(role => role._id === 'member' && role.controllers.auth));
  },
  async 'security.getRoleMapping'() {
    assert.equal(typeof (await root.security.getRoleMapping()).mapping, 'object');
  },
  async 'security.updateRoleMapping'() {
    const properties = { purpose: { type: 'keyword' } };
    const found = await root.security.updateRoleMapping({ properties });
    assert.deepEqual(found.properties.purpose, { type: 'keyword' });
    const { mapping } = await root.security.getRoleMapping();
    assert.deepEqual(mapping.purpose, { type: 'keyword' });
  },

  // Profiles
  async 'security.createProfile'() {
    const body = { policies: [{ roleId: 'member' }], rateLimit: 50 };
    const profile = await root.security.createProfile('member', body);
    assert.deepEqual([profile._id, profile.policies, profile.rateLimit], ['member', body.policies, 50]);
    assert.deepEqual((await profile.getRoles()).map(role => role._id), ['member']);
    await refused(
      root.security.createProfile('lost', { policies: [{ roleId: 'ghost' }] }), 404, 'security.role.not_found');
  },
  async 'security.getProfile'() {
    const profile = await root.security.getProfile('member');
    assert.deepEqual(profile.serialize(), { _id: 'member', policies: [{ roleId: 'member' }], rateLimit: 50 });
    await refused(root.security.getProfile('ghost'), 404, 'security.profile.not_found');
  },
  async 'security.updateProfile'() {
    const profile = await root.security.updateProfile('member', { rateLimit: 0, colour: 'red' });
    assert.deepEqual([profile.policies, profile.rateLimit, profile.colour], [[{ roleId: 'member' }], 0, 'red']);
  },
  async 'security.createOrReplaceProfile'() {
    const policies = [{ roleId: 'member', restrictedTo: [{ index: 'i', collections: ['c'] }] }];
    for (const id of numbered('profile')) {
      const profile = await root.security.createOrReplaceProfile(id, { policies, tags: ['paged'] });
      assert.deepEqual([profile._id, profile.policies, profile.tags], [id, policies, ['paged']]);
    }
  },
  async 'security.mGetProfiles'() {
    assert.deepEqual(ids(await root.security.mGetProfiles(['member', 'profile-1'])), ['member', 'profile-1']);
    await refused(root.security.mGetProfiles(['ghost']), 404, 'security.profile.not_found');
  },
  async 'security.searchProfiles'() {
    const query = { term: { tags: 'paged' } };
    for (const options of [{ size: 2, scroll: '10s' }, { size: 2 }]) {
      const found = await pages(root.security.searchProfiles({ query }, options));
      assert.deepEqual(found.map(page => page.length), [2, 2, 1]);
      assert.deepEqual(flat(found), numbered('profile'));
    }
    const sorted = { query, sort: [{ _id: 'desc' }] };
    const found = await pages(root.security.searchProfiles(sorted, { size: 2 }));
    assert.deepEqual(found.flat(), numbered('profile').reverse());
    const byRole = await root.security.searchProfiles({ query: { terms: { 'policies.roleId': ['member'] } } });
    assert.equal(byRole.total, 6);
  },
  async 'security.getProfileRights'() {
    assert.deepEqual(await root.security.getProfileRights('profile-1'), [
      { controller: 'auth', action: '*', index: 'i', collection: 'c', value: 'allowed' }]);
  },
  async 'security.getProfileMapping'() {
    const { mapping } = await root.security.getProfileMapping();
    assert.ok(mapping.policies, mapping);
  },
  async 'security.updateProfileMapping'() {
    const found = await root.security.updateProfileMapping({ properties: { colour: { type: 'keyword' } } });
    assert.deepEqual(found.properties.colour, { type: 'keyword' });
  },

  // Users and their credentials
  async 'security.createUser'() {
    const content = { profileIds: ['member'], fullname: 'Ann' };
    const user = await root.security.createUser('ann', { content, credentials: { local: ANN } });
    assert.deepEqual([user._id, user.profileIds, user.content.fullname], ['ann', ['member'], 'Ann']);
    assert.ok(user.content._kuzzle_info.createdAt <= Date.now() + 5000);
    await refused(root.security.createUser('ann', { content }), 412, 'security.user.already_exists');
    for (const [rank, id] of numbered('user').entries()) {
      const properties = { profileIds: ['default'], rank, team: 'paged' };
      await root.security.createUser(id, { content: properties });
    }
    ann = await signedIn(ANN);
  },
  async 'security.createRestrictedUser'() {
    const user = await root.security.createRestrictedUser({ content: { a: 1 } }, 'restricted');
    assert.deepEqual([user._id, user.profileIds, user.content.a], ['restricted', ['default'], 1]);
    const named = await root.security.createRestrictedUser({});
    assert.match(named._id, /^kuid-/);
    await refused(
      root.security.createRestrictedUser({ content: { profileIds: ['admin'] } }), 400, 'api.assert.forbidden_argument');
  },
  async 'security.getUser'() {
    const user = await root.security.getUser('ann');
    assert.deepEqual([user._id, user.content.fullname], ['ann', 'Ann']);
    assert.equal((await root.security.getUser('-1')).content.name, 'Anonymous');
    await refused(root.security.getUser('ghost'), 404, 'security.user.not_found');
  },
  async 'security.updateUser'() {
    const user = await root.security.updateUser('ann', { colour: 'red' }, { retryOnConflict: 3 });
    assert.deepEqual([user.content.fullname, user.content.colour], ['Ann', 'red']);
    assert.equal(user.content._kuzzle_info.updater, 'root');
  },
  async 'security.replaceUser'() {
    const user = await root.security.replaceUser('restricted', { profileIds: ['member'], b: 2 });
    assert.deepEqual([user.profileIds, user.content.a, user.content.b], [['member'], undefined, 2]);
  },
  async 'security.mGetUsers'() {
    assert.deepEqual(ids(await root.security.mGetUsers(['ann', 'ghost', 'root'])), ['ann', 'root']);
  },
  async 'security.searchUsers'() {
    const query = { term: { team: 'paged' } };
    for (const options of [{ size: 2, scroll: '10s' }, { size: 2 }, { from: 0, size: 2 }]) {
      const found = await pages(root.security.searchUsers({ query }, options));
      assert.deepEqual(found.map(page => page.length), [2, 2, 1]);
      assert.deepEqual(flat(found), numbered('user'));
    }
    for (const sort of [[{ rank: 'desc' }, { _id: 'asc' }], [{ _id: 'desc' }], { _id: 'desc' }]) {
      const found = await pages(root.security.searchUsers({ query, sort }, { size: 2 }));
      assert.deepEqual(found.flat(), numbered('user').reverse());
    }
    const koncorde = { query: { and: [{ equals: { team: 'paged' } }, { range: { rank: { gte: 3 } } }] } };
    const some = await root.security.searchUsers(koncorde, { lang: 'koncorde' });
    assert.deepEqual([some.total, ids(some.hits)], [2, ['user-4', 'user-5']]);
    assert.equal(await some.next(), null);
  },
  async 'security.getUserRights'() {
    assert.deepEqual(await root.security.getUserRights('ann'), [
      { controller: 'auth', action: '*', index: '*', collection: '*', value: 'allowed' }]);
  },
  async 'security.checkRights'() {
    const asked = { controller: 'auth', action: 'logout' };
    assert.equal(await root.security.checkRights('ann', asked), true);
    assert.equal(await root.security.checkRights('ann', { ...asked, controller: 'security' }), false);
  },
  async 'security.getUserStrategies'() {
    assert.deepEqual(await root.security.getUserStrategies('ann'), ['local']);
    assert.deepEqual(await root.security.getUserStrategies('user-1'), []);
  },
  async 'security.getUserMapping'() {
    const { mapping } = await root.security.getUserMapping();
    assert.deepEqual(mapping.profileIds, { type: 'keyword' });
  },
  async 'security.updateUserMapping'() {
    const found = await root.security.updateUserMapping({ properties: { fullname: { type: 'text' } } });
    assert.deepEqual(found.properties.fullname, { type: 'text' });
  },
  async 'security.refresh'() {
    for (const collection of ['users', 'profiles', 'roles']) {
      assert.equal((await root.security.refresh(collection)).result, null);
    }
  },
  async 'security.getAllCredentialFields'() {
    assert.deepEqual(await root.security.getAllCredentialFields(), { local: FIELDS });
  },
  async 'security.getCredentialFields'() {
    assert.deepEqual(await root.security.getCredentialFields('local'), FIELDS);
  },
  async 'security.hasCredentials'() {
    assert.equal(await root.security.hasCredentials('local', 'ann'), true);
    assert.equal(await root.security.hasCredentials('local', 'user-1'), false);
  },
  async 'security.validateCredentials'() {
    const good = { username: 'user-1', password: PASSWORD };
    assert.equal(await root.security.validateCredentials('local', 'user-1', good), true);
    await assert.rejects(root.security.validateCredentials('local', 'user-1', ANN), { status: 412 });
  },
  async 'security.createCredentials'() {
    const body = { username: 'user-1', password: PASSWORD };
    const made = await root.security.createCredentials('local', 'user-1', body);
    assert.equal(made.username, 'user-1');
    await signedIn(body);
  },
  async 'security.getCredentials'() {
    assert.deepEqual(await root.security.getCredentials('local', 'user-1'), { username: 'user-1', kuid: 'user-1' });
  },
  async 'security.getCredentialsById'() {
    assert.deepEqual(await root.security.getCredentialsById('local', 'ann'), { username: 'ann', kuid: 'ann' });
  },
  async 'security.updateCredentials'() {
    const made = await root.security.updateCredentials('local', 'user-1', { password: NEW });
    assert.equal(made.kuid, 'user-1');
    await signedIn({ username: 'user-1', password: NEW });
  },
  async 'security.deleteCredentials'() {
    assert.deepEqual(await root.security.deleteCredentials('local', 'user-1'), ACKNOWLEDGED);
    assert.equal(await root.security.hasCredentials('local', 'user-1'), false);
  },

  // API keys
  async 'security.createApiKey'() {
    key = await root.security.createApiKey('ann', 'of a sensor', { _id: 'key-1', expiresIn: '2h', refresh: 'wait_for' });
    const { userId, description, fingerprint, token, ttl } = key._source;
    assert.deepEqual([key._id, userId, description, ttl], ['key-1', 'ann', 'of a sensor', 7200_000]);
    assert.match(token, /^kapikey-/);
    assert.equal(fingerprint, createHash('sha256').update(token).digest('hex'));
    assert.equal(await who(token), 'ann');
  },
  async 'security.searchApiKeys'() {
    const found = await root.security.searchApiKeys('ann', { match: { description: 'sensor' } });
    assert.deepEqual([found.total, found.hits[0]._id, found.hits[0]._source.token], [1, 'key-1', undefined]);
    assert.equal((await root.security.searchApiKeys('ann')).hits.length, 1);
    const koncorde = { equals: { ttl: '7200000' } };
    assert.equal((await root.security.searchApiKeys('ann', koncorde, { lang: 'koncorde' })).total, 1);
  },
  async 'security.deleteApiKey'() {
    const answer = await root.security.deleteApiKey('ann', 'key-1');
    assert.deepEqual(answer.result, { _id: 'key-1' });
    await refused(who(key._source.token), 401, 'security.token.invalid');
  },
  async 'auth.createApiKey'() {
    key = await ann.auth.createApiKey('of my own', { expiresIn: -1 });
    assert.deepEqual([key._source.userId, key._source.expiresAt, key._source.ttl], ['ann', -1, -1]);
    assert.equal(await who(key._source.token), 'ann');
  },
  async 'auth.searchApiKeys'() {
    const { hits, total } = await ann.auth.searchApiKeys({}, { from: 0, size: 5 });
    assert.deepEqual([total, hits[0]._id], [1, key._id]);
  },
  async 'auth.deleteApiKey'() {
    assert.equal(await ann.auth.deleteApiKey(key._id), null);
    assert.equal((await ann.auth.searchApiKeys()).total, 0);
    await refused(ann.auth.deleteApiKey(key._id), 404, 'services.storage.not_found');
  },

  // One's own account
  async 'auth.checkRights'() {
    assert.equal(await ann.auth.checkRights({ controller: 'auth', action: 'login' }), true);
    assert.equal(await ann.auth.checkRights({ controller: 'security', action: 'getUser' }), false);
  },
  async 'auth.updateSelf'() {
    const user = await ann.auth.updateSelf({ colour: 'blue' });
    assert.deepEqual([user._id, user.content.colour, user.content.fullname], ['ann', 'blue', 'Ann']);
    await refused(ann.auth.updateSelf({ profileIds: ['admin'] }), 400, 'api.assert.forbidden_argument');
  },
  async 'auth.credentialsExist'() {
    assert.equal(await ann.auth.credentialsExist('local'), true);
  },
  async 'auth.getMyCredentials'() {
    assert.deepEqual(await ann.auth.getMyCredentials('local'), { username: 'ann', kuid: 'ann' });
  },
  async 'auth.validateMyCredentials'() {
    assert.equal(await ann.auth.validateMyCredentials('local', ANN), true);
  },
  async 'auth.updateMyCredentials'() {
    const change = { password: NEW, currentPassword: PASSWORD };
    assert.equal((await ann.auth.updateMyCredentials('local', change)).username, 'ann');
    ann = await signedIn({ ...ANN, password: NEW });
  },
  async 'auth.deleteMyCredentials'() {
    // With an API key there is a way in, so that the last credentials may go.
    const { _source } = await ann.auth.createApiKey('to come back');
    ann.jwt = _source.token;
    assert.equal(await ann.auth.deleteMyCredentials('local', { body: { currentPassword: NEW } }), true);
    assert.equal(await ann.auth.credentialsExist('local'), false);
  },
  async 'auth.createMyCredentials'() {
    assert.equal((await ann.auth.createMyCredentials('local', ANN)).username, 'ann');
    ann = await signedIn(ANN);
  },
  async 'auth.refreshToken'() {
    const old = ann.jwt;
    const { _id, jwt, ttl } = await ann.auth.refreshToken({ expiresIn: '1h' });
    assert.deepEqual([_id, ann.jwt, ttl], ['ann', jwt, 3600_000]);
    assert.notEqual(jwt, old);
    assert.equal(await who(jwt), 'ann');
  },
  async 'a token of its own for one use'() {
    const request = { controller: 'auth', action: 'createToken', singleUse: true, expiresIn: '10m' };
    const { result } = await ann.query(request);
    assert.deepEqual([result.singleUse, result.ttl], [true, 600_000]);
    assert.equal(await who(result.token), 'ann');
    await refused(who(result.token), 401, 'security.token.invalid');
  },
  async 'a token that expires, and the application is told'() {
    const kuzzle = await connect();
    await kuzzle.auth.login('local', ANN, '2s');
    const told = heard(kuzzle, 'tokenExpired');
    // Over HTTP nobody tells but the answer to a request.
    const timer = setInterval(
      () => { if (protocol === 'Http') kuzzle.auth.getCurrentUser().catch(() => {}); }, 500);
    await told;
    clearInterval(timer);
    assert.equal(kuzzle.jwt, null);
  },
  async 'a token that expires, and the application signs in again by itself'() {
    const kuzzle = await connect();
    kuzzle.authenticator = () => kuzzle.auth.login('local', ANN, '1h');
    await kuzzle.auth.login('local', ANN, '2s');
    const old = kuzzle.jwt;
    const again = heard(kuzzle, 'reAuthenticated');
    const timer = setInterval(
      () => { if (protocol === 'Http') kuzzle.auth.getCurrentUser().catch(() => {}); }, 500);
    await again;
    clearInterval(timer);
    assert.notEqual(kuzzle.jwt, old);
    assert.equal((await kuzzle.auth.getCurrentUser())._id, 'ann');
  },
  async 'auth.logout'() {
    const other = await signedIn(ANN);
    const jwt = ann.jwt;
    await ann.auth.logout();
    assert.equal(ann.jwt, null);
    assert.equal((await ann.auth.checkToken(jwt)).valid, false);
    assert.equal((await other.auth.getCurrentUser())._id, 'ann');
    await other.auth.logout({ global: true });
  },

  // The end of everything
  async 'security.deleteUser'() {
    const gone = await signedIn(ANN);
    assert.deepEqual(await root.security.deleteUser('ann'), { _id: 'ann' });
    await refused(gone.auth.getCurrentUser(), 401, 'security.token.invalid');
    await refused(root.security.getUser('ann'), 404, 'security.user.not_found');
  },
  async 'security.mDeleteUsers'() {
    assert.deepEqual((await root.security.mDeleteUsers(numbered('user'))).sort(), numbered('user'));
    await refused(root.security.mDeleteUsers(['restricted', 'ghost']), 206, 'services.storage.incomplete_delete');
  },
  async 'security.deleteProfile'() {
    await refused(root.security.deleteProfile('admin'), 400, 'security.profile.cannot_delete');
    assert.deepEqual(await root.security.deleteProfile('profile-1'), { _id: 'profile-1' });
  },
  async 'security.mDeleteProfiles'() {
    const rest = numbered('profile').slice(1);
    assert.deepEqual((await root.security.mDeleteProfiles(rest)).sort(), rest);
  },
  async 'security.deleteRole'() {
    await refused(root.security.deleteRole('member'), 412, 'security.role.in_use');
    assert.deepEqual(await root.security.deleteRole('odd'), { _id: 'odd' });
  },
  async 'security.mDeleteRoles'() {
    assert.deepEqual((await root.security.mDeleteRoles(numbered('role'))).sort(), numbered('role'));
  },
};

/** Names the methods that call the API: those of the prototype, less what the SDK does with itself. */
function methods(controller, own) {
  return Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(controller)))
    .filter(([name, { value }]) => typeof value === 'function' && !own.includes(name))
    .map(([name]) => name);
}

async function main() {
  const { sdk } = require('./harness');
  const kuzzle = new sdk.Kuzzle(new sdk.Http('127.0.0.1'));
  const wanted = [
    ...methods(kuzzle.auth, ['constructor', 'authenticateRequest']).map(name => `auth.${name}`),
    ...methods(kuzzle.security, ['constructor']).map(name => `security.${name}`)];
  const missing = wanted.filter(name => !(name in cases));
  await run(cases, { missing, methods: wanted.length });
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
