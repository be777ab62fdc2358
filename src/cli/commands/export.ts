/** `watersmeet export`: histories of a store as a fixture, to be folded again elsewhere and later. */
import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { RecordedEvent } from '../../core/event.js';
import { toPromise } from '../../core/fault.js';
import { hashOf } from '../../core/json.js';
import { categoryOf, escapeForDisplay, type StreamName } from '../../core/stream.js';
import type { EventStore, StreamPage } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import { type FixtureEvent, fixtureMismatch } from '../../testing/replay/fixture.js';
import { fixtureLines, writeFixture } from '../../testing/replay/fixture-write.js';
import { withStates } from '../../testing/replay/replay.js';
import { categoryOfRules, type Rules } from '../../testing/replay/fold.js';
import { checkedStream, lookInto, type LookOptions, tenantOption, withLookOptions } from '../look.js';
import { badOption } from '../options.js';
import { streamMissing } from '../stream-missing.js';
import { bundledRules, loadRules, rulesOfCategory } from '../rules.js';
import type { Session } from '../session.js';
import { exportBar } from '../export-progress.js';

interface ExportOptions extends LookOptions {
  readonly category?: string;
  readonly all?: boolean;
  readonly output?: string;
  readonly states?: boolean;
  readonly stateHashes?: boolean;
  readonly saga?: string;
}

const pageSize = 512;

interface Counts {
  streams: number;
  events: number;
}

interface Exporting {
  readonly session: Session;
  readonly store: EventStore;
  readonly stream: StreamName | undefined;
  readonly options: ExportOptions;
  readonly rules: Rules | undefined;
  readonly counts: Counts;
}

/** A stream that was truncated cannot be folded: asked for by name it is refused, among others it is passed over. */
const checkBeginning = (
  { session, stream }: Exporting,
  name: StreamName,
  { events }: StreamPage,
): boolean => {
  const version = events[0]?.version ?? 1;
  if (version === 1) return true;
  const what = `${escapeForDisplay(name, 200)} begins at version ${version}: its beginning is gone, and what is left cannot be folded`;
  if (stream !== undefined) throw fixtureMismatch(what);
  session.err(`passed over: ${what}`);
  return false;
};

async function* eventsOf(
  exporting: Exporting,
  streamName: StreamName,
): AsyncGenerator<RecordedEvent, void, undefined> {
  const { store, options } = exporting;
  let from: number | undefined = 1;
  while (from !== undefined) {
    const request = { streamName, from, maxCount: pageSize, includeArchived: true, ...tenantOption(options) };
    const page: StreamPage = await toPromise(store.readStream(request));
    if (from === 1 && !checkBeginning(exporting, streamName, page)) return;
    yield* page.events;
    from = page.next;
  }
}

async function* namesOf(
  store: EventStore,
  { category, ...options }: ExportOptions,
): AsyncGenerator<StreamName, void, undefined> {
  let after: string | undefined;
  do {
    const page = await toPromise(
      store.listStreams({
        maxCount: pageMax,
        includeArchived: true,
        ...tenantOption(options),
        ...(category !== undefined && { category }),
        ...(after !== undefined && { after }),
      }),
    );
    // The events of a tombstoned stream are gone for good.
    for (const { streamName, state } of page) if (state !== 'tombstoned') yield streamName;
    after = page.length < pageMax ? undefined : page[page.length - 1]?.streamName;
  } while (after !== undefined);
}

/** Streams one after another, with states where the rules are theirs. Counts what it gives. */
async function* history(exporting: Exporting): AsyncGenerator<FixtureEvent, void, undefined> {
  const { store, stream, options, rules, counts } = exporting;
  const names = stream === undefined ? namesOf(store, options) : [stream];
  for await (const name of names) {
    const events = eventsOf(exporting, name);
    const isOfRules = rules !== undefined && categoryOf(name) === categoryOfRules(rules);
    const told: AsyncIterable<FixtureEvent> = isOfRules
      ? withStates(rules, events, (view) =>
          options.states === true ? { after: view } : { afterHash: hashOf(view) },
        )
      : events;
    let isEmpty = true;
    for await (const event of told) {
      isEmpty = false;
      counts.events += 1;
      yield event;
    }
    if (!isEmpty) counts.streams += 1;
  }
}

const checkChoice = (stream: string | undefined, { category, all }: ExportOptions): void => {
  const chosen = [stream, category, all === true ? 'all' : undefined].filter((one) => one !== undefined);
  if (chosen.length !== 1)
    throw badOption(
      '<stream>',
      chosen.length === 0
        ? 'is missing: name a stream, or give --category or --all'
        : 'and --category and --all exclude each other: give one of them',
    );
};

const rulesFor = async (
  session: Session,
  stream: StreamName | undefined,
  { states, stateHashes, saga, category }: ExportOptions,
): Promise<Rules | undefined> => {
  if (states !== true && stateHashes !== true) {
    if (saga !== undefined) throw badOption('--saga', 'is of use with --states or --state-hashes only');
    return undefined;
  }
  const wanted = stream === undefined ? category : categoryOf(stream);
  const rules =
    saga !== undefined
      ? await loadRules(session, saga)
      : wanted === undefined
        ? undefined
        : await rulesOfCategory(session, wanted);
  if (rules === undefined)
    throw badOption('--saga', `is missing: states need the code, ${bundledRules.join(', ')}, or a module`);
  if (wanted !== undefined && wanted !== categoryOfRules(rules))
    throw badOption('--saga', `is of ${categoryOfRules(rules)}, and the streams are of ${wanted}`);
  return rules;
};

/** As it was typed, where that leads there: messages name it. */
const pathOf = ({ cwd }: Session, file: string): string =>
  cwd === process.cwd() ? file : resolve(cwd, file);

const exportFrom = async (
  session: Session,
  store: EventStore,
  stream: StreamName | undefined,
  options: ExportOptions,
): Promise<void> => {
  const rules = await rulesFor(session, stream, options);
  const counts: Counts = { streams: 0, events: 0 };
  if (stream !== undefined) {
    const { version } = await toPromise(
      store.readStream({ streamName: stream, maxCount: 1, includeArchived: true, ...tenantOption(options) }),
    );
    if (version === 0) throw streamMissing(stream);
  }
  const events = history({ session, store, stream, options, rules, counts });
  const bar = exportBar(session, counts);
  const { output } = options;
  try {
    if (output === undefined || output === '-')
      for await (const line of fixtureLines(events, 'stdout')) {
        if (session.signal.aborted) return;
        await session.out(line);
      }
    else await writeFixture(pathOf(session, output), events, { signal: session.signal });
  } catch (error) {
    // Interrupted: nothing is left behind, and the exit code says so.
    if (session.signal.aborted) return;
    throw error;
  } finally {
    bar.stop();
  }
  const amount = `${counts.events} ${counts.events === 1 ? 'event' : 'events'} of ${counts.streams} ${counts.streams === 1 ? 'stream' : 'streams'}`;
  if (output !== undefined && output !== '-') session.err(`${amount} in ${escapeForDisplay(output, 300)}`);
  else if (counts.events === 0) session.err('no events');
};

const examples = `
The file is a fixture: JSON lines, gzipped where its name ends in .gz. It is written whole or not at all. With --states the
code of today writes down what it knows after each event, so that later code can be compared with it: watersmeet replay,
and loadFixture and replayInto of watersmeet/testing.

Sagas: ${bundledRules.join(', ')}, or the path of a module (module.js#name where it exports several).

Examples:
  $ watersmeet export loanApplication-173688 --output loan.jsonl
  $ watersmeet export loanApplication-173688 --states --saga loan-application --output loan.jsonl
  $ watersmeet export --category order --store postgres://me@localhost/shop --output orders.jsonl.gz
`;

export const addExport = (cli: Command, session: Session): void => {
  withLookOptions(cli.command('export').summary('write histories to a file, as a fixture'), { json: false })
    .description(
      'Writes whole streams, archived ones too, as a fixture: to stdout, or to a file that is made or replaced.',
    )
    .argument('[stream]', 'name of the stream')
    .option('--category <name>', 'all streams of this category: what stands before the first - of a name')
    .option('--all', 'all streams')
    .option('--output <file>', 'where to (default: stdout); gzipped where it ends in .gz')
    .option('--states', 'with what is known after each event, as the code of today tells it')
    .option('--state-hashes', 'the same, but only the hash of it')
    .option('--saga <saga>', 'the code that tells the states')
    .addHelpText('after', examples)
    .action((name: string | undefined, options: ExportOptions) => {
      checkChoice(name, options);
      const stream = name === undefined ? undefined : checkedStream(name);
      return lookInto(session, options, (store) => exportFrom(session, store, stream, options));
    });
};
