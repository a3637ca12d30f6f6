// npm `oidc-provider` in memory, with the clients of a file: peer.mjs ISSUER CLIENTS_JSON

import { readFileSync } from 'node:fs';

import { listen, registration } from '../../tests/interop/node/lib/peer.mjs';

const [issuer, path] = process.argv.slice(2);
const scope = 'tools:read';
const clients = JSON.parse(readFileSync(path, 'utf8')).map((client) => registration(client, scope));
await listen(issuer, { resource: 'https://api.example.com', scope, clients });
