/** What the commands that look into a store have in common: options, opening, names, and how an event is shown. */
import type { Command } from 'commander';
import * as E from 'fp-ts/lib/Either.js';
import { shortData } from '../core/saga/describe-conflict.js';
import type { Paint } from '../core/saga/draw.js';
import type { RecordedEvent } from '../core/event.js';
import { taggedError } from '../core/fault.js';
import { escapeForDisplay, type StreamName, streamName, type Tenant, tenant } from '../core/stream.js';
import type { EventStore } from '../store/event-store.js';
import { type StoreOptions, storeToLookInto, withStore } from './open-store.js';
import type { Colors, Session } from './session.js';

export interface LookOptions extends StoreOptions {
  readonly tenant?: string;
  readonly json?: boolean;
}

export const storeHelp =
  'pglite:<dir> or postgres://... (default: $WATERSMEET_STORE, or the only one in .watersmeet)';

export const withLookOptions = (command: Command, { json = true, tenant = true } = {}): Command => {
  const looking = command
    .option('--store <store>', storeHelp)
    .option('--schema <name>', 'schema of the tables (default: watersmeet)');
  if (tenant) looking.option('--tenant <name>', 'whose streams (default: default)');
  return json ? looking.option('--json', 'print JSON, one object a line') : looking;
};

export const lookInto = <A>(
  session: Session,
  options: LookOptions,
  work: (store: EventStore) => Promise<A>,
): Promise<A> =>
  withStore(storeToLookInto(session, options), { schema: options.schema, poolMax: 2, create: false }, work);

const orThrow = <A>(result: E.Either<{ readonly _tag: string }, A>): A => {
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

export const checkedStream = (name: string): StreamName => orThrow(streamName(name));

export const tenantOption = ({ tenant: name }: LookOptions): { readonly tenant?: Tenant } =>
  name === undefined ? {} : { tenant: orThrow(tenant(name)) };

/** The colours of a drawing. */
export const paintWith = (colors: Colors): Paint => ({
  trunk: (text) => text,
  branch: colors.cyan,
  merge: colors.green,
  trouble: colors.yellow,
  quiet: colors.dim,
});

const dataCharactersMax = 160;

/** One event on one line; `where` goes before its type. */
export const eventLine = (colors: Colors, where: string, { type, data, recordedAt }: RecordedEvent): string =>
  [
    colors.dim(where),
    colors.bold(escapeForDisplay(type, 120)),
    shortData(data, dataCharactersMax),
    colors.dim(recordedAt),
  ]
    .filter((part) => part !== '')
    .join('  ');
