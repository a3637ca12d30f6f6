// The running instance, and who its clients are. scripts/interop makes both.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import * as jose from 'jose';
import * as oauth from 'oauth4webapi';
import * as oidc from 'openid-client';

const path = process.env.AGENTIDP_INTEROP;
if (!path) throw new Error('AGENTIDP_INTEROP names no fixture: run scripts/interop BINARY');

export const fixture = JSON.parse(readFileSync(path, 'utf8'));
export const { issuer, resource, clients } = fixture;
// The issuer is http://localhost:PORT, which both packages refuse unless told.
export const plain = { [oauth.allowInsecureRequests]: true };

/** The metadata by RFC 8414, or by OpenID Connect Discovery. */
export async function metadata(algorithm = 'oauth2') {
  const url = new URL(issuer);
  const response = await oauth.discoveryRequest(url, { algorithm, ...plain });
  return oauth.processDiscoveryResponse(url, response);
}

/** A client as oauth4webapi has it. */
export const client = (name) => ({ client_id: clients[name].clientId });

/** The private key of a client, with its name, as oauth4webapi takes it. */
export async function privateKey(name) {
  const { key, kid } = clients[name];
  const alg = { EC: 'ES256', RSA: 'RS256', OKP: 'EdDSA' }[key.kty];
  return { key: await jose.importJWK(key, alg, { extractable: false }), kid };
}

/** How a client proves itself unless a test says otherwise. */
export async function proof(name) {
  const { secret } = clients[name];
  return secret === undefined
    ? oauth.PrivateKeyJwt(await privateKey(name))
    : oauth.ClientSecretBasic(secret);
}

/** Asks for a token by the client credentials grant. */
export async function token(as, name, parameters = {}, options = {}) {
  const { auth, ...rest } = options;
  const response = await oauth.clientCredentialsGrantRequest(
    as,
    client(name),
    auth ?? (await proof(name)),
    parameters,
    { ...plain, ...rest },
  );
  return oauth.processClientCredentialsResponse(as, client(name), response);
}

/** Introspects as a client. */
export async function introspect(as, name, asked, options = {}) {
  const response = await oauth.introspectionRequest(as, client(name), await proof(name), asked, {
    ...plain,
    ...options,
  });
  return oauth.processIntrospectionResponse(as, client(name), response);
}

/** Revokes as a client. */
export async function revoke(as, name, asked, options = {}) {
  const response = await oauth.revocationRequest(as, client(name), await proof(name), asked, {
    ...plain,
    ...options,
  });
  return oauth.processRevocationResponse(response);
}

/** openid-client's view of the instance, as a client. */
export async function configuration(name, auth, algorithm = 'oidc') {
  const { clientId, secret } = clients[name];
  return oidc.discovery(new URL(issuer), clientId, undefined, auth ?? oidc.ClientSecretBasic(secret), {
    algorithm,
    execute: [oidc.allowInsecureRequests],
  });
}

/** The key set at `jwks_uri`, fetched again for each key that is not known. */
export const remoteKeys = (as) =>
  jose.createRemoteJWKSet(new URL(as.jwks_uri), { cooldownDuration: 0 });

/** Verifies an access token as a resource server does (RFC 9068 section 4). */
export const verify = (as, accessToken, audience = resource, keys = remoteKeys(as)) =>
  jose.jwtVerify(accessToken, keys, {
    issuer,
    audience,
    typ: 'at+jwt',
    requiredClaims: ['exp', 'sub', 'iat', 'jti', 'client_id'],
  });

/** Posts a form as it stands, for requests that no package would make. */
export function post(url, parameters, headers = {}) {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: typeof parameters === 'string' ? parameters : new URLSearchParams(parameters),
  });
}

/** The command line, on the home of the running server. */
export function agentidp(...words) {
  const out = execFileSync(fixture.binary, ['--home', fixture.home, '--json', '--quiet', ...words]);
  return JSON.parse(out.toString());
}

/** Waits until `check` gives something true, since processes notice each other's changes by and by. */
export async function eventually(what, check, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
