/** The groups that there are, in one stream of the store: each record holds them all, and the newest holds. */
import * as t from 'io-ts';
import { exactly } from '../../core/stream.js';
import type { Json, JsonObject } from '../../core/json.js';
import { taggedOf, toPromise } from '../../core/fault.js';
import { newId } from '../../store/ids.js';
import type { ServerContext } from '../context.js';
import { readVisible } from '../reading.js';
import { refuse } from '../status.js';
import { dataTextOf, serverEventOf } from '../stored-form.js';
import { keyOf } from '../wire.js';

export const configStream = '$persistentSubscriptionConfig';
const configType = '$PersistentConfig';

/** The filter of a group on all streams, as its client sent it. */
export const FilterText = t.type({
  on: t.union([t.literal('stream'), t.literal('type')]),
  regex: t.string,
  prefixes: t.array(t.string),
  /** Events looked at for a page, and pages for a checkpoint. */
  window: t.number,
  multiplier: t.number,
});
export type FilterText = t.TypeOf<typeof FilterText>;

const Settings = t.type({
  resolveLinks: t.boolean,
  extraStatistics: t.boolean,
  messageTimeoutMs: t.number,
  maxRetryCount: t.number,
  checkpointAfterMs: t.number,
  checkpointCountMin: t.number,
  checkpointCountMax: t.number,
  subscribersMax: t.number,
  liveBufferSize: t.number,
  readBatchSize: t.number,
  historyBufferSize: t.number,
  strategy: t.union([
    t.literal('RoundRobin'),
    t.literal('DispatchToSingle'),
    t.literal('Pinned'),
    t.literal('PinnedByCorrelation'),
  ]),
});

const Entry = t.intersection([
  t.type({
    /** One for each life of a group between creation and deletion: a checkpoint of another life is not its own. */
    id: t.string,
    /** Another one after each update. */
    change: t.string,
    /** `$all` for all streams. */
    stream: t.string,
    group: t.string,
    settings: Settings,
    /** As clients are told: a place, or `-1` for the end. */
    startFrom: t.string,
    /** The place after which it began, whenever it is that somebody reads from it. */
    after: t.string,
  }),
  t.partial({ filter: FilterText }),
]);
/** A group as it is kept. */
export type GroupEntry = t.TypeOf<typeof Entry>;

export interface Config {
  readonly entries: ReadonlyArray<GroupEntry>;
  /** Entries of forms that are not known here; they stay as they are. */
  readonly others: ReadonlyArray<Json>;
  /** Version of the stream. */
  readonly version: number;
}

const Kept = t.type({ entries: t.array(t.unknown) });

const parsed = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
};

export const readConfig = async (context: ServerContext): Promise<Config> => {
  const page = await readVisible(context, configStream, { direction: 'backwards', maxCount: 1 });
  const [record] = page.events;
  const kept = record === undefined ? { entries: [] } : parsed(dataTextOf(record));
  if (!Kept.is(kept))
    return refuse('INTERNAL', `The newest event of ${configStream} is no list of persistent subscriptions.`);
  return {
    entries: kept.entries.filter(Entry.is),
    others: kept.entries.filter((entry) => !Entry.is(entry)) as Json[],
    version: page.version,
  };
};

const changesMax = 10;

/** Writes what `change` makes of the groups that there are, which it may refuse by throwing; again where another server was first. */
export const changeConfig = async (
  context: ServerContext,
  change: (entries: ReadonlyArray<GroupEntry>) => ReadonlyArray<GroupEntry>,
): Promise<void> => {
  for (let attempt = 1; attempt <= changesMax; attempt += 1) {
    const { entries, others, version } = await readConfig(context);
    const body: JsonObject = {
      version: '2',
      updated: context.now().toISOString(),
      entries: [...(change(entries) as unknown as Json[]), ...others],
    };
    const events = [serverEventOf(newId(), configType, body)];
    try {
      await toPromise(context.store.append({ ...keyOf(configStream), expected: exactly(version), events }));
      return;
    } catch (thrown) {
      if (taggedOf(thrown)?._tag !== 'VersionConflict') throw thrown;
    }
  }
  refuse('ABORTED', 'Others change persistent subscriptions all the time. Nothing was changed; try again.');
};

export const keyOfGroup = ({ stream, group }: Pick<GroupEntry, 'stream' | 'group'>): string =>
  `${stream}::${group}`;
