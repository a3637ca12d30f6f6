// What the authorization specification of the Model Context Protocol (revision 2025-11-25) asks of an
// authorization server, and the client of its TypeScript SDK getting in without a person.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import {
  auth,
  Client,
  ClientCredentialsProvider,
  PrivateKeyJwtProvider,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import * as oauth from 'oauth4webapi';

import { clients, fixture, issuer, metadata, plain, remoteKeys, token, verify } from './lib/instance.mjs';

const serverUrl = fixture.mcp;
const PROTECTED = '/.well-known/oauth-protected-resource';

let server;
const seen = { tokens: [] };
before(async () => {
  server = await mcpServer();
});
after(() => server.close());

/** An MCP server of one page: it protects itself by our tokens and answers what the client asks first. */
async function mcpServer() {
  const keys = remoteKeys(await metadata());
  const { origin, pathname, port } = new URL(serverUrl);
  const resourceMetadata = `${origin}${PROTECTED}${pathname}`;
  const send = (response, status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const made = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    if (request.url === PROTECTED + pathname) {
      return send(response, 200, {
        resource: serverUrl,
        authorization_servers: [issuer],
        scopes_supported: ['tools:read'],
      });
    }
    if (request.url !== pathname) return send(response, 404);
    const presented = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    try {
      const { payload } = await verify(undefined, presented ?? '', serverUrl, keys);
      seen.tokens.push(payload);
    } catch {
      return send(response, 401, undefined, {
        'www-authenticate': `Bearer resource_metadata="${resourceMetadata}", scope="tools:read"`,
      });
    }
    if (request.method !== 'POST') return send(response, 405);
    const { id, method, params } = JSON.parse(body);
    if (id === undefined) return send(response, 202);
    const result = {
      initialize: () => ({
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'one page', version: '1' },
      }),
      'tools/list': () => ({ tools: [{ name: 'read', inputSchema: { type: 'object' } }] }),
    }[method];
    const answer = result ? { result: result() } : { error: { code: -32601, message: 'no such method' } };
    return send(response, 200, { jsonrpc: '2.0', id, ...answer });
  });
  made.listen(Number(port), '127.0.0.1');
  await new Promise((resolve, reject) => made.once('listening', resolve).once('error', reject));
  return made;
}

const secretProvider = () =>
  new ClientCredentialsProvider({
    clientId: clients.mcp_secret.clientId,
    clientSecret: clients.mcp_secret.secret,
    expectedIssuer: issuer,
  });

const keyProvider = () =>
  new PrivateKeyJwtProvider({
    clientId: clients.mcp_key.clientId,
    privateKey: clients.mcp_key.key,
    algorithm: 'ES256',
    expectedIssuer: issuer,
  });

test('"Authorization servers MUST provide at least one of" RFC 8414 and OpenID Connect Discovery', async () => {
  for (const algorithm of ['oauth2', 'oidc']) assert.equal((await metadata(algorithm)).issuer, issuer);
});

test('the documents are where clients look for those of an issuer without a path', async () => {
  for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']) {
    const answer = await fetch(issuer + path, { headers: { 'mcp-protocol-version': '2025-11-25' } });
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers.get('content-type'), /^application\/json/, path);
  }
});

test('no code challenge methods are promised where there is no response type', async () => {
  // "If code_challenge_methods_supported is absent, the authorization server does not support PKCE and MCP
  // clients MUST refuse to proceed": right for us, since nothing here asks a person.
  const document = await metadata();
  assert.deepEqual(document.response_types_supported, []);
  assert.ok(!('code_challenge_methods_supported' in document));
  assert.ok(!document.grant_types_supported.includes('authorization_code'));
});

test('registration by documents or dynamically is promised only where it is there', async () => {
  // "Authorization servers that support Client ID Metadata Documents" say so; we take pre-registered clients.
  const document = await metadata();
  assert.notEqual(document.client_id_metadata_document_supported, true);
  assert.ok(!('registration_endpoint' in document));
});

test('what the extension for client credentials looks for is listed', async () => {
  // The extension io.modelcontextprotocol/oauth-client-credentials: private_key_jwt (RFC 7523) is
  // RECOMMENDED, a client secret is possible; both are read from the metadata.
  const document = await metadata();
  assert.ok(document.grant_types_supported.includes('client_credentials'));
  for (const method of ['private_key_jwt', 'client_secret_basic']) {
    assert.ok(document.token_endpoint_auth_methods_supported.includes(method), method);
  }
  assert.ok(document.token_endpoint_auth_signing_alg_values_supported.includes('ES256'));
});

test('the management API says as a protected resource who gives tokens for it', async () => {
  // "MCP servers MUST implement RFC 9728"; the document "MUST include the authorization_servers field
  // containing at least one authorization server".
  const url = new URL(issuer);
  const response = await oauth.resourceDiscoveryRequest(url, plain);
  const document = await oauth.processResourceDiscoveryResponse(url, response);
  assert.equal(document.resource, issuer);
  assert.deepEqual(document.authorization_servers, [issuer]);
  // RFC 9728 section 2: how tokens are presented; never in the query.
  assert.deepEqual(document.bearer_methods_supported, ['header']);
  assert.ok(document.scopes_supported.includes('agents:read'));
});

test('a 401 of the management API names that document', async () => {
  // "MCP servers MUST implement one of": resource_metadata in WWW-Authenticate (RFC 9728 section 5.1), or
  // the well-known address.
  const answer = await fetch(`${issuer}/agents`);
  assert.equal(answer.status, 401);
  const named = /resource_metadata="([^"]+)"/.exec(answer.headers.get('www-authenticate'))?.[1];
  assert.equal(named, issuer + PROTECTED);
  assert.equal((await fetch(named)).status, 200);
});

test('a 403 of the management API names the scope that is lacking', async () => {
  // "insufficient_scope ... SHOULD respond with": 403, error, scope, resource_metadata.
  const { access_token } = await token(await metadata(), 'introspector');
  const answer = await fetch(`${issuer}/agents`, { headers: { authorization: `Bearer ${access_token}` } });
  assert.equal(answer.status, 403);
  const challenge = answer.headers.get('www-authenticate');
  assert.match(challenge, /error="insufficient_scope"/);
  assert.match(challenge, /scope="[^"]*agents:read/);
});

for (const [what, provider, name] of [
  ['a client secret', secretProvider, 'mcp_secret'],
  ['private_key_jwt', keyProvider, 'mcp_key'],
]) {
  test(`the SDK finds us through an MCP server, and gets a token for it, by ${what}`, async () => {
    // "MCP clients MUST implement Resource Indicators": the token is for the MCP server and nobody else.
    const made = provider();
    assert.equal(await auth(made, { serverUrl }), 'AUTHORIZED');
    const { payload } = await verify(await metadata(), made.tokens().access_token, serverUrl);
    assert.equal(payload.sub, clients[name].clientId);
    assert.equal(payload.aud, serverUrl);
    assert.equal(payload.scope, 'tools:read');
  });
}

test('an MCP client connects and lists tools by a token of ours', async () => {
  const client = new Client({ name: 'interop', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(serverUrl), {
    authProvider: secretProvider(),
  });
  seen.tokens = [];
  await client.connect(transport);
  const { tools } = await client.listTools();
  assert.equal(tools[0].name, 'read');
  assert.ok(seen.tokens.length >= 2);
  for (const payload of seen.tokens) assert.equal(payload.sub, clients.mcp_secret.clientId);
  await client.close();
});
