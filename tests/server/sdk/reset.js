// Signs in with a password that has to be changed, and sets another one, over the protocol that is named.
// Usage: node reset.js <WebSocket|Http> <port> <user name> <password> <new password>
'use strict';
const sdk = require('kuzzle-sdk');

const RESETS = 'kuzzle-plugin-auth-passport-local/password';

async function main([protocol, port, username, password, next]) {
  const kuzzle = new sdk.Kuzzle(new sdk[protocol]('127.0.0.1', { port: Number(port) }));
  kuzzle.on('networkError', error => console.error(error.message));
  await kuzzle.connect();
  try {
    // The SDK's error has no `resetToken`: the answer that it is made of has.
    const requestId = 'login';
    let token;
    kuzzle.protocol.once(requestId, ({ error }) => { token = error && error.resetToken; });
    const body = { username, password };
    const refusal = await kuzzle
      .query({ controller: 'auth', action: 'login', strategy: 'local', body, requestId })
      .catch(error => error);
    console.log('login:', refusal.status, refusal.id, 'resetToken' in refusal);
    const setting = { controller: RESETS, action: 'reset', body: { password: next, token } };
    const { result } = await kuzzle.query(setting);
    kuzzle.jwt = result.jwt;
    console.log('user:', (await kuzzle.auth.getCurrentUser())._id);
    console.log('again:', await kuzzle.query(setting).catch(error => error.id));
    await kuzzle.auth.login('local', { username, password: next });
    console.log('signed in:', await kuzzle.isAuthenticated());
  } finally {
    kuzzle.disconnect();
  }
}

main(process.argv.slice(2)).catch(error => {
  console.error(error);
  process.exit(1);
});
