/** `watersmeet copy`: moves the streams of a store into another, and proves that they are the same. */
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { toPromise } from '../../core/fault.js';
import { escapeForDisplay, type Tenant } from '../../core/stream.js';
import type { Comparison, StreamDifference } from '../../core/stream-digest.js';
import {
  compareStores,
  type CopyOptions,
  type CopyReport,
  copyStore,
  type StoreComparison,
} from '../../runtime/copy/copy-store.js';
import { moveCheckpoint, positionPairs } from '../../runtime/copy/positions.js';
import type { EventStore } from '../../store/event-store.js';
import { copyBar } from '../copy-progress.js';
import { exitCodes } from '../failure.js';
import { tenantOption } from '../look.js';
import { parseStore, type StorePlace, withStore } from '../open-store.js';
import { badOption, collect, wholeNumber } from '../options.js';
import { extendMap, pairsIn } from '../position-map.js';
import type { Session } from '../session.js';

interface CopyCommandOptions {
  readonly from?: string;
  readonly to?: string;
  readonly fromSchema?: string;
  readonly toSchema?: string;
  readonly tenant?: string;
  readonly category?: string;
  /** `--no-archived` makes it false. */
  readonly archived: boolean;
  readonly verifyOnly?: boolean;
  readonly fast?: boolean;
  readonly tombstone?: boolean;
  readonly page?: number;
  readonly positions?: string;
  readonly moveCheckpoint?: ReadonlyArray<string>;
  readonly json?: boolean;
}

interface Copying {
  readonly session: Session;
  readonly options: CopyCommandOptions;
  readonly from: EventStore;
  readonly to: EventStore;
}

const placeOf = (session: Session, option: '--from' | '--to', told: string | undefined): StorePlace => {
  if (told === undefined)
    throw badOption(option, 'is missing: name the store, as in pglite:.watersmeet/loans');
  const place = parseStore(told, session.cwd);
  if (place.kind === 'memory' || (place.kind === 'pglite' && place.directory === 'memory'))
    throw badOption(option, `must be a store that is kept, and ${place.shown} ends with its process`);
  return place;
};

const checkChoice = ({
  verifyOnly,
  positions,
  moveCheckpoint: moved,
  fast,
  tombstone,
}: CopyCommandOptions): void => {
  const writing = {
    '--positions': positions,
    '--move-checkpoint': moved,
    '--fast': fast,
    '--tombstone': tombstone,
  };
  for (const [option, value] of Object.entries(writing))
    if (verifyOnly === true && value !== undefined)
      throw badOption(option, 'is of no use with --verify-only, which writes nothing');
  if (moved !== undefined && positions === undefined)
    throw badOption('--move-checkpoint', 'needs --positions, the map by which checkpoints are translated');
};

const amount = (count: number, one: string): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : `${one}s`}`;

const sideLine = (name: string, side: Comparison['source'], store: EventStore): string =>
  `${name}  ${side.hash}  ${amount(side.events, 'event')} of ${amount(side.streams, 'stream')}  ${escapeForDisplay(store.name, 300)}`;

const sideWords = (side: StreamDifference['source']): string =>
  side === undefined
    ? 'not there'
    : `version ${side.version}${side.state === 'open' ? '' : ` (${side.state})`}`;

const differenceLine = ({ tenant, streamName, source, target }: StreamDifference): string => {
  const where = `${escapeForDisplay(tenant, 150)} ${escapeForDisplay(streamName, 600)}`;
  const isSameLength = source?.version === target?.version && source?.state === target?.state;
  return `  ${where}: ${sideWords(source)} in the source, ${sideWords(target)} in the target${isSameLength ? ', with other events' : ''}`;
};

const differencesShown = 20;

const tellComparison = async ({ session, from, to }: Copying, comparison: StoreComparison): Promise<void> => {
  const { source, target, isEqual, differences, differencesCount } = comparison;
  for (const [side, held] of Object.entries(comparison.heldBack))
    if (held !== undefined)
      session.err(
        `newer events of the ${side} wait behind ${escapeForDisplay(held.by, 300)}: they were not read`,
      );
  await session.out(sideLine('source', source, from));
  await session.out(sideLine('target', target, to));
  if (isEqual) return session.out('identical');
  await session.out(`different in ${amount(differencesCount, 'stream')}:`);
  for (const difference of differences.slice(0, differencesShown))
    await session.out(differenceLine(difference));
  if (differencesCount > differencesShown)
    await session.out(`  and ${differencesCount - differencesShown} more`);
};

const tellCopied = async ({ session, options }: Copying, report: CopyReport): Promise<void> => {
  const { copied, known, marked, gone } = report;
  const there = known === 0 ? '' : `, ${amount(known, 'event')} were there`;
  const marks = marked === 0 ? '' : `, ${amount(marked, 'stream')} marked`;
  await session.out(`${amount(copied, 'event')} copied${there}${marks}`);
  if (gone.length > 0)
    session.err(
      options.tombstone === true
        ? `${amount(gone.length, 'stream')} tombstoned, as in the source`
        : `${amount(gone.length, 'stream')} of the target ${gone.length === 1 ? 'is' : 'are'} tombstoned in the source; --tombstone does the same in the target, for ever`,
    );
};

const scopeOf = ({ tenant, category, archived }: CopyCommandOptions) => ({
  ...tenantOption({ ...(tenant !== undefined && { tenant }) }),
  ...(category !== undefined && { category }),
  includeArchived: archived,
});

const optionsOf = ({ session, options }: Copying): Omit<CopyOptions, 'onProgress'> => ({
  ...scopeOf(options),
  order: options.fast === true ? 'pages' : 'strict',
  tombstone: options.tombstone === true,
  signal: session.signal,
  ...(options.page !== undefined && { maxCount: options.page }),
});

const moveCheckpoints = async (copying: Copying, file: string): Promise<void> => {
  const { session, options, from, to } = copying;
  for (const subscriber of options.moveCheckpoint ?? []) {
    const moved = await toPromise(moveCheckpoint(from, to, subscriber, () => pairsIn(file)));
    const name = escapeForDisplay(subscriber, 300);
    session.err(
      moved === undefined
        ? `${name} has no checkpoint in the source; nothing moved`
        : `${name} goes on after ${moved.position} in the target`,
    );
  }
};

const writePositions = async (copying: Copying, told: string): Promise<void> => {
  const { session, options, from, to } = copying;
  const file = resolve(session.cwd, told);
  const header = { source: await toPromise(from.epoch()), target: await toPromise(to.epoch()) };
  const scope: { readonly tenant?: Tenant } = scopeOf(options);
  const added = await extendMap(file, header, (after) =>
    positionPairs(from, to, { ...scope, signal: session.signal, ...(after !== undefined && { after }) }),
  );
  session.err(`${amount(added, 'position')} added to ${escapeForDisplay(told, 300)}`);
};

const copy = async (copying: Copying): Promise<StoreComparison | undefined> => {
  const { session, options, from, to } = copying;
  const bar = copyBar(session);
  let report: CopyReport;
  try {
    report = await toPromise(copyStore(from, to, { ...optionsOf(copying), onProgress: bar.update }));
  } finally {
    bar.stop();
  }
  const { comparison, positions } = { ...report, ...options };
  if (comparison === undefined) {
    session.err(
      `interrupted after ${amount(report.copied, 'event')}; nothing is lost: run the same command again to go on`,
    );
    return undefined;
  }
  if (options.json === true) await session.out(JSON.stringify(report));
  else {
    await tellCopied(copying, report);
    await tellComparison(copying, comparison);
  }
  if (positions !== undefined) {
    await writePositions(copying, positions);
    // Who would go on in a target that differs might miss what it lacks.
    if (comparison.isEqual) await moveCheckpoints(copying, resolve(session.cwd, positions));
    else if (options.moveCheckpoint !== undefined)
      session.err('the stores differ, hence no checkpoint was moved');
  }
  return comparison;
};

const verify = async (copying: Copying): Promise<StoreComparison | undefined> => {
  const { session, options, from, to } = copying;
  const bar = copyBar(session);
  let comparison: StoreComparison | undefined;
  try {
    const { order: _order, tombstone: _tombstone, ...compare } = optionsOf(copying);
    comparison = await toPromise(compareStores(from, to, { ...compare, onProgress: bar.update }));
  } finally {
    bar.stop();
  }
  if (comparison === undefined) return undefined;
  if (options.json === true) await session.out(JSON.stringify(comparison));
  else await tellComparison(copying, comparison);
  return comparison;
};

const examples = `
A copy that was ended, by Ctrl-C or by a crash, goes on where it was when the same command is given again; what is there already is
recognised, and nothing is written twice. At the end both stores are read, and the hashes of all streams are compared.

Examples:
  $ watersmeet copy --from pglite:.watersmeet/loans --to postgres://me@localhost/loans
  $ watersmeet copy --from pglite:.watersmeet/loans --to postgres://me@localhost/loans --verify-only
  $ watersmeet copy --from postgres://me@localhost/loans --to esdb://localhost:2113 --category loanApplication
  $ watersmeet copy --from pglite:a --to pglite:b --positions map.jsonl --move-checkpoint reports
`;

export const addCopy = (cli: Command, session: Session, done: (exitCode: number) => void): void => {
  cli
    .command('copy')
    .summary('copy the streams of a store into another, and compare them by hash')
    .description(
      'Copies streams with event ids, order, metadata and marks from one store into another, of whatever kind, and compares both by hash. Exits with 1 where they differ.',
    )
    .option('--from <store>', 'the source: pglite:<dir>, postgres://... or esdb://...')
    .option('--to <store>', 'the target; an embedded database is made where there is none')
    .option('--from-schema <name>', 'schema of the source’s tables (default: watersmeet)')
    .option('--to-schema <name>', 'schema of the target’s tables (default: watersmeet)')
    .option('--tenant <name>', 'only this tenant (default: every tenant)')
    .option('--category <name>', 'only this category: what stands before the first - of a name')
    .option('--no-archived', 'leave archived streams out')
    .option('--verify-only', 'copy nothing, only compare')
    .option('--fast', 'keep the order between streams only from page to page')
    .option('--page <events>', 'events a page, 1 to 4096 (default: 512)', wholeNumber('--page', 1, 4_096))
    .option('--tombstone', 'tombstone what was tombstoned in the source; that is for ever')
    .option(
      '--positions <file>',
      'write, or write on, a map from positions of the source to those of the target',
    )
    .option(
      '--move-checkpoint <subscriber>',
      'give a subscriber its place in the target, too; may be repeated',
      collect,
    )
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(async (options: CopyCommandOptions) => {
      checkChoice(options);
      const [source, target] = [
        placeOf(session, '--from', options.from),
        placeOf(session, '--to', options.to),
      ];
      const isSame = source.shown === target.shown && options.fromSchema === options.toSchema;
      if (isSame) throw badOption('--to', 'must be another store than --from');
      const verifyOnly = options.verifyOnly === true;
      const opening = { poolMax: 8, create: false };
      await withStore(source, { ...opening, schema: options.fromSchema }, (from) =>
        withStore(target, { ...opening, schema: options.toSchema, create: !verifyOnly }, async (to) => {
          const copying = { session, options, from, to };
          const comparison = await (verifyOnly ? verify(copying) : copy(copying));
          if (comparison?.isEqual === false) done(exitCodes.difference);
        }),
      );
    });
};
