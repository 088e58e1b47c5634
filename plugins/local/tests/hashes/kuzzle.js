// Prints documents as Kuzzle's plugin stores them (contract, strategies.md, section 8), made by
// Node's own crypto, each with its password: node kuzzle.js > kuzzle.json

const crypto = require('crypto');

const LENGTHS = { 1: 40, 224: 224, 256: 256, 384: 384, 512: 512 };
const NAMES = [(n) => `sha${n}`, (n) => `RSA-SHA${n}`, (n) => `sha${n}WithRSAEncryption`];
const ENCODINGS = ['hex', 'base64', 'base64url', 'latin1', 'binary', 'ascii', 'utf8', 'ucs2', 'utf16le'];

function made(password, salt, number, algorithm, stretching, encryption, digest) {
  if (stretching) {
    return crypto.pbkdf2Sync(password, salt, 10000, LENGTHS[number], algorithm).toString(digest);
  }
  if (encryption === 'hash') {
    const salted = salt === '' ? password : `${salt}:${password}`;
    return crypto.createHash(algorithm).update(salted).digest().toString(digest);
  }
  return crypto.createHmac(algorithm, salt).update(password).digest().toString(digest);
}

const vectors = [];
function add(number, name, stretching, encryption, digest, salt, more = {}) {
  const password = `pässword of ${vectors.length}`;
  const algorithm = name(number);
  const document = {
    userPassword: made(password, salt, number, algorithm, stretching, encryption, digest),
    userSalt: salt, algorithm, stretching, pepper: false, ...more,
  };
  if (encryption !== undefined) {
    document.encryption = encryption;
  }
  vectors.push({ password, digest, document });
}

const salt = (bytes) => crypto.randomBytes(bytes).toString('hex');
for (const number of Object.keys(LENGTHS)) {
  for (const name of NAMES) {
    add(number, name, true, 'hmac', 'hex', salt(8));
    add(number, name, false, 'hmac', 'hex', salt(8));
    add(number, name, false, 'hash', 'hex', salt(8));
  }
  add(number, NAMES[0], true, undefined, 'base64', '');
  add(number, NAMES[0], false, undefined, 'base64', salt(8));
  add(number, NAMES[0], false, 'hmac', 'hex', '');
  add(number, NAMES[0], false, 'hash', 'hex', '');
}
for (const digest of ENCODINGS) {
  add(256, NAMES[0], true, 'hmac', digest, salt(128));
  add(1, NAMES[0], false, 'hmac', digest, salt(128));
  add(512, NAMES[0], false, 'hash', digest, salt(128));
}
console.log(`[\n${vectors.map((one) => JSON.stringify(one)).join(',\n')}\n]`);
