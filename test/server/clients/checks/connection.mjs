// Connections: settings, discovery, what a server says it can do, services that it does not have.
import { check, revisionsOf, upTo } from '../helpers.mjs';

const schemeOf = (text) => /^\w+/.exec(text)[0];
const discovering = (text) => text.replace(/^(\w+):/, '$1+discover:');

const works = async (client, h) => {
  const stream = h.name('connection');
  await h.append(client, stream, h.many(2), h.api.NO_STREAM);
  h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(2));
};

export const connectionChecks = [
  check('connection: many clients at once', async (_client, h) => {
    await Promise.all(Array.from({ length: 10 }, () => works(h.connect(), h)));
  }),
  check('connection: settings of the connection string', async (_client, h) => {
    const settings = { keepAliveInterval: 10_000, keepAliveTimeout: 10_000, defaultDeadline: 20_000 };
    await works(h.connect({ ...settings, nodePreference: 'leader', connectionName: 'a-name' }), h);
  }),
  check('connection: the server is found through gossip', async (_client, h) => {
    const client = h.connectTo(discovering(h.connectionString));
    await works(client, h);
    const listener = h.listen(client.subscribeToAll({ fromPosition: h.api.END }));
    await listener.confirmed();
    await listener.stop();
  }),
  check('connection: the server tells its version and what it can do', async (client, h) => {
    const features = await client.capabilities;
    h.assert.match(features.serverVersion, /^\d+\.\d+\.\d+/);
    const { StreamsService } = h.protocol('streams_grpc_pb');
    for (const method of ['batchAppend', 'append', 'read', 'delete', 'tombstone'])
      h.assert.ok(features.supports(StreamsService[method]), method);
  }),
  check(
    'connection: disposing ends what is open, and hurts no other client',
    async (client, h) => {
      const stream = h.name('disposed');
      const other = h.connect();
      const listener = h.listen(other.subscribeToStream(stream));
      await listener.confirmed();
      await h.append(other, stream, h.many(1));
      await listener.received(1);
      await other.dispose();
      await h.until(() => listener.heard.ended, 'the subscription ends');
      await h.append(client, stream, h.many(1));
      await listener.noMoreThan(1);
    },
    { alone: true },
  ),
  check('connection: a server that is not there is unavailable', async (_client, h) => {
    const client = h.connectTo(`${schemeOf(h.connectionString)}://127.0.0.1:1?tls=false`);
    await h.assert.rejects(h.append(client, h.name(), h.many(1)));
  }),
  check(
    'connection: who gives a wrong password, or none, is denied everything',
    async (client, h) => {
      const stream = h.name('denied');
      await h.append(client, stream, h.many(1));
      const wrong = { credentials: { username: 'admin', password: 'wrong' } };
      await h.rejects('AccessDeniedError', h.append(client, stream, h.many(1), undefined, wrong), 'append');
      await h.rejects('AccessDeniedError', h.read(client, stream, wrong), 'read');
      await h.rejects('AccessDeniedError', client.tombstoneStream(stream, wrong), 'tombstone');
      await h.rejects('AccessDeniedError', client.listAllPersistentSubscriptions(wrong), 'list');
      const error = await h.listen(client.subscribeToStream(stream, wrong)).failure();
      h.assert.ok(error instanceof h.api.AccessDeniedError, error.stack);
      const nobody = h.connectTo(h.connectionString.replace(/\/\/[^@]+@/, '//'));
      await h.rejects('AccessDeniedError', h.append(nobody, stream, h.many(1)), 'append of nobody');
      await h.rejects('AccessDeniedError', h.read(nobody, stream), 'read of nobody');
      h.assert.equal((await h.read(client, stream)).length, 1);
    },
    // Alone: where one batch append is denied, @eventstore/db-client fails those of all clients.
    { alone: true, needs: 'users' },
  ),
  check(
    'services that are not there answer with a sentence',
    async (client, h) => {
      const error = await client.listProjections().then(
        () => h.assert.fail('there are no projections'),
        (reason) => reason,
      );
      h.assert.equal(error.code, 12, `UNIMPLEMENTED is expected: ${error.message}`);
      h.assert.match(error.message, /[A-Za-z]+ [a-z]+ .*[a-z]+.*\./, 'a sentence');
      const { Empty } = h.protocol('shared_pb');
      const scavenge = await h.refusalOf(
        client,
        h.operations,
        'OperationsClient',
        'mergeIndexes',
        new Empty(),
      );
      h.assert.equal(scavenge?.code, 12, `UNIMPLEMENTED is expected: ${scavenge?.message}`);
      await works(client, h);
    },
    { needs: 'ownServer' },
  ),
];
