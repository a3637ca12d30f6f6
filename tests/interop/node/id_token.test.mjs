// ID tokens of agents (OpenID Connect Core section 2) and /agent-info (section 5.3).

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
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
  proof,
  remoteKeys,
  resource,
  token,
} from './lib/instance.mjs';

let as;
before(async () => {
  as = await metadata('oidc');
});

const agentInfo = (headers = {}, init = {}) => fetch(`${issuer}/agent-info`, { headers, ...init });
const bearer = (word) => ({ authorization: `Bearer ${word}` });

/** OpenID Connect Core section 3.1.3.6: the left half of the hash that belongs to the algorithm. */
function atHash(alg, accessToken) {
  const hash = { ES256: 'sha256', RS256: 'sha256', EdDSA: 'sha512', Ed25519: 'sha512' }[alg];
  const digest = createHash(hash).update(accessToken).digest();
  return digest.subarray(0, digest.length / 2).toString('base64url');
}

test('an ID token comes with the scope openid, and not without', async () => {
  assert.ok((await token(as, 'secret', { scope: 'openid' })).id_token);
  assert.ok(!('id_token' in (await token(as, 'secret', { scope: 'tools:read' }))));
  assert.ok(!('id_token' in (await token(as, 'secret'))), 'openid is asked for by name');
});

test('oauth4webapi validates the ID token and its signature', async () => {
  const response = await oauth.clientCredentialsGrantRequest(
    as,
    client('secret'),
    await proof('secret'),
    { scope: 'openid' },
    plain,
  );
  const answer = await oauth.processClientCredentialsResponse(as, client('secret'), response);
  await oauth.validateApplicationLevelSignature(as, response, plain);
  const claims = oauth.getValidatedIdTokenClaims(answer);
  assert.equal(claims.sub, clients.secret.clientId);
});

test('the ID token says who the agent is, and makes nothing up', async () => {
  const { access_token, id_token } = await token(as, 'secret', { scope: 'openid tools:read' });
  const { clientId, did, name, organizationId } = clients.secret;
  const { payload, protectedHeader } = await jose.jwtVerify(id_token, remoteKeys(as), {
    issuer,
    audience: clientId,
    subject: clientId,
    typ: 'JWT',
    requiredClaims: ['exp', 'iat', 'at_hash'],
  });
  assert.equal(payload.organization_id, organizationId);
  assert.equal(payload.agent_did, did);
  assert.equal(payload.agent_name, name);
  assert.equal(payload.at_hash, atHash(protectedHeader.alg, access_token));
  assert.ok(as.id_token_signing_alg_values_supported.includes(protectedHeader.alg));
  for (const absent of ['nonce', 'auth_time', 'amr', 'acr']) assert.ok(!(absent in payload), absent);
});

for (const alg of ['ES256', 'EdDSA', 'RS256']) {
  test(`an agent whose tokens are signed with ${alg} has both by that algorithm, and the hash that belongs to it`, async () => {
    const name = `signed_${alg.toLowerCase()}`;
    const { access_token, id_token } = await token(as, name, { scope: 'openid tools:read' });
    const options = { issuer, algorithms: [alg] };
    await jose.jwtVerify(access_token, remoteKeys(as), { ...options, audience: resource, typ: 'at+jwt' });
    const audience = clients[name].clientId;
    const { payload } = await jose.jwtVerify(id_token, remoteKeys(as), { ...options, audience, typ: 'JWT' });
    assert.equal(payload.at_hash, atHash(alg, access_token));
  });
}

test('/agent-info answers GET and POST to the bearer of a token with openid', async () => {
  const { access_token } = await token(as, 'secret', { scope: 'openid' });
  for (const method of ['GET', 'POST']) {
    const answer = await agentInfo(bearer(access_token), { method });
    assert.equal(answer.status, 200, method);
    assert.match(answer.headers.get('content-type'), /^application\/json/);
    const told = await answer.json();
    assert.equal(told.sub, clients.secret.clientId);
    assert.equal(told.agent_did, clients.secret.did);
    assert.equal(told.organization_id, clients.secret.organizationId);
  }
});

test('openid-client finds /agent-info as the UserInfo endpoint', async () => {
  const config = await configuration('secret');
  const { access_token } = await oidc.clientCredentialsGrant(config, { scope: 'openid' });
  const told = await oidc.fetchUserInfo(config, access_token, clients.secret.clientId);
  assert.equal(told.sub, clients.secret.clientId);
  assert.equal(config.serverMetadata().userinfo_endpoint, `${issuer}/agent-info`);
});

test('/agent-info tells apart no token, a bad one and one without openid', async () => {
  // RFC 6750 section 3.1: without any token the challenge carries no error code.
  const nothing = await agentInfo();
  assert.equal(nothing.status, 401);
  const challenge = nothing.headers.get('www-authenticate');
  assert.match(challenge, /^Bearer\b/);
  assert.ok(!challenge.includes('error='), challenge);

  const bad = await agentInfo(bearer('nonsense'));
  assert.equal(bad.status, 401);
  assert.match(bad.headers.get('www-authenticate'), /error="invalid_token"/);

  const { access_token } = await token(as, 'secret', { scope: 'tools:read' });
  const lacking = await agentInfo(bearer(access_token));
  assert.equal(lacking.status, 403);
  assert.match(lacking.headers.get('www-authenticate'), /error="insufficient_scope"/);
  assert.match(lacking.headers.get('www-authenticate'), /scope="openid"/);
});

test('an ID token is no access token', async () => {
  const { id_token } = await token(as, 'plain', { scope: 'openid' });
  for (const path of ['/agent-info', '/agents']) {
    const answer = await fetch(issuer + path, { headers: bearer(id_token) });
    assert.equal(answer.status, 401, path);
  }
});

test('a token in the query is not read', async () => {
  // RFC 6750 section 2.3 advises against it, RFC 9700 section 4.3.2 forbids it.
  const { access_token } = await token(as, 'secret', { scope: 'openid' });
  const answer = await fetch(`${issuer}/agent-info?access_token=${access_token}`);
  assert.equal(answer.status, 401);
});

test('the management API takes tokens for the issuer alone', async () => {
  const { access_token: ours } = await token(as, 'plain', { scope: 'agents:read' });
  assert.equal((await fetch(`${issuer}/agents`, { headers: bearer(ours) })).status, 200);
  const { access_token: theirs } = await token(as, 'secret', { scope: 'tools:read', resource });
  const refused = await fetch(`${issuer}/agents`, { headers: bearer(theirs) });
  assert.equal(refused.status, 401);
});
