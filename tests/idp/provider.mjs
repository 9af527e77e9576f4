// An OpenID-certified identity provider for the tests: client credentials, nothing else.
//
// CLIENT_SECRET, RSA_KEY and EC_KEY (PEM files) are what the clients prove themselves with; TOKEN_TTL (seconds) is the
// lifetime of a token. A client is what its id begins with: `basic`, `post`, `rsa` or `ec`, so that a test that counts
// has a client of its own (`basic-my-test`). A resource `urn:funcify-test:FORMAT[:TTL]` picks rs256, es256 or opaque.
// GET /_count tells token requests and grants. Prints one line, {"port","issuer"}, when it is ready.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const TTL = Number(process.env.TOKEN_TTL ?? 3600);
const SCOPES = 'orders:read orders:write';
const RESOURCE = /^urn:funcify-test:(rs256|es256|opaque)(?::(\d+))?$/;

const signing = (type, options, alg) =>
  ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `test-${alg}` });
const published = (file) => ({ keys: [createPublicKey(createPrivateKey(readFileSync(file))).export({ format: 'jwk' })] });

const secret = process.env.CLIENT_SECRET;
const proofs = {
  basic: { token_endpoint_auth_method: 'client_secret_basic', client_secret: secret },
  post: { token_endpoint_auth_method: 'client_secret_post', client_secret: secret },
  rsa: { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'RS256', jwks: published(process.env.RSA_KEY) },
  ec: { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', jwks: published(process.env.EC_KEY) },
};
const client = (id) => proofs[id.split('-')[0]] && {
  client_id: id, grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: SCOPES, ...proofs[id.split('-')[0]],
};

class Store {
  constructor(model) { this.model = model; this.items = new Map(); }
  async find(id) { return this.model === 'Client' ? client(id) : this.items.get(id); }
  async upsert(id, payload) { this.items.set(id, payload); }
  async destroy(id) { this.items.delete(id); }
  async consume(id) { this.items.get(id).consumed = true; }
}

const count = { requests: 0, refused: 0, grants: { total: 0, by_client: {} } };
const server = createServer();
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    adapter: Store,
    scopes: SCOPES.split(' '),
    responseTypes: [],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    jwks: { keys: [signing('rsa', { modulusLength: 2048 }, 'RS256'), signing('ec', { namedCurve: 'P-256' }, 'ES256')] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_ctx, _client, oneOf) => oneOf ?? 'urn:funcify-test:rs256',
        getResourceServerInfo: (_ctx, resource) => {
          const [, format, ttl] = RESOURCE.exec(resource) ?? [, 'rs256'];
          const jwt = { accessTokenFormat: 'jwt', jwt: { sign: { alg: format.toUpperCase() } } };
          const opaque = { accessTokenFormat: 'opaque' };
          return { scope: SCOPES, audience: resource, accessTokenTTL: Number(ttl ?? TTL), ...(format === 'opaque' ? opaque : jwt) };
        },
      },
    },
  });
  provider.on('grant.error', () => { count.refused += 1; });
  provider.on('grant.success', ({ oidc: { client: { clientId } } }) => {
    count.grants.total += 1;
    count.grants.by_client[clientId] = (count.grants.by_client[clientId] ?? 0) + 1;
  });
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (request.url === '/_count') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(count));
      return;
    }
    if (request.method === 'POST' && request.url.startsWith('/token')) count.requests += 1;
    answer(request, response);
  });
  console.log(JSON.stringify({ port: server.address().port, issuer }));
});
