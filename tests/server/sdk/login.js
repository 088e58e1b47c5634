// Signs in with the SDK as an application would, over the protocol that is named, and says what it sees.
// Usage: node login.js <WebSocket|Http> <port> <username> <password>
'use strict';
const sdk = require('kuzzle-sdk');

async function main([protocol, port, username, password]) {
  const kuzzle = new sdk.Kuzzle(new sdk[protocol]('127.0.0.1', { port: Number(port) }));
  kuzzle.on('networkError', error => console.error(error.message));
  await kuzzle.connect();
  try {
    console.log('before:', await kuzzle.isAuthenticated());
    await kuzzle.auth.login('local', { username, password });
    console.log('logged in:', await kuzzle.isAuthenticated());
    const user = await kuzzle.auth.getCurrentUser();
    console.log('user:', user._id, user.content.profileIds.join());
    const token = kuzzle.jwt;
    await kuzzle.auth.logout();
    console.log('logged out:', !(await kuzzle.isAuthenticated()));
    console.log('token still valid:', (await kuzzle.auth.checkToken(token)).valid);
  } finally {
    kuzzle.disconnect();
  }
}

main(process.argv.slice(2)).catch(error => {
  console.error(error);
  process.exit(1);
});
