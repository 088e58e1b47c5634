// What an application writes to have people sign in with a button.
// The query of the page says where the server is, and how the login is to end: `plain` (JSON of
// the server), `cookie`, or `code` (a code for one use, which this page exchanges for a token).
const query = new URLSearchParams(location.search);
const server = query.get('server') ?? sessionStorage.getItem('server');
const way = query.get('way') ?? sessionStorage.getItem('way');
sessionStorage.setItem('server', server);
sessionStorage.setItem('way', way);

const here = location.origin + location.pathname;

/** Calls the server, and returns its result. */
async function call(verb, path, { body, token, cookies = false } = {}) {
  const headers = { 'Content-Type': 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(server + path, {
    method: verb, headers, body: body && JSON.stringify(body),
    credentials: cookies ? 'include' : 'omit',
  });
  const { error, result } = await answer.json();
  if (error) throw Object.assign(new Error(error.message), error);
  return result;
}

const base64url = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** Goes to the server, which sends the browser on to the provider. */
async function begin(strategy) {
  const wanted = new URLSearchParams();
  if (way !== 'plain') wanted.set('returnTo', here);
  if (way === 'cookie') wanted.set('cookieAuth', 'true');
  if (way === 'code') {
    // RFC 7636: only who has the verifier can use the code that comes back.
    const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
    sessionStorage.setItem('verifier', verifier);
    sessionStorage.setItem('strategy', strategy);
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
    wanted.set('codeChallenge', base64url(digest));
  }
  location.href = `${server}/_login/${strategy}?${wanted}`;
}

/** Goes on where the server has sent the browser back; what came in the address leaves it. */
async function goOn() {
  const came = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, '', here);
  if (came.has('error')) throw new Error(came.get('error'));
  if (came.has('linked')) return { _id: `linked: ${came.get('linked')}` };
  if (way === 'code' && came.has('loginCode')) {
    const body = {
      loginCode: came.get('loginCode'), codeVerifier: sessionStorage.getItem('verifier'),
    };
    const { jwt } = await call('POST', `/_login/${sessionStorage.getItem('strategy')}`, { body });
    return call('GET', '/_me', { token: jwt });
  }
  return way === 'cookie' ? call('GET', '/_me', { cookies: true }) : null;
}

/** Has who is signed in with a password sign in at a provider as well: then both are theirs. */
async function link(strategy, username, password) {
  const { jwt } = await call('POST', '/_login/local', { body: { username, password } });
  const wanted = new URLSearchParams({ returnTo: here, noRedirect: true });
  // The cookie that comes with the answer says that this very browser has begun.
  const answer = await call('POST', `/_me/credentials/${strategy}/_create?${wanted}`, {
    token: jwt, body: {}, cookies: true,
  });
  location.href = answer.headers.Location;
}

/** Leaves here and at the provider. */
async function leave(strategy) {
  const wanted = new URLSearchParams({ postLogoutRedirectUri: here, noRedirect: true });
  const answer = await call('POST', `/_/session/${strategy}/_logout?${wanted}`, { cookies: true });
  location.href = answer.location;
}

window.application = { link, leave };

function show(id, text) {
  document.getElementById(id).textContent = text;
}

const strategies = await call('GET', '/strategies/_describe');
for (const { name, label } of strategies.filter(one => one.redirects)) {
  const button = document.createElement('button');
  button.textContent = `Sign in with ${label || name}`;
  button.onclick = () => begin(name);
  document.getElementById('buttons').append(button);
}
try {
  const user = await goOn();
  // `-1` is who is not signed in.
  show('user', user && user._id !== '-1' ? user._id : 'nobody');
} catch (error) {
  show('error', error.message);
  show('user', 'nobody');
}
