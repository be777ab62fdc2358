/** The groups of a server: which there are, which are at work here, and what is done with them. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError, taggedOf } from '../../core/fault.js';
import { newId } from '../../store/ids.js';
import type { ServerContext } from '../context.js';
import { closingRefusal, refuse, type Refused } from '../status.js';
import { type AllFilter, checkpointEveryOf, matcherOf } from '../filter.js';
import { changeConfig, type FilterText, type GroupEntry, keyOfGroup, readConfig } from './config.js';
import { checkNames, forget } from './kept.js';
import { takeLease } from './lease.js';
import { doesNotExist, dropped, exists, failed, type GroupName } from './refusals.js';
import { type GroupRun, startRun } from './run.js';

export type NewGroup = Omit<GroupEntry, 'id' | 'change'>;
export type ChangedGroup = Omit<NewGroup, 'filter'>;

export interface Groups {
  readonly create: (group: NewGroup) => Promise<void>;
  /** The filter and the checkpoint stay; who reads from it is dropped. */
  readonly update: (group: ChangedGroup) => Promise<void>;
  readonly remove: (name: GroupName) => Promise<void>;
  readonly list: () => Promise<ReadonlyArray<GroupEntry>>;
  /** Throws a refusal where there is none. */
  readonly get: (name: GroupName) => Promise<GroupEntry>;
  /** The group at work here, started if need be; throws a refusal where there is none, or another server has it. */
  readonly run: (name: GroupName) => Promise<GroupRun>;
  /** The group, if it is at work here. */
  readonly running: (entry: GroupEntry) => Promise<GroupRun | undefined>;
  /** Ends those at work here; each starts anew when it is asked for. */
  readonly restart: () => Promise<void>;
  /** Ends those at work here, for good: their progress is written when it resolves. */
  readonly close: () => Promise<void>;
}

/** How long a group stays at work where nobody reads from it, while other servers may want it, in milliseconds. */
const idleMaxMs = 10_000;

/** Attempts to start a group that is changed or ended meanwhile. */
const startsMax = 10;

const isNamed =
  (name: GroupName) =>
  ({ stream, group }: GroupName): boolean =>
    stream === name.stream && group === name.group;

/** The filter of a group; throws a refusal where its pattern is none. */
export const filterOfText = (name: GroupName, filter: FilterText | undefined): AllFilter | undefined => {
  if (filter === undefined) return undefined;
  const { on, regex, prefixes, window, multiplier } = filter;
  const matcher = matcherOf(regex, prefixes);
  if (E.isLeft(matcher)) throw taggedError(failed(name, matcher.left));
  return {
    matches: (streamId, type) => matcher.right(on === 'stream' ? streamId : type),
    checkpointEvery: checkpointEveryOf(window, multiplier),
  };
};

const find = async (context: ServerContext, name: GroupName): Promise<GroupEntry> => {
  const { entries } = await readConfig(context);
  const entry = entries.find(isNamed(name));
  if (entry === undefined) throw taggedError(doesNotExist(name));
  return entry;
};

/** Groups at work, one start and one end of each at a time. */
const openRuns = (context: ServerContext) => {
  const runs = new Map<string, Promise<GroupRun>>();
  const endings = new Map<string, Promise<void>>();

  /** `only`: where it is that one. */
  const end = (name: GroupName, refusal: Refused, only?: Promise<GroupRun>): Promise<void> => {
    const key = keyOfGroup(name);
    const run = runs.get(key);
    if (run === undefined || (only !== undefined && only !== run))
      return endings.get(key) ?? Promise.resolve();
    runs.delete(key);
    const ending = run
      .then((started) => started.stop(refusal))
      .catch(() => undefined)
      .finally(() => void (endings.get(key) === ending && endings.delete(key)));
    endings.set(key, ending);
    return ending;
  };
  /** Another server may have changed or deleted the group, or want it. */
  const look = async (entry: GroupEntry): Promise<void> => {
    const now = await find(context, entry).catch((thrown: unknown) => {
      if (taggedOf(thrown)?._tag === 'Refused') return undefined;
      throw thrown;
    });
    if (now?.change !== entry.change) return end(entry, dropped(entry));
    const run = await runs.get(keyOfGroup(entry));
    if (run !== undefined && run.idleMs() > idleMaxMs) await end(entry, dropped(entry));
  };
  const begin = async (entry: GroupEntry, onLost: () => void): Promise<GroupRun> => {
    const filter = filterOfText(entry, entry.filter);
    const lease = await takeLease(context, entry, {
      onLost,
      onRenewed: () => void look(entry).catch(context.onError),
    });
    try {
      return await startRun(context, { entry, filter, lease, onLost });
    } catch (thrown) {
      await lease.release();
      throw thrown;
    }
  };
  const start = (entry: GroupEntry): Promise<GroupRun> => {
    const key = keyOfGroup(entry);
    if (context.closing.isClosing()) throw taggedError(closingRefusal);
    const running = runs.get(key);
    if (running !== undefined) return running;
    // What ends now is still writing how far it came.
    const starting: Promise<GroupRun> = (endings.get(key) ?? Promise.resolve()).then(() =>
      begin(entry, () => void end(entry, dropped(entry), starting)),
    );
    runs.set(key, starting);
    starting.catch(() => void (runs.get(key) === starting && runs.delete(key)));
    return starting;
  };
  const endAll = async (refusalOf: (entry: GroupName) => Refused): Promise<void> => {
    for (const run of await Promise.allSettled(runs.values()))
      if (run.status === 'fulfilled') void end(run.value.entry, refusalOf(run.value.entry));
    await Promise.all(endings.values());
  };
  return { get: (name: GroupName) => runs.get(keyOfGroup(name)), start, end, endAll };
};

type Change = Parameters<typeof changeConfig>[1];

/** Changes of the list of groups one after another: those made here never have to be made again for each other. */
const changesInTurn = (context: ServerContext): ((change: Change) => Promise<void>) => {
  let last: Promise<void> = Promise.resolve();
  return (change) => {
    last = last.catch(() => undefined).then(() => changeConfig(context, change));
    return last;
  };
};

export const openGroups = (context: ServerContext): Groups => {
  const runs = openRuns(context);
  const changeGroups = changesInTurn(context);

  return {
    create: async (group) => {
      checkNames(group);
      filterOfText(group, group.filter);
      await changeGroups((entries) => {
        if (entries.some(isNamed(group))) throw taggedError(exists(group));
        return [...entries, { ...group, id: newId(), change: newId() }];
      });
    },
    update: async (group) => {
      const change = newId();
      await changeGroups((entries) => {
        if (!entries.some(isNamed(group))) throw taggedError(doesNotExist(group));
        return entries.map((entry) => (isNamed(group)(entry) ? { ...entry, ...group, change } : entry));
      });
      await runs.end(group, dropped(group));
    },
    remove: async (name) => {
      await changeGroups((entries) => {
        if (!entries.some(isNamed(name))) throw taggedError(doesNotExist(name));
        return entries.filter((entry) => !isNamed(name)(entry));
      });
      await runs.end(name, dropped(name));
      await forget(context, name);
    },
    list: async () => (await readConfig(context)).entries,
    get: (name) => find(context, name),
    run: async (name) => {
      for (let round = 1; round <= startsMax; round += 1) {
        const starting = runs.start(await find(context, name));
        const run = await starting;
        // Whoever changed or deleted it meanwhile has ended what was at work then, and this may have begun after that.
        const { change } = await find(context, name).catch(async (thrown: unknown) => {
          await runs.end(name, dropped(name), starting);
          throw thrown;
        });
        if (change === run.entry.change && runs.get(name) === starting) return run;
        await runs.end(name, dropped(name), starting);
      }
      return refuse('ABORTED', `Others change or end the group ${name.group} all the time. Come back later.`);
    },
    running: async (entry) => {
      const run = await runs.get(entry)?.catch(() => undefined);
      return run?.entry.change === entry.change ? run : undefined;
    },
    restart: () => runs.endAll(dropped),
    close: () => runs.endAll(() => closingRefusal),
  };
};
