// Sends one table of requests to our server and to npm `oidc-provider`, and compares what each answers.
//
//     node differential.mjs [--print]
//
// Every difference must stand in EXPLAINED.json with the reason, and every explanation must still be
// needed. With --print the differences that are not explained come as entries to be completed.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

import * as jose from 'jose';

import { clients, fixture, issuer, privateKey, resource } from './lib/instance.mjs';
import { listen, registration } from './lib/peer.mjs';

const folder = new URL('../differential/', import.meta.url);
const read = (name) => JSON.parse(readFileSync(fileURLToPath(new URL(name, folder)), 'utf8'));
const table = read('requests.json');
const explained = read('EXPLAINED.json');

const SCOPE = 'openid tools:read tools:write';
const OURS = ['secret', 'special', 'es256', 'delegate', 'stranger'];

/** One of the two servers, with what the table's placeholders mean there. */
class Server {
  constructor(base, tokenResource) {
    this.base = base;
    this.tokenResource = tokenResource;
  }

  async prepare() {
    const metadata = await (await fetch(`${this.base}/.well-known/openid-configuration`)).json();
    this.issuer = metadata.issuer;
    this.endpoints = {
      token: metadata.token_endpoint,
      introspection: metadata.introspection_endpoint,
      revocation: metadata.revocation_endpoint,
      jwks: metadata.jwks_uri,
    };
    const { clientId, secret } = clients.secret;
    const response = await fetch(this.endpoints.token, {
      method: 'POST',
      headers: { authorization: `Basic ${encoded(clientId, secret)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: this.tokenResource }),
    });
    const answer = await response.json();
    if (!answer.access_token) throw new Error(`${this.base}: ${JSON.stringify(answer)}`);
    this.token = answer.access_token;
  }

  /** What stands for `${word}` or `${word:client}`. */
  async meaning(word, name) {
    const { clientId, secret } = clients[name] ?? {};
    switch (word) {
      case 'id':
        return encodeURIComponent(clientId);
      case 'secret':
        return encodeURIComponent(secret);
      case 'encoded':
        return encoded(clientId, secret);
      case 'raw':
        return Buffer.from(`${clientId}:${secret}`).toString('base64');
      case 'wrong':
        return encoded(clientId, 'aidp_wrong');
      case 'token':
        return this.token;
      case 'resource':
        return encodeURIComponent(resource);
      case 'megabyte':
        return 'x'.repeat(1 << 20);
      case 'assertion_type':
        return encodeURIComponent('urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      case 'assertion':
        return this.assertion(name);
      default:
        throw new Error(`no such placeholder: ${word}`);
    }
  }

  async assertion(name) {
    const { key, kid } = await privateKey(name);
    const { clientId } = clients[name];
    return new jose.SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(this.issuer)
      .setJti(crypto.randomUUID())
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(key);
  }

  async fill(text) {
    let filled = '';
    let from = 0;
    for (const match of text.matchAll(/\$\{(\w+)(?::(\w+))?\}/g)) {
      filled += text.slice(from, match.index) + (await this.meaning(match[1], match[2]));
      from = match.index + match[0].length;
    }
    return filled + text.slice(from);
  }

  async answer({ endpoint, method = 'POST', basic, headers = {}, query, form }) {
    const url = new URL(this.endpoints[endpoint] ?? this.base + endpoint);
    if (query) url.search = await this.fill(query);
    const sent = {};
    if (form !== undefined) sent['content-type'] = 'application/x-www-form-urlencoded';
    if (basic) sent.authorization = `Basic ${encoded(clients[basic].clientId, clients[basic].secret)}`;
    for (const [name, value] of Object.entries(headers)) {
      if (value === null) delete sent[name];
      else sent[name] = await this.fill(value);
    }
    return send(url, method, sent, form === undefined ? undefined : await this.fill(form));
  }
}

function encoded(id, secret) {
  const form = (text) => new URLSearchParams([['', text]]).toString().slice(1);
  return Buffer.from(`${form(id)}:${form(secret)}`).toString('base64');
}

/** fetch would refuse or repair some of these. */
function send(url, method, headers, body) {
  return new Promise((resolve, reject) => {
    if (body !== undefined) headers['content-length'] = Buffer.byteLength(body);
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    // A server may answer and hang up before it has read a body that is too large.
    request.on('error', reject);
    request.setTimeout(10_000, () => request.destroy(new Error('no answer within 10 s')));
    request.end(body);
  });
}

/** What is compared. */
function facets({ status, headers, text }) {
  const type = headers['content-type']?.split(';')[0];
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {}
  const keySet = body.keys ? { members: ['keys'] } : {};
  const metadata = body.issuer && body.token_endpoint;
  return {
    status,
    error: body.error ?? null,
    type: type ?? null,
    cache: (headers['cache-control'] ?? '').includes('no-store') ? 'no-store' : null,
    challenge: headers['www-authenticate']?.split(' ')[0] ?? null,
    allow: headers.allow ?? null,
    token_type: body.token_type ?? null,
    scope: body.scope?.split(' ').sort().join(' ') ?? null,
    active: body.active ?? null,
    ...(status === 200 && !metadata ? { members: Object.keys(body).sort() } : {}),
    ...keySet,
  };
}

function differences(ours, theirs) {
  const names = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
  return [...names]
    .filter((name) => JSON.stringify(ours[name]) !== JSON.stringify(theirs[name]))
    .map((facet) => ({ facet, ours: ours[facet] ?? null, theirs: theirs[facet] ?? null }));
}

/** Entries that differ in their requests alone, as one. */
function grouped(entries) {
  const groups = new Map();
  for (const { requests, ...rest } of entries) {
    const key = JSON.stringify(rest);
    if (!groups.has(key)) groups.set(key, { requests: [], ...rest });
    groups.get(key).requests.push(...requests);
  }
  return [...groups.values()];
}

const peerIssuer = fixture.peer;
const peer = await listen(peerIssuer, {
  resource,
  scope: SCOPE,
  clients: OURS.map((name) => registration(clients[name], SCOPE)),
});
const servers = [new Server(issuer, resource), new Server(peerIssuer, 'urn:opaque')];
for (const server of servers) await server.prepare();

let passed = 0;
const unexplained = [];
const needed = new Set();
for (const { name, ...request } of table) {
  const answers = [];
  for (const server of servers) {
    try {
      answers.push(facets(await server.answer(request)));
    } catch (error) {
      answers.push({ status: `none: ${error.code ?? error.message}` });
    }
  }
  let fine = true;
  for (const difference of differences(...answers)) {
    const matches = (entry) =>
      entry.requests.includes(name) &&
      entry.facet === difference.facet &&
      JSON.stringify(entry.ours) === JSON.stringify(difference.ours) &&
      JSON.stringify(entry.theirs) === JSON.stringify(difference.theirs);
    const entry = explained.find(matches);
    if (entry) needed.add(`${explained.indexOf(entry)} ${name}`);
    else {
      fine = false;
      unexplained.push({ requests: [name], ...difference, why: '' });
    }
  }
  if (fine) passed += 1;
}
peer.close();
peer.closeAllConnections();

const names = new Set(table.map(({ name }) => name));
const stale = explained.flatMap(({ requests, facet }, index) =>
  requests
    .filter((name) => !needed.has(`${index} ${name}`))
    .map((name) => `${facet} of "${name}"${names.has(name) ? '' : ' (no such request)'}`),
);
const empty = explained.filter(({ why }) => !why?.trim()).map(({ requests }) => requests.join(', '));

if (process.argv.includes('--print')) console.log(JSON.stringify(grouped(unexplained), null, 2));
for (const { requests, facet, ours, theirs } of unexplained) {
  console.error(`not explained: "${requests[0]}": ${facet} is ${JSON.stringify(ours)} here, ${JSON.stringify(theirs)} there`);
}
for (const each of stale) console.error(`no longer needed: the explanation of ${each}`);
for (const each of empty) console.error(`an explanation without a reason: ${each}`);
const failed = table.length - passed + stale.length + empty.length;
console.log(`differential: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
