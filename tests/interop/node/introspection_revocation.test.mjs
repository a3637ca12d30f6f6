// What may be learnt about tokens (RFC 7662), and how they are ended (RFC 7009).

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';

import {
  agentidp,
  client,
  clients,
  configuration,
  introspect,
  issuer,
  metadata,
  plain,
  post,
  resource,
  revoke,
  token,
  verify,
} from './lib/instance.mjs';

let as;
before(async () => {
  as = await metadata();
});

const INACTIVE = { active: false };

test('its owner learns all that a token says', async () => {
  const { access_token } = await token(as, 'secret', { scope: 'tools:read' });
  const told = await introspect(as, 'secret', access_token);
  const { payload } = await verify(as, access_token);
  assert.equal(told.active, true);
  assert.equal(told.token_type, 'Bearer');
  for (const name of ['client_id', 'scope', 'exp', 'iat', 'sub', 'aud', 'iss', 'jti']) {
    assert.deepEqual(told[name], payload[name], name);
  }
});

test('the service that a token is for, and who may introspect, learn it too', async () => {
  const { access_token } = await token(as, 'secret');
  for (const name of ['service', 'introspector']) {
    const told = await introspect(as, name, access_token);
    assert.equal(told.active, true, name);
    assert.equal(told.client_id, clients.secret.clientId);
  }
});

test('openid-client introspects and revokes', async () => {
  const config = await configuration('secret');
  const { access_token } = await oidc.clientCredentialsGrant(config, { scope: 'tools:read' });
  assert.equal((await oidc.tokenIntrospection(config, access_token)).active, true);
  await oidc.tokenRevocation(config, access_token);
  assert.deepEqual(await oidc.tokenIntrospection(config, access_token), INACTIVE);
});

test('a client with a key introspects and revokes by private_key_jwt', async () => {
  const { access_token } = await token(as, 'es256');
  assert.equal((await introspect(as, 'es256', access_token)).active, true);
  await revoke(as, 'es256', access_token);
  assert.deepEqual(await introspect(as, 'es256', access_token), INACTIVE);
});

test('the other organization learns nothing of a token, whatever its scopes', async () => {
  const { access_token } = await token(as, 'secret');
  assert.deepEqual(await introspect(as, 'stranger', access_token), INACTIVE);
  const { access_token: theirs } = await token(as, 'stranger', { resource });
  assert.deepEqual(await introspect(as, 'introspector', theirs), INACTIVE);
});

test('another agent of the organization, without the scope, learns nothing', async () => {
  const { access_token } = await token(as, 'secret');
  assert.deepEqual(await introspect(as, 'delegate', access_token), INACTIVE);
});

test('what is no token of ours is inactive, and says nothing else', async () => {
  // RFC 7662 section 2.2.
  const { access_token } = await token(as, 'secret', { scope: 'openid' });
  const [header, payload, signature] = access_token.split('.');
  for (const wrong of [
    'nonsense',
    'a.b.c',
    `${header}.${payload}.`,
    `${header}.${payload}.${signature.split('').reverse().join('')}`,
    'x'.repeat(5000),
  ]) {
    assert.deepEqual(await introspect(as, 'secret', wrong), INACTIVE);
  }
});

test('an ID token is not active as an access token', async () => {
  const { id_token } = await token(as, 'secret', { scope: 'openid' });
  assert.deepEqual(await introspect(as, 'secret', id_token), INACTIVE);
});

test('introspection and revocation ask who is asking', async () => {
  const { access_token } = await token(as, 'secret');
  for (const endpoint of [as.introspection_endpoint, as.revocation_endpoint]) {
    const answer = await post(endpoint, { token: access_token });
    assert.equal(answer.status, 401);
    assert.equal((await answer.json()).error, 'invalid_client');
  }
  assert.equal((await introspect(as, 'secret', access_token)).active, true);
});

test('a revoked token is inactive at once, and revoking it again is fine', async () => {
  const { access_token } = await token(as, 'secret');
  await revoke(as, 'secret', access_token);
  assert.deepEqual(await introspect(as, 'secret', access_token), INACTIVE);
  await revoke(as, 'secret', access_token);
});

test('revoking what is no token answers 200, and a hint that is wrong or unknown is passed over', async () => {
  // RFC 7009 section 2.2.
  await revoke(as, 'secret', 'nonsense');
  for (const token_type_hint of ['refresh_token', 'of_my_own']) {
    const { access_token } = await token(as, 'secret');
    await revoke(as, 'secret', access_token, { additionalParameters: { token_type_hint } });
    assert.deepEqual(await introspect(as, 'secret', access_token), INACTIVE);
  }
});

test('nobody ends the token of another client', async () => {
  const { access_token } = await token(as, 'secret');
  for (const name of ['delegate', 'stranger']) {
    const response = await oauth.revocationRequest(
      as,
      client(name),
      oauth.ClientSecretBasic(clients[name].secret),
      access_token,
      plain,
    );
    // RFC 7009 section 2.1: refused, and the client is told so, and nothing else of the token.
    const error = await oauth.processRevocationResponse(response).catch((caught) => caught);
    assert.equal(error.status, 400);
    assert.equal(error.error, 'unauthorized_client');
    assert.ok(!JSON.stringify(error.cause).includes(clients.secret.clientId));
  }
  assert.equal((await introspect(as, 'secret', access_token)).active, true);
});

test('suspending an agent ends its tokens, and its return does not bring them back', async () => {
  const { clientId } = clients.delegate;
  const { access_token } = await token(as, 'delegate');
  assert.equal((await introspect(as, 'introspector', access_token)).active, true);
  agentidp('agent', 'suspend', clientId, '--org', 'acme');
  try {
    assert.deepEqual(await introspect(as, 'introspector', access_token), INACTIVE);
    await assert.rejects(token(as, 'delegate'), { status: 401 });
  } finally {
    agentidp('agent', 'reactivate', clientId, '--org', 'acme');
  }
  assert.deepEqual(await introspect(as, 'introspector', access_token), INACTIVE);
  const { access_token: fresh } = await token(as, 'delegate');
  assert.equal((await introspect(as, 'introspector', fresh)).active, true);
});

test('answers about tokens are not stored', async () => {
  const { access_token } = await token(as, 'secret');
  const { clientId, secret } = clients.secret;
  const headers = { authorization: `Basic ${btoa(`${clientId}:${secret}`)}` };
  const answer = await post(as.introspection_endpoint, { token: access_token }, headers);
  assert.match(answer.headers.get('cache-control'), /no-store/);
  assert.match(answer.headers.get('content-type'), /^application\/json/);
  assert.equal((await answer.json()).iss, issuer);
});
