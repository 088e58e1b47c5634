// Connects with the SDK as an application would, runs named cases one after the other, and prints what failed.
'use strict';
const sdk = require('kuzzle-sdk');

const [protocol, port] = process.argv.slice(2);
const opened = [];

/** Connects over the protocol of this run, or over another one. */
async function connect({ over = protocol, headers = undefined, ...options } = {}) {
  const kuzzle = new sdk.Kuzzle(
    new sdk[over]('127.0.0.1', { port: Number(port), headers }), options);
  kuzzle.on('networkError', error => console.error(error.message));
  opened.push(kuzzle);
  await kuzzle.connect();
  return kuzzle;
}

/** Connects and signs in. */
async function signedIn(credentials, options) {
  const kuzzle = await connect(options);
  await kuzzle.auth.login('local', credentials);
  return kuzzle;
}

/** Waits for an event, and fails when it does not come. */
function heard(kuzzle, event, seconds = 10) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no event ${event}`)), seconds * 1000);
    kuzzle.on(event, value => { clearTimeout(timer); resolve(value); });
  });
}

/** Fails unless a promise is refused with an error of the API. */
async function refused(promise, status, id) {
  let error;
  try {
    await promise;
  } catch (reason) {
    error = reason;
  }
  if (!error || error.status !== status || error.id !== id) {
    throw new Error(`wanted ${status} ${id}, got ${error ? `${error.status} ${error.id}: ${error.message}` : 'a result'}`);
  }
  return error;
}

/** Runs every case in its order and prints a JSON object: what failed, by the name of the case. */
async function run(cases, extra = {}) {
  const failures = {};
  for (const [name, test] of Object.entries(cases)) {
    try {
      await test();
    } catch (error) {
      failures[name] = `${error.id || ''} ${error.stack || error.message}`;
    }
  }
  opened.forEach(kuzzle => kuzzle.disconnect());
  console.log(JSON.stringify({ failures, ran: Object.keys(cases), ...extra }));
}

module.exports = { connect, heard, protocol, refused, run, sdk, signedIn };
