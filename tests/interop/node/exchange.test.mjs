// Delegation by token exchange (RFC 8693), through oauth4webapi and openid-client.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import * as jose from 'jose';
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
  proof,
  resource,
  revoke,
  token,
  verify,
} from './lib/instance.mjs';

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

let as;
before(async () => {
  as = await metadata();
});

const access = async (name, parameters = {}) => (await token(as, name, parameters)).access_token;

/** The client `name` exchanges a subject's token, acting for itself or by an actor's token. */
async function exchange(name, subject_token, parameters = {}) {
  const response = await oauth.genericTokenEndpointRequest(
    as,
    client(name),
    await proof(name),
    GRANT,
    { subject_token, subject_token_type: ACCESS_TOKEN, ...parameters },
    plain,
  );
  return oauth.processGenericTokenEndpointResponse(as, client(name), response);
}

/** A token of the orchestrator, for us, by which `actor` may act for it (RFC 8693 section 4.4). */
const subjectFor = (actor, parameters = {}) =>
  access('orchestrator', { resource: issuer, may_act: clients[actor].clientId, ...parameters });

/** The delegate's own token, as an actor token. */
const actor = async (name = 'delegate') => ({
  actor_token: await access(name),
  actor_token_type: ACCESS_TOKEN,
});

const refused = (...errors) => (thrown) =>
  thrown instanceof oauth.ResponseBodyError && thrown.status === 400 && errors.includes(thrown.error);

test('the grant is listed in the metadata', () => {
  assert.ok(as.grant_types_supported.includes(GRANT));
});

for (const [how, parameters] of [
  ['by an actor token', actor],
  ['by its authentication alone', () => ({})],
]) {
  test(`who may act gets a token of the subject that says who acts, ${how}`, async () => {
    const subject = await subjectFor('delegate');
    const asked = { resource, scope: 'tools:read', ...(await parameters()) };
    const answer = await exchange('delegate', subject, asked);
    // RFC 8693 section 2.2.1: issued_token_type is REQUIRED.
    assert.equal(answer.issued_token_type, ACCESS_TOKEN);
    assert.equal(answer.token_type, 'bearer');
    assert.ok(!('refresh_token' in answer));
    const { payload } = await verify(as, answer.access_token);
    assert.equal(payload.sub, clients.orchestrator.clientId);
    assert.equal(payload.client_id, clients.delegate.clientId);
    assert.equal(payload.act.sub, clients.delegate.clientId);
    assert.equal(payload.scope, 'tools:read');
    assert.ok(payload.exp <= jose.decodeJwt(subject).exp, 'no longer than the subject');
    const told = await introspect(as, 'introspector', answer.access_token);
    assert.equal(told.act.sub, clients.delegate.clientId);
  });
}

test('openid-client exchanges too', async () => {
  const config = await configuration('delegate');
  const answer = await oidc.genericGrantRequest(config, GRANT, {
    subject_token: await subjectFor('delegate'),
    subject_token_type: ACCESS_TOKEN,
    resource,
    ...(await actor()),
  });
  assert.equal((await verify(as, answer.access_token)).payload.act.sub, clients.delegate.clientId);
});

test('who may not act is refused, with an actor token and without', async () => {
  const forAnother = await subjectFor('secret');
  const forNobody = await access('orchestrator', { resource: issuer });
  for (const subject of [forAnother, forNobody]) {
    for (const parameters of [await actor(), {}]) {
      await assert.rejects(exchange('delegate', subject, parameters), refused('invalid_request'));
    }
  }
});

test("nobody acts by another's actor token", async () => {
  const subject = await subjectFor('delegate');
  await assert.rejects(exchange('delegate', subject, await actor('secret')), refused('invalid_request'));
});

test('a token for another service is of no use in an exchange', async () => {
  // Whoever it leaked to cannot turn it into one for somewhere else.
  const subject = await access('orchestrator', { resource, may_act: clients.delegate.clientId });
  await assert.rejects(exchange('delegate', subject, await actor()), refused('invalid_request'));
});

test('an exchange grants no scope that the subject does not hold', async () => {
  const narrow = await subjectFor('delegate', { scope: 'tools:read' });
  await assert.rejects(
    exchange('delegate', narrow, { ...(await actor()), resource, scope: 'tools:write' }),
    refused('invalid_scope'),
  );
  const { access_token } = await exchange('delegate', narrow, { ...(await actor()), resource });
  assert.equal((await verify(as, access_token)).payload.scope, 'tools:read');
});

test('an exchange reaches no resource that the client is not registered for', async () => {
  const subject = await subjectFor('delegate');
  await assert.rejects(
    exchange('delegate', subject, { ...(await actor()), resource: 'https://other.example.com' }),
    refused('invalid_target'),
  );
});

test('an actor token comes with its type, and a type with its token', async () => {
  // RFC 8693 section 2.1.
  const subject = await subjectFor('delegate');
  const { actor_token, actor_token_type } = await actor();
  for (const parameters of [{ actor_token }, { actor_token_type }]) {
    await assert.rejects(exchange('delegate', subject, parameters), refused('invalid_request'));
  }
});

test('what is no token of ours is not exchanged', async () => {
  // RFC 8693 section 2.2.2: invalid_request for an invalid subject token.
  await assert.rejects(exchange('delegate', 'nonsense', await actor()), refused('invalid_request'));
  const unknown = { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' };
  await assert.rejects(exchange('delegate', 'nonsense', unknown), refused('invalid_request'));
  const { id_token } = await token(as, 'plain', { scope: 'openid' });
  await assert.rejects(exchange('plain', id_token), refused('invalid_request'));
  const missing = await post(
    as.token_endpoint,
    { grant_type: GRANT },
    { authorization: `Basic ${btoa(`${clients.delegate.clientId}:${clients.delegate.secret}`)}` },
  );
  assert.equal(missing.status, 400);
  assert.equal((await missing.json()).error, 'invalid_request');
});

test("the other organization's token is not exchanged, though it says that we may act", async () => {
  const theirs = await access('stranger', {
    resource: issuer,
    scope: 'tools:read',
    may_act: clients.delegate.clientId,
  });
  await assert.rejects(exchange('delegate', theirs, await actor()), refused('invalid_request'));
});

test('a chain of actors keeps the earlier ones inside', async () => {
  const first = await exchange('delegate', await subjectFor('delegate'), {
    resource: issuer,
    scope: 'tools:read',
    may_act: clients.secret.clientId,
  });
  const second = await exchange('secret', first.access_token, { resource });
  const { payload } = await verify(as, second.access_token);
  assert.equal(payload.sub, clients.orchestrator.clientId);
  // RFC 8693 section 4.1: the outermost is who acts now.
  assert.equal(payload.act.sub, clients.secret.clientId);
  assert.equal(payload.act.act.sub, clients.delegate.clientId);
});

test('a revoked subject token is not exchanged', async () => {
  const subject = await subjectFor('delegate');
  await revoke(as, 'orchestrator', subject);
  await assert.rejects(exchange('delegate', subject, await actor()), refused('invalid_request'));
});

test('suspending an actor in the chain ends what it was given', async () => {
  const { access_token } = await exchange('delegate', await subjectFor('delegate'), {
    resource: issuer,
    may_act: clients.secret.clientId,
  });
  assert.equal((await introspect(as, 'introspector', access_token)).active, true);
  agentidp('agent', 'suspend', clients.delegate.clientId, '--org', 'acme');
  try {
    assert.deepEqual(await introspect(as, 'introspector', access_token), { active: false });
    await assert.rejects(exchange('secret', access_token), refused('invalid_request'));
  } finally {
    agentidp('agent', 'reactivate', clients.delegate.clientId, '--org', 'acme');
  }
});
