// Another authorization server that nobody here wrote: npm `oidc-provider`, in memory, with the same
// clients as ours has.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider, errors } from 'oidc-provider';

/** Tokens for this resource are JWTs (RFC 9068); those for any other are opaque, so that they can be
 * introspected and revoked there: it refuses that for JWTs. */
export function configuration({ clients, resource, scope }) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    clients,
    scopes: scope.split(' '),
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256' }] },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    ttl: { ClientCredentials: 3600 },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        getResourceServerInfo(_context, indicator) {
          const known = indicator === resource || indicator === 'urn:opaque' || indicator.includes('localhost');
          if (!known) throw new errors.InvalidTarget();
          return {
            scope,
            audience: indicator,
            accessTokenTTL: 3600,
            accessTokenFormat: indicator === 'urn:opaque' ? 'opaque' : 'jwt',
            jwt: { sign: { alg: 'ES256' } },
          };
        },
      },
    },
  };
}

/** A client of ours as it is registered there. */
export function registration({ clientId, secret, key, kid }, scope) {
  const usual = {
    client_id: clientId,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    id_token_signed_response_alg: 'ES256',
    scope,
  };
  if (secret !== undefined) {
    return { ...usual, client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' };
  }
  const { d, p, q, dp, dq, qi, ...jwk } = key;
  return { ...usual, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ ...jwk, kid }] } };
}

/** Listens on the port of the issuer, at the loopback address alone. */
export async function listen(issuer, options) {
  const provider = new Provider(issuer, configuration(options));
  const server = createServer(provider.callback());
  server.listen(Number(new URL(issuer).port), '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  return server;
}
