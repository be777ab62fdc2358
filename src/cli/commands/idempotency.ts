/** `watersmeet idempotency`: operations that are remembered by their keys, looked at, forgotten, or cleaned up. */
import type { Command } from 'commander';
import { taggedError, toPromise } from '../../core/fault.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { EventStore, NotSupported } from '../../store/event-store.js';
import type {
  IdempotencyEntry,
  IdempotencyKey,
  IdempotencyState,
  IdempotencyStore,
  IdempotencySummary,
} from '../../store/idempotency.js';
import { lookInto, type LookOptions, tenantOption, withLookOptions } from '../look.js';
import { badOption, wholeNumber } from '../options.js';
import type { Session } from '../session.js';
import type { Opener } from './dead-letters.js';

interface OperationOptions extends LookOptions {
  readonly scope?: string;
  readonly state?: IdempotencyState;
  readonly max?: number;
}

const pageSize = 512;
const batchSize = 1_000;
const nameCharactersMax = 600;
const errorCharactersMax = 200;
/** Shown whole in practice, and still bounded. */
const resultCharactersMax = 100_000;

const operationsOf = ({ idempotency }: EventStore): IdempotencyStore => {
  if (idempotency === undefined)
    throw taggedError<NotSupported>({ _tag: 'NotSupported', capability: 'idempotency' });
  return idempotency;
};

const shown = (text: string, max = nameCharactersMax): string => escapeForDisplay(text, max);

const checkedState = (value: string): IdempotencyState => {
  if (value === 'pending' || value === 'completed' || value === 'failed') return value;
  throw badOption('--state', `must be pending, completed or failed, found ${JSON.stringify(value)}`);
};

/** All operations that the options speak of, page by page. */
async function* operationsIn(
  store: IdempotencyStore,
  options: OperationOptions,
  signal: AbortSignal,
): AsyncGenerator<IdempotencySummary> {
  const { scope, state } = options;
  const wanted = { ...tenantOption(options), ...(scope !== undefined && { scope }), ...(state && { state }) };
  let after: IdempotencySummary | undefined;
  do {
    const request = { ...wanted, maxCount: pageSize, ...(after !== undefined && { after }) };
    const page = await toPromise(store.list(request));
    yield* page;
    after = page.length < pageSize ? undefined : page[page.length - 1];
  } while (after !== undefined && !signal.aborted);
}

/** Whose it is, where that is still open. */
const holding = ({ state, holder, staleInMs = 0 }: IdempotencySummary): string => {
  if (state !== 'pending') return '';
  return staleInMs === 0 ? `${shown(holder)} did not come back` : `by ${shown(holder)}`;
};

const lineOf = ({ colors }: Session, operation: IdempotencySummary): string =>
  [
    colors.dim(shown(operation.scope)),
    shown(operation.key),
    colors.bold(operation.state),
    operation.attempt === 1 ? '' : `attempt ${operation.attempt}`,
    colors.yellow(holding(operation)),
    shown(operation.error ?? '', errorCharactersMax),
    colors.dim(operation.settledAt ?? operation.begunAt),
  ]
    .filter((part) => part !== '')
    .join('  ');

const list = async (session: Session, options: OperationOptions, store: EventStore): Promise<void> => {
  let listed = 0;
  for await (const operation of operationsIn(operationsOf(store), options, session.signal)) {
    if (listed >= (options.max ?? Infinity) || session.signal.aborted) break;
    await session.out(options.json === true ? JSON.stringify(operation) : lineOf(session, operation));
    listed += 1;
  }
  if (listed === 0 && options.json !== true) session.err('no operations');
};

const rowsOf = (entry: IdempotencyEntry): ReadonlyArray<readonly [string, string]> => [
  ['scope', shown(entry.scope)],
  ['key', shown(entry.key)],
  ['tenant', shown(entry.tenant)],
  ['state', entry.state],
  ['attempt', String(entry.attempt)],
  ['holder', shown(entry.holder)],
  ['request', shown(entry.requestHash)],
  ['begun', entry.begunAt],
  ['ended', entry.settledAt ?? (entry.staleInMs === 0 ? 'its holder did not come back' : 'not yet')],
  ['forgotten', `in ${Math.ceil(entry.expiresInMs / 1_000)} s`],
  ...(entry.error === undefined ? [] : [['error', shown(entry.error, resultCharactersMax)] as const]),
  ...(entry.result === undefined
    ? []
    : [['result', shown(JSON.stringify(entry.result), resultCharactersMax)] as const]),
];

const show = async (
  session: Session,
  key: IdempotencyKey,
  options: OperationOptions,
  store: EventStore,
): Promise<void> => {
  const entry = await toPromise(operationsOf(store).show(key));
  if (entry === undefined) return session.err(`${shown(key.scope)} ${shown(key.key)} is not known`);
  if (options.json === true) return session.out(JSON.stringify(entry));
  for (const [name, value] of rowsOf(entry))
    await session.out(`${session.colors.dim(name.padEnd(10))} ${value}`);
};

const forget = async (
  session: Session,
  keys: ReadonlyArray<IdempotencyKey>,
  options: OperationOptions,
  store: EventStore,
): Promise<void> => {
  for (const key of keys) {
    const wasKnown = await toPromise(operationsOf(store).forget(key));
    const words = wasKnown ? 'is forgotten, and may be begun anew' : 'is not known';
    const told = { did: 'forget', scope: key.scope, key: key.key, wasKnown };
    await session.out(
      options.json === true ? JSON.stringify(told) : `${shown(key.scope)} ${shown(key.key)} ${words}`,
    );
  }
};

const clean = async (session: Session, options: OperationOptions, store: EventStore): Promise<void> => {
  let deleted = 0;
  for (let batch = batchSize; batch === batchSize && !session.signal.aborted; deleted += batch)
    batch = await toPromise(operationsOf(store).cleanUp({ maxCount: batchSize }));
  await session.out(options.json === true ? JSON.stringify({ did: 'clean', deleted }) : `${deleted} deleted`);
};

const examples = `
Requests are in scopes api:<name> (by the client's key) and api-hash:<name> (by the request itself), jobs in job:<name>.
Forgetting one lets it be done again, and refuses whoever does it now.

Examples:
  $ watersmeet idempotency list --scope job:import --state failed
  $ watersmeet idempotency show api:redeem-points redeem:cust_123:ord_789:500
  $ watersmeet idempotency forget job:import import:erp_456:batch_20260420
  $ watersmeet idempotency clean
`;

export const addIdempotency = (cli: Command, session: Session, open: Opener = lookInto): void => {
  const operations = cli
    .command('idempotency')
    .summary('look at operations that are remembered by their keys; forget them, clean up')
    .description('Operations that are remembered by their keys: looked at, forgotten, or cleaned up.')
    .addHelpText('after', examples);
  const sub = (usage: string, summary: string): Command =>
    withLookOptions(operations.command(usage).description(summary), { tenant: false });
  const ofTenant = (usage: string, summary: string): Command =>
    sub(usage, summary).option('--tenant <name>', 'whose operations (default: default)');
  ofTenant('list', 'Lists operations by scope and key: state, attempts, holder, error and time.')
    .option('--scope <name>', 'only this scope (default: all)')
    .option('--state <state>', 'only pending, completed or failed ones (default: all)', checkedState)
    .option('--max <n>', 'operations at most', wholeNumber('--max', 1, 1e9))
    .action((options: OperationOptions) => open(session, options, (store) => list(session, options, store)));
  ofTenant('show', 'Shows one with what it came to.')
    .argument('<scope>', 'as list shows it')
    .argument('<key>', 'as list shows it')
    .action((scope: string, key: string, options: OperationOptions) =>
      open(session, options, (store) =>
        show(session, { ...tenantOption(options), scope, key }, options, store),
      ),
    );
  ofTenant('forget', 'Forgets them whatever their state: they may be done again.')
    .argument('<scope>', 'as list shows it')
    .argument('<key...>', 'as list shows them')
    .action((scope: string, keys: ReadonlyArray<string>, options: OperationOptions) =>
      open(session, options, (store) => {
        const all = keys.map((key) => ({ ...tenantOption(options), scope, key }));
        return forget(session, all, options, store);
      }),
    );
  sub('clean', 'Deletes those that are past their time, of all tenants.').action(
    (options: OperationOptions) => open(session, options, (store) => clean(session, options, store)),
  );
};
