// How clients prove themselves at the token endpoint, and what the tokens say.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';

import {
  client,
  clients,
  configuration,
  issuer,
  metadata,
  plain,
  post,
  privateKey,
  resource,
  token,
  verify,
} from './lib/instance.mjs';

const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

let as;
before(async () => {
  as = await metadata();
});

const refusedAs = (error, status) => (thrown) =>
  (thrown instanceof oauth.ResponseBodyError && thrown.error === error && thrown.status === status) ||
  // What a 401 says in its header comes first in this package.
  (thrown instanceof oauth.WWWAuthenticateChallengeError && thrown.status === status);

/** An assertion as RFC 7523 section 3 has it, but for what a test changes. */
async function assertion(name, claims = {}, header = {}) {
  const { key, kid } = await privateKey(name);
  const now = Math.floor(Date.now() / 1000);
  const id = clients[name].clientId;
  const usual = { iss: id, sub: id, aud: issuer, jti: crypto.randomUUID(), iat: now, exp: now + 60 };
  return new jose.SignJWT({ ...usual, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid, ...header })
    .sign(key);
}

const withAssertion = (client_assertion, more = {}) =>
  post(as.token_endpoint, {
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION,
    client_assertion,
    ...more,
  });

test('client_secret_basic gives a token that jose verifies', async () => {
  const answer = await token(as, 'secret', { scope: 'tools:read' });
  assert.equal(answer.token_type, 'bearer');
  assert.equal(typeof answer.expires_in, 'number');
  assert.equal(answer.scope, 'tools:read');
  assert.ok(!('refresh_token' in answer) && !('id_token' in answer));
  const { payload, protectedHeader } = await verify(as, answer.access_token);
  assert.equal(protectedHeader.typ, 'at+jwt');
  const { clientId, did, organizationId } = clients.secret;
  assert.equal(payload.sub, clientId);
  assert.equal(payload.client_id, clientId);
  assert.equal(payload.aud, resource);
  assert.equal(payload.scope, 'tools:read');
  assert.equal(payload.agent_did, did);
  assert.equal(payload.organization_id, organizationId);
  assert.equal(payload.exp - payload.iat, answer.expires_in);
  for (const name of ['exp', 'iat']) assert.ok(Number.isInteger(payload[name]), name);
  assert.ok(payload.iat <= Date.now() / 1000, 'not of the future');
});

test('oauth4webapi takes the token as a resource server', async () => {
  const { access_token } = await token(as, 'secret', { scope: 'tools:read' });
  const headers = { authorization: `Bearer ${access_token}` };
  const claims = await oauth.validateJwtAccessToken(as, new Request(resource, { headers }), resource, plain);
  assert.equal(claims.client_id, clients.secret.clientId);
  const elsewhere = oauth.validateJwtAccessToken(
    as,
    new Request('https://other.example.com', { headers }),
    'https://other.example.com',
    plain,
  );
  await assert.rejects(elsewhere, /aud/);
});

test('client_secret_post gives a token', async () => {
  const auth = oauth.ClientSecretPost(clients.secret.secret);
  await verify(as, (await token(as, 'secret', {}, { auth })).access_token);
});

test('a secret of special characters works by Basic, encoded as RFC 6749 section 2.3.1 says, and by post', async () => {
  for (const name of ['special', 'unicode']) {
    const { secret } = clients[name];
    for (const auth of [oauth.ClientSecretBasic(secret), oauth.ClientSecretPost(secret)]) {
      await verify(as, (await token(as, name, {}, { auth })).access_token);
    }
  }
});

test('a last character that differs makes a wrong secret', async () => {
  const wrong = clients.special.secret.slice(0, -1) + '!';
  for (const auth of [oauth.ClientSecretBasic(wrong), oauth.ClientSecretPost(wrong)]) {
    await assert.rejects(token(as, 'special', {}, { auth }), refusedAs('invalid_client', 401));
  }
});

for (const name of ['es256', 'rs256', 'eddsa']) {
  // Of an Ed25519 key this package says `Ed25519` (RFC 9864), not `EdDSA`.
  test(`private_key_jwt with ${name} gives a token`, async () => {
    const answer = await token(as, name);
    assert.equal((await verify(as, answer.access_token)).payload.sub, clients[name].clientId);
  });
}

test('private_key_jwt with an Ed25519 key under the older name EdDSA gives a token', async () => {
  const auth = oauth.PrivateKeyJwt(await privateKey('eddsa'), {
    [oauth.modifyAssertion]: (header) => (header.alg = 'EdDSA'),
  });
  await verify(as, (await token(as, 'eddsa', {}, { auth })).access_token);
});

test('openid-client gets tokens by each of the three ways', async () => {
  const es256 = await privateKey('es256');
  for (const [name, auth] of [
    ['secret', oidc.ClientSecretBasic(clients.secret.secret)],
    ['special', oidc.ClientSecretBasic(clients.special.secret)],
    ['secret', oidc.ClientSecretPost(clients.secret.secret)],
    ['es256', oidc.PrivateKeyJwt(es256)],
  ]) {
    const answer = await oidc.clientCredentialsGrant(await configuration(name, auth), {
      scope: 'tools:read',
      resource,
    });
    assert.equal((await verify(as, answer.access_token)).payload.client_id, clients[name].clientId);
  }
});

test('an assertion is good for one request', async () => {
  // RFC 7523 section 3, item 7; also when both arrive at the same moment.
  const once = await assertion('es256');
  const answers = await Promise.all([withAssertion(once), withAssertion(once), withAssertion(once)]);
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 401, 401]);
  assert.equal((await withAssertion(once)).status, 401);
});

test('assertions that are not what RFC 7523 asks for are refused', async () => {
  const now = Math.floor(Date.now() / 1000);
  const other = clients.globex_key.clientId;
  const wrong = {
    'an audience beside ours': [{ aud: [issuer, 'https://other.example.com'] }],
    'the token endpoint as audience': [{ aud: as.token_endpoint }],
    'another audience': [{ aud: 'https://other.example.com' }],
    'another subject': [{ sub: other }],
    'another issuer': [{ iss: other }],
    'no jti': [{ jti: undefined }],
    'no end': [{ exp: undefined }],
    'an end in the past': [{ exp: now - 120, iat: now - 180 }],
    'an end far away': [{ exp: now + 86400 }],
    'an end as a text': [{ exp: String(now + 60) }],
    'a beginning in the future': [{ nbf: now + 600 }],
    'an unknown critical header': [{}, { crit: ['b64'], b64: true }],
    'a kid that is a path': [{}, { kid: '../../etc/passwd' }],
  };
  for (const [what, [claims, header]] of Object.entries(wrong)) {
    const answer = await withAssertion(await assertion('es256', claims, header));
    assert.equal(answer.status, 401, what);
    assert.equal((await answer.json()).error, 'invalid_client', what);
  }
  assert.equal((await withAssertion(await assertion('es256'))).status, 200, 'as it should be');
});

test('an assertion without signature, or under a key that it brings, is refused', async () => {
  const id = clients.es256.clientId;
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: id, sub: id, aud: issuer, jti: crypto.randomUUID(), iat: now, exp: now + 60 };
  const unsigned = new jose.UnsecuredJWT(claims).encode();
  assert.equal((await withAssertion(unsigned)).status, 401);

  const { publicKey, privateKey: foreign } = await jose.generateKeyPair('ES256', { extractable: true });
  const jwk = await jose.exportJWK(publicKey);
  const brought = await new jose.SignJWT({ ...claims, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256', jwk })
    .sign(foreign);
  assert.equal((await withAssertion(brought)).status, 401);

  // The public key's bytes as an HMAC secret: the oldest confusion of algorithms.
  const { d, ...ours } = clients.es256.key;
  const pem = await jose.exportSPKI(await jose.importJWK(ours, 'ES256', { extractable: true }));
  const hmac = await new jose.SignJWT({ ...claims, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'HS256', kid: clients.es256.kid })
    .sign(new TextEncoder().encode(pem));
  assert.equal((await withAssertion(hmac)).status, 401);
});

test('a client_id that differs from the assertion is refused', async () => {
  const answer = await withAssertion(await assertion('es256'), { client_id: clients.secret.clientId });
  assert.ok([400, 401].includes(answer.status));
});

test('a client proves itself in one way at a time', async () => {
  // RFC 6749 section 2.3.
  const { clientId, secret } = clients.secret;
  const basic = `Basic ${btoa(`${clientId}:${secret}`)}`;
  const grant_type = 'client_credentials';
  const twice = [
    post(as.token_endpoint, { grant_type, client_id: clientId, client_secret: secret }, { authorization: basic }),
    withAssertion(await assertion('es256'), { client_secret: secret }),
    post(
      as.token_endpoint,
      { grant_type, client_assertion_type: ASSERTION, client_assertion: await assertion('es256') },
      { authorization: basic },
    ),
  ];
  for (const answer of await Promise.all(twice)) {
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).error, 'invalid_request');
  }
});

test('whoever may not have a token hears the same, whatever the reason', async () => {
  const { secret } = clients.secret;
  const heard = new Set();
  for (const [id, word] of [
    [clients.secret.clientId, 'aidp_wrong'],
    [clients.secret.clientId, clients.stranger.secret],
    [clients.suspended.clientId, clients.suspended.secret],
    ['01900000-0000-7000-8000-000000000000', secret],
    ['nobody', secret],
    [clients.es256.clientId, secret],
  ]) {
    const answer = await post(
      as.token_endpoint,
      { grant_type: 'client_credentials' },
      { authorization: `Basic ${btoa(`${id}:${word}`)}` },
    );
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get('www-authenticate'), /^Basic /);
    heard.add(await answer.text());
  }
  assert.equal(heard.size, 1, [...heard].join('\n'));
  assert.equal(JSON.parse([...heard][0]).error, 'invalid_client');
});

test('a resource that the agent is not registered for is an invalid target, a scope an invalid scope', async () => {
  // RFC 8707 section 2, RFC 6749 section 5.2.
  await assert.rejects(
    token(as, 'secret', { resource: 'https://other.example.com' }),
    refusedAs('invalid_target', 400),
  );
  await assert.rejects(token(as, 'secret', { resource: `${resource}#x` }), refusedAs('invalid_target', 400));
  await assert.rejects(token(as, 'secret', { scope: 'tools:delete' }), refusedAs('invalid_scope', 400));
  await assert.rejects(
    token(as, 'two_resources', [
      ['resource', resource],
      ['resource', 'https://other.example.com'],
    ]),
    refusedAs('invalid_target', 400),
  );
});

test('without a resource and without a registered one, a token is for the issuer', async () => {
  const { access_token } = await token(as, 'plain');
  assert.equal((await verify(as, access_token, issuer)).payload.aud, issuer);
});
