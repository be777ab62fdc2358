// What differs between the two official clients, behind one shape. Only the client that is asked for is loaded: the two cannot live in
// one process.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// The protocol files that a client ships, for what its own API cannot say: bytes exactly as they are, services it has no word for.
const ofEventStore = (name) => `@eventstore/db-client/generated/${name}.js`;
const ofKurrent = (name) => `@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/${name}.js`;

const kinds = {
  '@eventstore/db-client': {
    client: 'EventStoreDBClient',
    expectation: 'expectedRevision',
    wrong: { expected: 'expectedVersion', actual: 'actualVersion' },
    filtersReads: false,
    anyDirection: true,
    pinnedByCorrelation: false,
    protocol: (name) => require(ofEventStore(name)),
    users: 'users_grpc_pb',
    operations: 'operations_grpc_pb',
  },
  '@kurrent/kurrentdb-client': {
    client: 'KurrentDBClient',
    expectation: 'streamState',
    wrong: { expected: 'expectedState', actual: 'actualState' },
    filtersReads: true,
    anyDirection: false,
    pinnedByCorrelation: true,
    protocol: (name) => require(ofKurrent(name)),
    users: 'usermanagement_grpc_pb',
    operations: 'operations_grpc_pb',
  },
};

export const clientKinds = Object.keys(kinds);

export const loadAdaptor = (kind) => {
  const known = kinds[kind];
  if (known === undefined) throw new Error(`No client ${kind}: one of ${clientKinds.join(', ')}.`);
  const api = require(kind);
  return {
    kind,
    api,
    ...known,
    connect: (connectionString) => api[known.client].connectionString(connectionString),
    /** The options of an append that expects something, under the client's own name for it. */
    expecting: (expected) => (expected === undefined ? {} : { [known.expectation]: expected }),
    /** What a WrongExpectedVersionError says, under one pair of names. */
    wrongOf: (error) => ({
      streamName: error.streamName,
      expected: error[known.wrong.expected],
      actual: error[known.wrong.actual],
    }),
  };
};

const needs = {
  filtersReads: (kind) => kinds[kind].filtersReads || 'this client has no filter for reads of $all',
  pinnedByCorrelation: (kind) => kinds[kind].pinnedByCorrelation || 'this client does not know the strategy',
  anyDirection: (kind) =>
    kinds[kind].anyDirection ||
    'this client reads backwards from the end, and forwards from the start, whatever it is told',
  restart: (_kind, { restart }) => restart || 'nothing here can restart the server',
  users: (_kind, { users }) => users || 'this server asks nobody who he is',
  ownServer: (_kind, { own }) => own || 'a real server may have what is looked for here',
};

/** What checks must know of a server before they are made. */
export const serverTraits = (connectionString, { own, restart = own }) => ({
  own,
  restart,
  users: /^[^?]+:\/\/[^/?@]+:[^/?@]+@/.test(connectionString),
});

/** Why a check is not made with this client on this server; `undefined` where it is. */
export const lackOf = ({ needs: needed }, kind, server) => {
  if (needed === undefined) return undefined;
  const answer = needs[needed](kind, server);
  return answer === true ? undefined : answer;
};
