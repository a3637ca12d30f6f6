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

/** Gives the tokens of both sides, and makes the delegate act for the orchestrator. */
async function delegated(parameters = {}) {
  const subject = await access('orchestrator', { resource });
  const actor_token = await access('delegate', { resource });
  const actor = { actor_token, actor_token_type: ACCESS_TOKEN };
  return { subject, answer: await exchange('delegate', subject, { ...actor, ...parameters }) };
}

const refused = (...errors) => (thrown) =>
  thrown instanceof oauth.ResponseBodyError && thrown.status === 400 && errors.includes(thrown.error);

test('the grant is listed in the metadata', () => {
  assert.ok(as.grant_types_supported.includes(GRANT));
});

test('the exchanged token is of the subject, and says who acts', async () => {
  const { subject, answer } = await delegated({ scope: 'tools:read' });
  // RFC 8693 section 2.2.1: issued_token_type is REQUIRED.
  assert.equal(answer.issued_token_type, ACCESS_TOKEN);
  assert.equal(answer.token_type, 'bearer');
  assert.ok(!('refresh_token' in answer));
  const { payload } = await verify(as, answer.access_token);
  assert.equal(payload.sub, clients.orchestrator.clientId);
  assert.equal(payload.act.sub, clients.delegate.clientId);
  assert.equal(payload.scope, 'tools:read');
  assert.ok(payload.exp <= jose.decodeJwt(subject).exp, 'no longer than the subject');
  const told = await introspect(as, 'introspector', answer.access_token);
  assert.equal(told.act.sub, clients.delegate.clientId);
});

test('openid-client exchanges too', async () => {
  const config = await configuration('delegate');
  const answer = await oidc.genericGrantRequest(config, GRANT, {
    subject_token: await access('orchestrator', { resource }),
    subject_token_type: ACCESS_TOKEN,
    actor_token: await access('delegate', { resource }),
    actor_token_type: ACCESS_TOKEN,
  });
  assert.equal((await verify(as, answer.access_token)).payload.act.sub, clients.delegate.clientId);
});

test('an exchange grants no scope that the subject does not hold', async () => {
  const narrow = await access('orchestrator', { resource, scope: 'tools:read' });
  const actor = { actor_token: await access('delegate', { resource }), actor_token_type: ACCESS_TOKEN };
  await assert.rejects(
    exchange('delegate', narrow, { ...actor, scope: 'tools:write' }),
    refused('invalid_scope'),
  );
  const { payload } = await verify(as, (await exchange('delegate', narrow, actor)).access_token);
  assert.equal(payload.scope, 'tools:read');
});

test('an exchange reaches no audience that the subject was not for', async () => {
  await assert.rejects(
    delegated({ resource: 'https://other.example.com' }),
    refused('invalid_target', 'invalid_request'),
  );
});

test('an actor token comes with its type, and a type with its token', async () => {
  // RFC 8693 section 2.1.
  const subject = await access('orchestrator', { resource });
  const actor_token = await access('delegate', { resource });
  for (const parameters of [{ actor_token }, { actor_token_type: ACCESS_TOKEN }]) {
    await assert.rejects(exchange('delegate', subject, parameters), refused('invalid_request'));
  }
});

test('what is no token of ours is not exchanged', async () => {
  const actor = { actor_token: await access('delegate', { resource }), actor_token_type: ACCESS_TOKEN };
  // RFC 8693 section 2.2.2: invalid_request for an invalid subject token; RFC 6749 has invalid_grant.
  await assert.rejects(exchange('delegate', 'nonsense', actor), refused('invalid_request', 'invalid_grant'));
  const missing = await post(
    as.token_endpoint,
    { grant_type: GRANT },
    { authorization: `Basic ${btoa(`${clients.delegate.clientId}:${clients.delegate.secret}`)}` },
  );
  assert.equal(missing.status, 400);
  assert.equal((await missing.json()).error, 'invalid_request');
});

test("the other organization's token is not exchanged", async () => {
  const theirs = await access('stranger', { resource, scope: 'tools:read' });
  const actor = { actor_token: await access('delegate', { resource }), actor_token_type: ACCESS_TOKEN };
  await assert.rejects(exchange('delegate', theirs, actor), refused('invalid_request', 'invalid_grant'));
});

test('a chain of actors keeps the earlier ones inside', async () => {
  const { answer } = await delegated();
  const second = await exchange('secret', answer.access_token, {
    actor_token: await access('secret', { resource, scope: 'tools:read' }),
    actor_token_type: ACCESS_TOKEN,
    scope: 'tools:read',
  });
  const { payload } = await verify(as, second.access_token);
  assert.equal(payload.sub, clients.orchestrator.clientId);
  // RFC 8693 section 4.1: the outermost is who acts now.
  assert.equal(payload.act.sub, clients.secret.clientId);
  assert.equal(payload.act.act.sub, clients.delegate.clientId);
});

test('a revoked subject token is not exchanged', async () => {
  const subject = await access('orchestrator', { resource });
  await revoke(as, 'orchestrator', subject);
  const actor = { actor_token: await access('delegate', { resource }), actor_token_type: ACCESS_TOKEN };
  await assert.rejects(exchange('delegate', subject, actor), refused('invalid_request', 'invalid_grant'));
});

test('suspending an actor in the chain ends what it was given', async () => {
  const { answer } = await delegated();
  assert.equal((await introspect(as, 'introspector', answer.access_token)).active, true);
  agentidp('agent', 'suspend', clients.delegate.clientId, '--org', 'acme');
  try {
    assert.deepEqual(await introspect(as, 'introspector', answer.access_token), { active: false });
    const actor = { actor_token: await access('secret', { resource }), actor_token_type: ACCESS_TOKEN };
    await assert.rejects(
      exchange('secret', answer.access_token, actor),
      refused('invalid_request', 'invalid_grant'),
    );
  } finally {
    agentidp('agent', 'reactivate', clients.delegate.clientId, '--org', 'acme');
  }
});
