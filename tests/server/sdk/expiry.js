// Lets a token expire on an open connection of the SDK, and says what the SDK makes of it.
// Usage: node expiry.js <port> <username> <password>
'use strict';
const { Kuzzle, WebSocket } = require('kuzzle-sdk');

async function main([port, username, password]) {
  const kuzzle = new Kuzzle(new WebSocket('127.0.0.1', { port: Number(port) }));
  kuzzle.on('networkError', error => console.error(error.message));
  await kuzzle.connect();
  try {
    const expired = new Promise(resolve => kuzzle.on('tokenExpired', resolve));
    await kuzzle.auth.login('local', { username, password }, '2s');
    const room = await kuzzle.realtime.subscribe('index', 'collection', {}, () => {});
    console.log('subscribers:', await kuzzle.realtime.count(room));
    await kuzzle.auth.refreshToken({ expiresIn: '1s' });
    await expired;
    console.log('expired, still signed in:', await kuzzle.isAuthenticated());
    console.log('still connected:', kuzzle.connected);
    await kuzzle.auth.login('local', { username, password });
    const again = await kuzzle.realtime.subscribe('index', 'collection', {}, () => {});
    await kuzzle.realtime.unsubscribe(again);
    console.log('signed in again:', await kuzzle.isAuthenticated());
  } finally {
    kuzzle.disconnect();
  }
}

main(process.argv.slice(2)).catch(error => {
  console.error(error);
  process.exit(1);
});
