// Sends the messages of the Kuzzle CLI with the SDK that it is made of, argument by argument as it sends them.
// Usage: node cli.js <WebSocket|Http> <port> <username> <password>
'use strict';
const assert = require('node:assert/strict');
const { connect, protocol, refused, run } = require('./harness');

const [, , , , username, password] = process.argv;
const CLIENT = { client: 'kourou@1.2.0' };

let kuzzle;
let exported;

/** Sends a command that the CLI has no code for: the words of the command line become a request. */
async function command(controller, action, args = {}, body = {}) {
  const { result } = await kuzzle.query({ controller, action, ...args, body, volatile: CLIENT });
  return result;
}

async function all(first) {
  const hits = [];
  for (let page = await first; page; page = await page.next()) {
    hits.push(...page.hits);
  }
  return hits;
}

const cases = {
  async 'auth:login -a strategy=local --body'() {
    kuzzle = await connect();
    // Over HTTP this is a GET with the password in the query.
    const result = await command('auth', 'login', { strategy: 'local' }, { username, password });
    assert.equal(result._id, 'root');
    assert.match(result.jwt, /^kauth-/);
  },
  async '--username --password'() {
    await kuzzle.auth.login('local', { username, password }, '90s');
    const { valid, expiresAt } = await kuzzle.auth.checkToken();
    assert.ok(valid && expiresAt < Date.now() + 91_000);
  },
  async 'security:createRole'() {
    const body = { controllers: { auth: { actions: { '*': true } } } };
    assert.equal((await command('security', 'createRole', { _id: 'member' }, body))._id, 'member');
  },
  async 'security:createProfile'() {
    const body = { policies: [{ roleId: 'member' }] };
    assert.equal((await command('security', 'createProfile', { _id: 'member' }, body))._id, 'member');
  },
  async 'security:createUser --id'() {
    const credentials = { local: { username: 'ann', password: 'secret' } };
    const body = { content: { profileIds: ['member'], name: 'Ann' }, credentials };
    const user = await command('security', 'createUser', { _id: 'ann' }, body);
    assert.deepEqual([user._id, user._source.name], ['ann', 'Ann']);
  },
  async 'security:getUser with an empty body'() {
    assert.equal((await command('security', 'getUser', { _id: 'ann' }))._id, 'ann');
  },
  async 'security:searchUsers'() {
    const found = await command('security', 'searchUsers', {}, { query: { term: { profileIds: 'member' } } });
    assert.deepEqual([found.total, found.hits[0]._id], [1, 'ann']);
  },
  async '--as'() {
    const options = { expiresIn: '2h', refresh: 'wait_for' };
    const key = await kuzzle.security.createApiKey('ann', 'to act as somebody', options);
    const other = await connect();
    other.jwt = key._source.token;
    assert.equal((await other.auth.getCurrentUser())._id, 'ann');
    await kuzzle.security.deleteApiKey('ann', key._id);
    await refused(other.auth.getCurrentUser(), 401, 'security.token.invalid');
  },
  async 'api-key:create, api-key:search, api-key:check, api-key:delete'() {
    const options = { _id: 'of-a-robot', expiresIn: '-1', refresh: 'wait_for' };
    const key = await kuzzle.security.createApiKey('ann', 'of a robot', options);
    assert.deepEqual([key._id, key._source.expiresAt], ['of-a-robot', -1]);
    const query = { match: { description: 'robot' } };
    assert.equal((await kuzzle.security.searchApiKeys('ann', query)).hits[0]._id, 'of-a-robot');
    assert.equal((await kuzzle.security.searchApiKeys('ann', {})).total, 1);
    assert.equal((await kuzzle.auth.checkToken(key._source.token)).valid, true);
    await kuzzle.security.deleteApiKey('ann', 'of-a-robot', { refresh: 'wait_for' });
    assert.equal((await kuzzle.auth.checkToken(key._source.token)).valid, false);
  },
  async 'user:export'() {
    for (const number of [1, 2, 3]) {
      await kuzzle.security.createUser(`user-${number}`, { content: { profileIds: ['default'], number } });
    }
    for (const size of ['2000', '2']) {
      exported = await all(kuzzle.security.searchUsers({}, { scroll: '5s', size }));
      assert.deepEqual(exported.map(user => user._id).sort(), ['ann', 'root', 'user-1', 'user-2', 'user-3']);
    }
  },
  async 'user:import'() {
    for (const { _id, content } of exported.filter(user => user._id.startsWith('user-'))) {
      await kuzzle.security.deleteUser(_id);
      await kuzzle.security.createUser(_id, { content, credentials: {} });
      const user = await kuzzle.security.getUser(_id);
      assert.deepEqual([user.content.number, user.profileIds], [content.number, ['default']]);
    }
  },
  async 'role:export, role:import'() {
    for (const size of [100, 1]) {
      const roles = await all(kuzzle.security.searchRoles({}, { size }));
      assert.deepEqual(roles.map(role => role._id).sort(), ['admin', 'anonymous', 'default', 'member']);
      for (const { _id, controllers } of roles) {
        const made = await kuzzle.security.createOrReplaceRole(_id, { controllers }, { force: true });
        assert.deepEqual(made.controllers, controllers);
      }
    }
  },
  async 'profile:export, profile:import'() {
    for (const size of [100, 1]) {
      const profiles = await all(kuzzle.security.searchProfiles({}, { scroll: '3s', size }));
      assert.deepEqual(profiles.map(one => one._id).sort(), ['admin', 'anonymous', 'default', 'member']);
      for (const { _id, policies } of profiles) {
        const made = await kuzzle.security.createOrReplaceProfile(_id, { policies }, { force: true });
        assert.deepEqual(made.policies, policies);
      }
    }
  },
  async 'user:export-mappings, user:import-mappings'() {
    const { mapping } = await kuzzle.security.getUserMapping();
    assert.deepEqual(mapping.profileIds, { type: 'keyword' });
    const { properties } = await kuzzle.security.updateUserMapping({ properties: mapping });
    assert.deepEqual(properties.profileIds, mapping.profileIds);
  },
  async 'words of the command line that are booleans'() {
    const body = { controllers: { 'of-no-plugin': { actions: { '*': true } } } };
    await refused(
      command('security', 'createOrReplaceRole', { _id: 'odd', force: protocol === 'Http' ? undefined : false }, body),
      400, 'security.role.unknown_controller');
    const role = await command('security', 'createOrReplaceRole', { _id: 'odd', force: true }, body);
    assert.equal(role._id, 'odd');
  },
};

run(cases).catch(error => {
  console.error(error);
  process.exit(1);
});
