/** `watersmeet leases`: who may do what for a while, and for how long still. */
import type { Command } from 'commander';
import { taggedError, toPromise } from '../../core/fault.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { EventStore, NotSupported } from '../../store/event-store.js';
import { leaseScopeOf } from '../../store/lease-scopes.js';
import type { LeaseSummary } from '../../store/leases.js';
import { pageMax } from '../../store/limits.js';
import { lookInto, type LookOptions, withLookOptions } from '../look.js';
import { wholeNumber } from '../options.js';
import type { Session } from '../session.js';
import type { Opener } from './dead-letters.js';
import { ageOf } from './queues.js';

interface LeasesOptions extends LookOptions {
  readonly prefix?: string;
  readonly max: number;
}

const nameCharactersMax = 600;

const row = (cells: ReadonlyArray<string>): string => {
  const [expires = '', token = '', ...rest] = cells;
  return [expires.padStart(10), token.padStart(6), ...rest].join('  ');
};

const lineOf = ({ colors }: Session, { name, token, holder, expiresInMs }: LeaseSummary): string =>
  row([
    ageOf(expiresInMs),
    String(token),
    colors.bold(escapeForDisplay(name, nameCharactersMax)),
    escapeForDisplay(holder, nameCharactersMax),
  ]);

const jsonOf = (lease: LeaseSummary): string => {
  const scope = leaseScopeOf(lease.name);
  return JSON.stringify(scope === undefined ? lease : { ...lease, scope });
};

const show = async (
  session: Session,
  { prefix = '', max, json }: LeasesOptions,
  { leases }: EventStore,
): Promise<void> => {
  if (leases === undefined) throw taggedError<NotSupported>({ _tag: 'NotSupported', capability: 'leases' });
  const held = await toPromise(leases.list({ prefix, maxCount: max }));
  if (json !== true) {
    if (held.length === 0) return session.err('no leases are held');
    await session.out(session.colors.dim(row(['expires in', 'token', 'name', 'holder'])));
  }
  for (const lease of held) {
    if (session.signal.aborted) return;
    await session.out(json === true ? jsonOf(lease) : lineOf(session, lease));
  }
  if (held.length === max)
    session.err(`only the first ${max} are shown: there may be more, see --prefix and --max`);
};

const help = `
A lease that its holder does not renew ends by itself, and is then no longer listed. Leases on scopes are named as
scope:/product-123/assets; with --json their segments stand in "scope".

Examples:
  $ watersmeet leases
  $ watersmeet leases --prefix scope:/product-123
  $ watersmeet leases --json
`;

export const addLeases = (cli: Command, session: Session, open: Opener = lookInto): void => {
  withLookOptions(cli.command('leases').summary('list the leases that are held'), { tenant: false })
    .description(
      'Lists the leases that are held, by name: when each ends unless it is renewed, its token, and who holds it.',
    )
    .option('--prefix <text>', 'only those whose names begin with this, letter for letter')
    .option('--max <n>', `at most so many, 1 to ${pageMax}`, wholeNumber('--max', 1, pageMax), pageMax)
    .addHelpText('after', help)
    .action((options: LeasesOptions) => open(session, options, (store) => show(session, options, store)));
};
