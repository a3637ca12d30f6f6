// The command line turns the signing key while clients go on: nobody who refetches is ever cut off.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import * as jose from 'jose';

import { agentidp, eventually, introspect, metadata, remoteKeys, token, verify } from './lib/instance.mjs';

let as;
before(async () => {
  as = await metadata();
});

const kidOf = (jwt) => jose.decodeProtectedHeader(jwt).kid;
const published = async () => (await (await fetch(as.jwks_uri)).json()).keys.map((key) => key.kid);

test('tokens before, during and after a rotation verify by one key set that refetches', async () => {
  const keys = remoteKeys(as);
  const before = (await token(as, 'secret')).access_token;
  await verify(as, before, undefined, keys);

  const { kid: next } = agentidp('key', 'rotate', '--alg', 'ES256');
  await eventually('the next key is published', async () => (await published()).includes(next));
  const during = (await token(as, 'secret')).access_token;
  assert.equal(kidOf(during), kidOf(before), 'a key that nobody can have fetched does not sign');
  await verify(as, during, undefined, keys);

  const { kid, retired } = agentidp('key', 'rotate', '--now', '--alg', 'ES256');
  assert.equal(retired, kidOf(before));
  const after = await eventually('the new key signs', async () => {
    const { access_token } = await token(as, 'secret');
    await verify(as, access_token, undefined, keys);
    return kidOf(access_token) === kid && access_token;
  });
  for (const each of [before, during, after]) {
    await verify(as, each, undefined, keys);
    await verify(as, each, undefined, remoteKeys(as));
    assert.equal((await introspect(as, 'introspector', each)).active, true);
  }
});

test('a revoked key is gone from the set, and its tokens are refused', async () => {
  const { access_token: doomed } = await token(as, 'secret');
  const kid = kidOf(doomed);
  agentidp('key', 'revoke', '--yes', '--', kid);
  await eventually('the key is gone', async () => !(await published()).includes(kid));
  await assert.rejects(verify(as, doomed, undefined, remoteKeys(as)), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  assert.deepEqual(await introspect(as, 'introspector', doomed), { active: false });
  const fresh = await eventually('another key signs', async () => {
    const { access_token } = await token(as, 'secret');
    return kidOf(access_token) !== kid && access_token;
  });
  await verify(as, fresh, undefined, remoteKeys(as));
});

test('an ETag from before a rotation fetches the key set anew', async () => {
  const etag = (await fetch(as.jwks_uri)).headers.get('etag');
  const { kid } = agentidp('key', 'rotate', '--alg', 'EdDSA');
  await eventually('the next key is published', async () => (await published()).includes(kid));
  const answer = await fetch(as.jwks_uri, { headers: { 'if-none-match': etag } });
  assert.equal(answer.status, 200);
});
