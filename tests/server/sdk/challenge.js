// Signs in with a strategy of two steps, as an application has to, over the protocol that is named.
// Usage: node challenge.js <WebSocket|Http> <port> <badge> <pin>
'use strict';
const sdk = require('kuzzle-sdk');

async function main([protocol, port, badge, pin]) {
  const kuzzle = new sdk.Kuzzle(new sdk[protocol]('127.0.0.1', { port: Number(port) }));
  kuzzle.on('networkError', error => console.error(error.message));
  await kuzzle.connect();
  // `auth.login` looks for a token in every answer, and there is none yet.
  const login = body => kuzzle.query(
    { controller: 'auth', action: 'login', strategy: 'steps', body }, { queuable: false });
  try {
    const helper = await kuzzle.auth.login('steps', { badge }).catch(error => error.constructor.name);
    console.log('auth.login:', helper);
    const { status, result } = await login({ badge });
    console.log('asked:', status, result.question.for, result.fields.map(field => field.name).join());
    const answer = await login({ challenge: result.challenge, pin });
    kuzzle.jwt = answer.result.jwt;
    console.log('user:', (await kuzzle.auth.getCurrentUser())._id);
    console.log('again:', await login({ challenge: result.challenge, pin }).catch(error => error.id));
  } finally {
    kuzzle.disconnect();
  }
}

main(process.argv.slice(2)).catch(error => {
  console.error(error);
  process.exit(1);
});
