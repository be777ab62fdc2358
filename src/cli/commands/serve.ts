/** `watersmeet serve`: a store for every client of EventStoreDB, in any language. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { taggedOf, thrownMessage } from '../../core/fault.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { AddressUnavailable, ServeOptions, Serving } from '../../server/serve.js';
import type { EventStore } from '../../store/event-store.js';
import { failureOf } from '../failure.js';
import { parseStore, type StoreOptions, type StorePlace, storeToLookInto, withStore } from '../open-store.js';
import { badOption, wholeNumber } from '../options.js';
import type { Session } from '../session.js';

interface ServeCommandOptions extends StoreOptions {
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly credentialsFile?: string;
}

/** Connections to PostgreSQL: appends and reads of many clients share them. */
const poolMax = 10;

const textOf = ({ cwd }: Session, option: string, path: string): string => {
  try {
    return readFileSync(resolve(cwd, path), 'utf8');
  } catch (error) {
    throw badOption(option, `cannot be read: ${thrownMessage(error)}`);
  }
};

type Users = NonNullable<ServeOptions['users']>;

/** Lines are counted, never shown: they hold passwords. */
const usersIn = (text: string): Users =>
  text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const colon = line.indexOf(':');
    if (colon < 1 || colon === line.length - 1)
      throw badOption('--credentials-file', `must hold name:password, which line ${index + 1} does not`);
    return [{ name: line.slice(0, colon), password: line.slice(colon + 1) }];
  });

const accessOf = (session: Session, options: ServeCommandOptions): Pick<ServeOptions, 'tls' | 'users'> => {
  const { tlsCert, tlsKey, credentialsFile } = options;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw badOption(tlsCert === undefined ? '--tls-cert' : '--tls-key', 'is missing: TLS needs both');
  const tls =
    tlsCert === undefined || tlsKey === undefined
      ? undefined
      : { cert: textOf(session, '--tls-cert', tlsCert), key: textOf(session, '--tls-key', tlsKey) };
  const users =
    credentialsFile === undefined
      ? undefined
      : usersIn(textOf(session, '--credentials-file', credentialsFile));
  return { ...(tls !== undefined && { tls }), ...(users !== undefined && { users }) };
};

/** One in memory is welcome here: it lives as long as the server. */
const placeOf = (session: Session, { store }: StoreOptions): StorePlace => {
  const told = store ?? session.env['WATERSMEET_STORE'];
  return told === undefined ? storeToLookInto(session, {}) : parseStore(told, session.cwd);
};

/** What a client is given. A server that listens everywhere is reached by a name that only its owner knows. */
const connectionString = ({ host, port }: Serving, { tls, users }: Pick<ServeOptions, 'tls' | 'users'>) => {
  const who = users === undefined ? '' : 'NAME:PASSWORD@';
  const bare = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  const where = ['0.0.0.0', '::', '[::]'].includes(host) ? 'HOST' : bare;
  return `esdb://${who}${where}:${port}?tls=${tls !== undefined}`;
};

const isUnavailable = (tagged: unknown): tagged is AddressUnavailable =>
  (tagged as { readonly _tag?: unknown } | undefined)?._tag === 'AddressUnavailable';

const opened = async (store: EventStore, options: ServeOptions): Promise<Serving> => {
  const { serve } = await import('../../server/serve.js');
  try {
    return await serve(store, options);
  } catch (error) {
    const tagged = taggedOf(error);
    if (!isUnavailable(tagged)) throw error;
    const { host, port, message } = tagged;
    throw badOption(
      '--port',
      `${port} cannot be listened at on ${host}, perhaps because another program does: ${message}`,
    );
  }
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });

const serveUntilEnd = async (session: Session, options: ServeCommandOptions): Promise<void> => {
  const access = accessOf(session, options);
  const { host, port, schema } = options;
  const place = placeOf(session, options);
  const onError = (error: unknown): void => session.err(`watersmeet: ${failureOf(error).line}`);
  await withStore(place, { schema, poolMax, create: true }, async (store) => {
    const serving = await opened(store, { host, port, ...access, onError });
    try {
      session.err(`serving ${escapeForDisplay(place.shown, 600)}; Ctrl-C ends`);
      await session.out(connectionString(serving, access));
      await aborted(session.signal);
    } finally {
      await serving.close();
    }
  });
  session.err('ended');
};

const help = `
Clients of EventStoreDB and KurrentDB connect with the connection string that is printed. Streams, $all, subscriptions
and persistent subscriptions are served; projections and the management of users are not.

Without TLS and users only this machine may connect: --host must be 127.0.0.1, ::1 or localhost. The credentials file
holds a line name:password for each user; lines that begin with # are skipped. Everyone in it may do everything. Use it
with TLS: most clients send no password over a connection that is not encrypted.

SIGINT (Ctrl-C) or SIGTERM ends the server in order, with exit code 0.

Examples:
  $ watersmeet serve --store memory
  $ watersmeet serve --store pglite:.watersmeet/orders --port 2114
  $ watersmeet serve --store postgres://me@localhost/orders --host 0.0.0.0 --tls-cert server.crt --tls-key server.key \\
      --credentials-file users.txt`;

/** `onOrderlyEnd` is called when the server was ended by a signal, as it is meant to be. */
export const addServe = (cli: Command, session: Session, onOrderlyEnd: () => void): void => {
  cli
    .command('serve')
    .summary('serve a store to clients of EventStoreDB')
    .description('Serves a store by the gRPC protocol of EventStoreDB, until it is ended.')
    .option(
      '--store <store>',
      'memory, pglite:<dir> or postgres://... (default: $WATERSMEET_STORE, or the only one in .watersmeet)',
    )
    .option('--schema <name>', 'schema of the tables (default: watersmeet)')
    .option('--host <host>', 'where to listen', '127.0.0.1')
    .option('--port <n>', '0 takes one that is free', wholeNumber('--port', 0, 65_535), 2113)
    .option('--tls-cert <file>', "the server's certificate and those up to its authority, PEM")
    .option('--tls-key <file>', 'its key, PEM')
    .option('--credentials-file <file>', 'names and passwords of those who may connect')
    .addHelpText('after', help)
    .action(async (options: ServeCommandOptions) => {
      await serveUntilEnd(session, options);
      onOrderlyEnd();
    });
};
