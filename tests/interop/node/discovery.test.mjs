// Metadata and keys, as oauth4webapi, openid-client and jose read them.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';

import * as jose from 'jose';

import { configuration, issuer, metadata } from './lib/instance.mjs';

const ENDPOINTS = /_endpoint$|^jwks_uri$/;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** A GET whose Host and further headers are ours to choose, which fetch does not allow. */
function get(url, headers) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { headers }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode, body }));
    });
    request.on('error', reject);
  });
}

test('both well-known documents name the issuer byte for byte', async () => {
  // RFC 8414 section 3.3, OpenID Connect Discovery section 4.3; both are also checked by the package.
  for (const algorithm of ['oauth2', 'oidc']) {
    assert.equal((await metadata(algorithm)).issuer, issuer);
  }
});

test('the two documents do not contradict each other', async () => {
  const [oauth2, oidc] = [await metadata('oauth2'), await metadata('oidc')];
  const both = Object.keys(oauth2).filter((name) => name in oidc);
  assert.ok(both.includes('token_endpoint') && both.includes('jwks_uri'));
  for (const name of both) assert.deepEqual(oauth2[name], oidc[name], name);
});

test('openid-client takes both documents', async () => {
  for (const algorithm of ['oauth2', 'oidc']) {
    const found = await configuration('secret', undefined, algorithm);
    assert.equal(found.serverMetadata().issuer, issuer);
    assert.equal(found.serverMetadata().supportsPKCE(), false, 'there is no code to prove');
  }
});

test('the OpenID document has the members that Discovery section 3 requires', async () => {
  const document = await metadata('oidc');
  for (const name of ['issuer', 'jwks_uri', 'token_endpoint']) {
    assert.equal(typeof document[name], 'string', name);
  }
  for (const name of [
    'response_types_supported',
    'subject_types_supported',
    'id_token_signing_alg_values_supported',
  ]) {
    assert.ok(Array.isArray(document[name]), name);
  }
  assert.ok(document.subject_types_supported.includes('public'));
});

test('grant types are listed, since leaving them out means authorization_code and implicit', async () => {
  // RFC 8414 section 2, grant_types_supported.
  for (const algorithm of ['oauth2', 'oidc']) {
    const document = await metadata(algorithm);
    assert.ok(document.grant_types_supported.includes('client_credentials'));
    for (const absent of ['authorization_code', 'implicit', 'password', 'refresh_token']) {
      assert.ok(!document.grant_types_supported.includes(absent), absent);
    }
  }
});

test('the three ways in which a client proves itself are listed, with their algorithms', async () => {
  // RFC 8414 section 2: token_endpoint_auth_signing_alg_values_supported MUST be there with
  // private_key_jwt, and the value `none` MUST NOT be used.
  const document = await metadata('oauth2');
  for (const endpoint of ['token', 'introspection', 'revocation']) {
    const methods = document[`${endpoint}_endpoint_auth_methods_supported`];
    assert.deepEqual(
      [...methods].sort(),
      ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
      endpoint,
    );
    const algs = document[`${endpoint}_endpoint_auth_signing_alg_values_supported`];
    assert.ok(algs.includes('ES256') && algs.includes('RS256'), endpoint);
  }
  for (const [name, value] of Object.entries(document)) {
    if (/alg_values_supported$/.test(name)) {
      assert.ok(!value.includes('none') && !value.some((alg) => alg.startsWith('HS')), name);
    }
  }
});

test('no list in the metadata is empty', async () => {
  // RFC 8414 section 3.2: zero-element arrays MUST be omitted. response_types_supported is REQUIRED by
  // section 2 all the same; it alone may be empty where no grant has a response type.
  for (const algorithm of ['oauth2', 'oidc']) {
    for (const [name, value] of Object.entries(await metadata(algorithm))) {
      const may = name === 'response_types_supported';
      assert.ok(!Array.isArray(value) || value.length > 0 || may, name);
    }
  }
});

test('each endpoint that is named is on the issuer and is there', async () => {
  for (const algorithm of ['oauth2', 'oidc']) {
    const document = await metadata(algorithm);
    const named = Object.entries(document).filter(([name]) => ENDPOINTS.test(name));
    assert.ok(named.length >= 4);
    for (const [name, url] of named) {
      assert.ok(url.startsWith(`${issuer}/`), `${name}: ${url}`);
      const { status } = await fetch(url, { method: 'GET', redirect: 'manual' });
      assert.notEqual(status, 404, name);
      assert.ok(status < 500, `${name}: ${status}`);
    }
  }
});

test('a request for consent is refused where it is made, and sends nobody anywhere', async () => {
  // RFC 6749 section 4.1.2.1: the user agent MUST NOT be redirected to an address that is not registered.
  const { authorization_endpoint, response_types_supported } = await metadata();
  assert.deepEqual(response_types_supported, []);
  const asked = new URLSearchParams({
    response_type: 'code',
    client_id: 'anybody',
    redirect_uri: 'https://client.example/callback',
    state: 'x',
  });
  for (const answer of [
    await fetch(`${authorization_endpoint}?${asked}`, { redirect: 'manual' }),
    await fetch(authorization_endpoint, { method: 'POST', body: asked, redirect: 'manual' }),
  ]) {
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get('location'), null);
    assert.equal((await answer.json()).error, 'unsupported_response_type');
  }
});

test('the issuer does not come from Host or forwarded headers', async () => {
  const url = new URL(`${issuer}/.well-known/openid-configuration`);
  for (const headers of [
    { host: 'evil.example' },
    { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    { forwarded: 'host=evil.example;proto=https' },
  ]) {
    const { status, body } = await get(url, headers);
    assert.ok(!body.includes('evil.example'), body);
    if (status === 200) assert.equal(JSON.parse(body).issuer, issuer);
  }
});

test('the key set holds public keys alone, named by their thumbprints', async () => {
  const { jwks_uri } = await metadata('oauth2');
  const response = await fetch(jwks_uri);
  assert.match(response.headers.get('content-type'), /^application\/(jwk-set\+)?json/);
  const { keys } = await response.json();
  assert.ok(keys.length >= 1);
  assert.equal(new Set(keys.map((key) => key.kid)).size, keys.length);
  for (const key of keys) {
    for (const member of PRIVATE_MEMBERS) assert.ok(!(member in key), member);
    assert.equal(key.kid, await jose.calculateJwkThumbprint(key));
    assert.equal(key.use, 'sig');
    assert.ok(key.alg);
    assert.ok(await jose.importJWK(key, key.alg), 'jose takes it');
    // RFC 7518 section 6.2.1.2: as many bytes as the curve has, leading zeros and all.
    if (key.kty === 'EC') assert.deepEqual([key.x.length, key.y.length], [43, 43]);
  }
});

test('the key set can be kept, asked after again, and read by scripts of other origins', async () => {
  const { jwks_uri } = await metadata('oauth2');
  const first = await fetch(jwks_uri, { headers: { origin: 'https://app.example' } });
  assert.equal(first.headers.get('access-control-allow-origin'), '*');
  assert.match(first.headers.get('cache-control'), /max-age=[1-9][0-9]*/);
  const etag = first.headers.get('etag');
  assert.ok(etag);
  const second = await fetch(jwks_uri, { headers: { 'if-none-match': etag } });
  assert.equal(second.status, 304);
  assert.equal(await second.text(), '');
  const other = await fetch(jwks_uri, { headers: { 'if-none-match': '"another"' } });
  assert.equal(other.status, 200);
});
