// Tokens bound to a key of the client (RFC 9449), through oauth4webapi and openid-client.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';

import {
  client,
  clients,
  configuration,
  introspect,
  issuer,
  metadata,
  plain,
  post,
  resource,
  token,
  verify,
} from './lib/instance.mjs';

let as;
before(async () => {
  as = await metadata();
});

/** Runs `request` again with the nonce when the server asks for one (RFC 9449 section 8). */
async function withNonce(request) {
  try {
    return await request();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return request();
  }
}

async function handle(name, alg = 'ES256', options = undefined) {
  return oauth.DPoP(client(name), await oauth.generateKeyPair(alg, { extractable: true }), options);
}

const bound = (name, DPoP, parameters = {}) =>
  withNonce(() => token(as, name, parameters, { DPoP }));

/** Asks for a token with these DPoP headers, each made by hand. */
async function ask(...proofs) {
  const { clientId, secret } = clients.secret;
  const headers = new Headers({
    authorization: `Basic ${btoa(`${clientId}:${secret}`)}`,
    'content-type': 'application/x-www-form-urlencoded',
  });
  for (const proof of proofs) headers.append('dpop', proof);
  return fetch(as.token_endpoint, { method: 'POST', headers, body: 'grant_type=client_credentials' });
}

/** A proof for the token endpoint, but for what a test changes. */
async function proof(claims = {}, header = {}, nonce = undefined) {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256', { extractable: true });
  const jwk = await jose.exportJWK(header.private ? privateKey : publicKey);
  const { private: _, ...rest } = header;
  const usual = { htm: 'POST', htu: as.token_endpoint, jti: crypto.randomUUID(), nonce };
  return new jose.SignJWT({ iat: Math.floor(Date.now() / 1000), ...usual, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...rest })
    .sign(privateKey);
}

/** The nonce that the server wants just now, if it wants any. */
async function currentNonce() {
  const answer = await ask(await proof());
  return answer.headers.get('dpop-nonce') ?? undefined;
}

test('the algorithms of proofs are listed in the metadata, and each one works', async () => {
  const algs = as.dpop_signing_alg_values_supported;
  assert.ok(algs.includes('ES256') && !algs.includes('none'));
  for (const alg of algs) {
    const answer = await bound('secret', await handle('secret', alg));
    assert.equal(answer.token_type, 'dpop', alg);
  }
});

test('a bound token says the thumbprint of its key, to verifiers and to introspection', async () => {
  const DPoP = await handle('secret');
  const answer = await bound('secret', DPoP, { scope: 'tools:read' });
  assert.equal(answer.token_type, 'dpop');
  const jkt = await DPoP.calculateThumbprint();
  assert.equal((await verify(as, answer.access_token)).payload.cnf.jkt, jkt);
  const told = await introspect(as, 'introspector', answer.access_token);
  assert.equal(told.cnf.jkt, jkt);
  assert.equal(told.token_type.toLowerCase(), 'dpop');
});

test('oauth4webapi, as a resource server, takes the token with its proof and not without', async () => {
  const keys = await oauth.generateKeyPair('ES256', { extractable: true });
  const DPoP = oauth.DPoP(client('secret'), keys);
  const { access_token } = await bound('secret', DPoP, { scope: 'tools:read' });
  const ath = jose.base64url.encode(
    new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(access_token))),
  );
  const jwk = await jose.exportJWK(keys.publicKey);
  const made = await new jose.SignJWT({ htm: 'GET', htu: `${resource}/`, ath, jti: crypto.randomUUID() })
    .setIssuedAt()
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
    .sign(keys.privateKey);
  const request = (headers) => new Request(`${resource}/`, { headers });
  const good = request({ authorization: `DPoP ${access_token}`, dpop: made });
  const claims = await oauth.validateJwtAccessToken(as, good, resource, plain);
  assert.equal(claims.sub, clients.secret.clientId);
  const bare = request({ authorization: `Bearer ${access_token}` });
  await assert.rejects(oauth.validateJwtAccessToken(as, bare, resource, plain));
});

test('openid-client gets a bound token and asks /agent-info with it', async () => {
  const config = await configuration('secret');
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
  const answer = await oidc.clientCredentialsGrant(config, { scope: 'openid' }, { DPoP });
  assert.equal(answer.token_type, 'dpop');
  const url = new URL(`${issuer}/agent-info`);
  const response = await oidc.fetchProtectedResource(config, answer.access_token, url, 'GET', null, undefined, {
    DPoP,
  });
  assert.equal(response.status, 200);
  assert.equal((await response.json()).sub, clients.secret.clientId);
});

test('a bound token is refused as a Bearer token, and the challenge names DPoP', async () => {
  // RFC 9449 section 7.2.
  const { access_token } = await bound('secret', await handle('secret'), { scope: 'openid' });
  const answer = await fetch(`${issuer}/agent-info`, { headers: { authorization: `Bearer ${access_token}` } });
  assert.equal(answer.status, 401);
  assert.match(answer.headers.get('www-authenticate'), /DPoP (\w+="[^"]*", )*algs="/);
});

test('a bound token is refused with a proof of another key', async () => {
  const { access_token } = await bound('secret', await handle('secret'), { scope: 'openid' });
  const DPoP = await handle('secret');
  const url = new URL(`${issuer}/agent-info`);
  const request = () =>
    oauth.protectedResourceRequest(access_token, 'GET', url, undefined, null, { ...plain, DPoP });
  await assert.rejects(
    withNonce(request),
    (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.status === 401,
  );
});

// scripts/interop runs these tests again on a server that demands nonces.
if (process.env.AGENTIDP_INTEROP_NONCES) {
  test('a proof without a nonce is refused, and the answer brings the nonce', async () => {
    // RFC 9449 section 8.
    const first = await ask(await proof());
    assert.equal(first.status, 400);
    assert.equal((await first.json()).error, 'use_dpop_nonce');
    const nonce = first.headers.get('dpop-nonce');
    assert.ok(nonce);
    assert.equal((await ask(await proof({}, {}, 'of my own'))).status, 400);
    assert.equal((await ask(await proof({}, {}, nonce))).status, 200);
  });

  test('the management API demands a nonce too', async () => {
    // RFC 9449 section 9.
    const keys = await oauth.generateKeyPair('ES256', { extractable: true });
    const { access_token } = await bound('secret', oauth.DPoP(client('secret'), keys), { scope: 'openid' });
    const url = new URL(`${issuer}/agent-info`);
    const fresh = oauth.DPoP(client('secret'), keys);
    const request = () =>
      oauth.protectedResourceRequest(access_token, 'GET', url, undefined, null, { ...plain, DPoP: fresh });
    await assert.rejects(request(), (error) => oauth.isDPoPNonceError(error));
    assert.equal((await request()).status, 200);
  });
}

test('a proof is good for one request', async () => {
  // RFC 9449 section 11.1.
  const once = await proof({}, {}, await currentNonce());
  assert.equal((await ask(once)).status, 200);
  const again = await ask(once);
  assert.equal(again.status, 400);
  assert.equal((await again.json()).error, 'invalid_dpop_proof');
});

test('proofs that are not what RFC 9449 section 4.3 asks for are refused', async () => {
  const now = Math.floor(Date.now() / 1000);
  const nonce = await currentNonce();
  const wrong = {
    'another method': [{ htm: 'GET' }],
    'another address': [{ htu: 'https://other.example.com/oauth2/token' }],
    'no jti': [{ jti: undefined }],
    'long ago': [{ iat: now - 3600 }],
    'in the future': [{ iat: now + 3600 }],
    'another type': [{}, { typ: 'JWT' }],
    'a private key': [{}, { private: true }],
    'a critical header': [{}, { crit: ['b64'], b64: true }],
  };
  for (const [what, [claims, header]] of Object.entries(wrong)) {
    const answer = await ask(await proof(claims, header, nonce));
    assert.equal(answer.status, 400, what);
    assert.equal((await answer.json()).error, 'invalid_dpop_proof', what);
  }
  const two = await ask(await proof({}, {}, nonce), await proof({}, {}, nonce));
  assert.equal(two.status, 400);
  assert.equal((await two.json()).error, 'invalid_dpop_proof');
  assert.equal((await ask('not a token')).status, 400);
  const unsigned = `${jose.base64url.encode('{"alg":"none","typ":"dpop+jwt"}')}.e30.`;
  assert.equal((await ask(unsigned)).status, 400);
});

test('an address of a proof is compared without query and fragment', async () => {
  const nonce = await currentNonce();
  const answer = await ask(await proof({ htu: `${as.token_endpoint}?a=b#c` }, {}, nonce));
  assert.equal(answer.status, 200, await answer.text());
});
