/** The timeouts of a saga: how they are written down, which of them wait, and what a merge makes of those of its branches. */
import * as E from 'fp-ts/lib/Either.js';
import { encodeTagged, type EncodeFailed } from '../codec.js';
import type { EventData, EventMetadata } from '../event.js';
import { derivedId } from '../ids.js';
import type { PendingTable } from './pending-branches.js';
import { type AnyTimeout, type Reaction, recordTypes, type Saga } from './saga.js';
import { type MergedTimeouts, type TimeoutRecord, type TimeoutWishes, withHeader } from './saga-records.js';
import type { OwedTimeout, PendingBranch, SagaView } from './saga-view.js';
import type { StreamName, StreamVersion, Tenant } from '../stream.js';

/** Ten years, as long as queues delay a message; beyond that it is a mistake in the unit. */
const afterMsMax = 315_360_000_000;

/** A timeout and what has become of it. */
export interface TimeoutEntry extends OwedTimeout {
  readonly fate: 'waits' | 'cancelled' | 'delivered' | 'ignored';
  /** Version of the record that says so. */
  readonly fateVersion: StreamVersion;
}

/** What the trunk has said of a key in this epoch. */
interface KeyWord {
  /** The timeout that was asked for last under it. */
  readonly id?: string;
  readonly askedAt: number;
  readonly cancelledAt: number;
}

/** All timeouts of a saga. A mutable table that belongs to one fold. */
export interface TimeoutTable {
  readonly byId: Map<string, TimeoutEntry>;
  /** Ids of those that wait. */
  readonly waiting: Set<string>;
  readonly keys: Map<string, KeyWord>;
}

export const emptyTimeouts = (): TimeoutTable => ({ byId: new Map(), waiting: new Set(), keys: new Map() });

export const cloneTimeouts = ({ byId, waiting, keys }: TimeoutTable): TimeoutTable => ({
  byId: new Map(byId),
  waiting: new Set(waiting),
  keys: new Map(keys),
});

/** Ends the wait of a timeout; of one that waits no longer nothing changes. */
export const endTimeout = (
  table: TimeoutTable,
  id: string,
  fate: Exclude<TimeoutEntry['fate'], 'waits'>,
  at: StreamVersion,
): void => {
  const entry = table.byId.get(id);
  if (entry === undefined || !table.waiting.delete(id)) return;
  table.byId.set(id, { ...entry, fate, fateVersion: at });
};

const unasked: KeyWord = { askedAt: 0, cancelledAt: 0 };

const cancel = (table: TimeoutTable, key: string, at: StreamVersion): void => {
  const word = table.keys.get(key) ?? unasked;
  if (word.id !== undefined) endTimeout(table, word.id, 'cancelled', at);
  table.keys.set(key, { ...word, cancelledAt: at });
};

/** Where a wish stands: its version and epoch, and the conversation it belongs to. */
type Asked = Pick<TimeoutEntry, 'version' | 'epoch'> & { readonly metadata?: EventMetadata };

const ask = (table: TimeoutTable, timeout: TimeoutRecord, asked: Asked): void => {
  const { id, key } = timeout;
  if (table.byId.has(id)) return;
  if (key !== undefined) {
    const word = table.keys.get(key) ?? unasked;
    if (word.id !== undefined) endTimeout(table, word.id, 'cancelled', asked.version);
    table.keys.set(key, { ...word, id, askedAt: asked.version });
  }
  table.byId.set(id, { ...timeout, ...asked, fate: 'waits', fateVersion: asked.version });
  table.waiting.add(id);
};

/** What a handler has said on the trunk. */
export const takeWishes = (table: TimeoutTable, wishes: TimeoutWishes, asked: Asked): void => {
  for (const key of wishes.cancelTimeouts ?? []) cancel(table, key, asked.version);
  for (const timeout of wishes.timeouts ?? []) ask(table, timeout, asked);
};

/** What a merge has said: the branches' cancels, what is released of their wishes, then `onMerged`. */
export const takeMergedWishes = (
  table: TimeoutTable,
  merged: MergedTimeouts,
  branches: ReadonlyMap<string, PendingBranch>,
  asked: Asked,
): void => {
  for (const key of merged.cancels) cancel(table, key, asked.version);
  for (const { id, branchId, fate } of merged.fates) {
    const branch = branches.get(branchId);
    const held = branch?.timeouts?.find((timeout) => timeout.id === id);
    if (fate !== 'release' || held === undefined) continue;
    ask(table, held, { ...asked, ...(branch?.metadata && { metadata: branch.metadata }) });
  }
  takeWishes(table, merged.then, asked);
};

/** Those that are asked for, not cancelled and not delivered, oldest first. One whose handling waits in a branch is delivered. */
export const waitingTimeouts = (
  { byId, waiting }: TimeoutTable,
  { byMessage }: PendingTable,
): ReadonlyArray<OwedTimeout> =>
  [...waiting]
    .filter((id) => !byMessage.has(id))
    .map((id) => {
      const { fate: _fate, fateVersion: _at, ...timeout } = byId.get(id) as TimeoutEntry;
      return timeout;
    });

const invalidWait = (type: string, afterMs: number): EncodeFailed => {
  const expected = 'milliseconds from 0 to 315360000000 (ten years)';
  const message = `timeout ${type}: afterMs: expected ${expected}, found ${afterMs}`;
  return {
    _tag: 'EncodeFailed',
    type,
    problems: [{ path: '$.afterMs', expected, found: String(afterMs) }],
    message,
  };
};

/**
 * Encodes what a handler wants, with stable ids; `source` is what the ids derive from. Of two wishes of one key the later
 * one stands, and a key that is asked for need not be cancelled before.
 */
export const encodeWishes = (
  saga: Saga,
  source: ReadonlyArray<string | number>,
  { timeouts = [], cancelTimeouts = [] }: Pick<Reaction<unknown, unknown, AnyTimeout>, keyof TimeoutWishes>,
): E.Either<EncodeFailed, TimeoutWishes> => {
  const lastOf = new Map(timeouts.map(({ key }, index) => [key, index]));
  const asked: TimeoutRecord[] = [];
  for (const [index, { afterMs, key, ...message }] of timeouts.entries()) {
    if (key !== undefined && lastOf.get(key) !== index) continue;
    if (!(afterMs >= 0 && afterMs <= afterMsMax)) return E.left(invalidWait(message.type, afterMs));
    const encoded = encodeTagged(saga.messages, message);
    if (E.isLeft(encoded)) return encoded;
    const id = derivedId(...source, 'timeout', index);
    asked.push({ id, ...encoded.right, afterMs: Math.ceil(afterMs), ...(key !== undefined && { key }) });
  }
  const cancels = [...new Set(cancelTimeouts)].filter((key) => !lastOf.has(key));
  return E.right({
    ...(asked.length > 0 && { timeouts: asked }),
    ...(cancels.length > 0 && { cancelTimeouts: cancels }),
  });
};

export const hasWishes = ({ timeouts = [], cancelTimeouts = [] }: TimeoutWishes): boolean =>
  timeouts.length + cancelTimeouts.length > 0;

/** What a merge knows of the saga besides its branches. */
interface MergeFacts {
  readonly table: TimeoutTable;
  readonly late: 'none' | 'absorb' | 'reopen' | 'reject';
}

/**
 * What becomes of the branches' wishes. Branches and trunk did not know of each other, so it must not matter who came first:
 * a cancel beats a wish of the same key, and of two wishes of one key the trunk's stands, or the first branch's.
 */
export const mergeWishes = (
  { table, late }: MergeFacts,
  pending: ReadonlyArray<PendingBranch>,
  then: TimeoutWishes,
): MergedTimeouts | undefined => {
  const isTurnedAway = late === 'reject';
  const cancelled = new Set(isTurnedAway ? [] : pending.flatMap((branch) => branch.cancelTimeouts ?? []));
  const fates: Array<MergedTimeouts['fates'][number]> = [];
  const released = new Set<string>();
  const against = (key: string | undefined, base: number): string | undefined => {
    if (isTurnedAway) return 'its branch was turned away';
    if (late === 'absorb') return 'the saga has completed';
    if (key === undefined) return undefined;
    if (cancelled.has(key)) return `another branch cancels the key ${key}`;
    if (released.has(key)) return `another branch asks for the key ${key}`;
    // A reopened saga begins anew: what was said in the epoch before does not count.
    const word = late === 'reopen' ? undefined : table.keys.get(key);
    if ((word?.cancelledAt ?? 0) > base) return `the trunk has cancelled the key ${key} since`;
    if ((word?.askedAt ?? 0) > base) return `the trunk has asked for the key ${key} since`;
    return undefined;
  };
  for (const { branchId, base, timeouts = [] } of pending)
    for (const { id, key } of timeouts) {
      const reason = against(key, base);
      fates.push({ id, branchId, fate: reason === undefined ? 'release' : 'cancel', by: reason ?? 'rule' });
      if (reason === undefined && key !== undefined) released.add(key);
    }
  const isSilent = fates.length + cancelled.size === 0 && !hasWishes(then);
  return isSilent ? undefined : { fates, cancels: [...cancelled], then };
};

/** Whether the handler of a timeout must not run any more. */
export const isIdle = ({ fate, epoch }: TimeoutEntry, view: Pick<SagaView, 'completed' | 'epoch'>): boolean =>
  fate === 'cancelled' || view.completed || epoch < view.epoch;

/** The same whoever writes it: of two that do one is recognised as a repeat, or refused. */
export const timeoutIgnoredRecord = (
  { tenant, streamName }: { readonly tenant: Tenant; readonly streamName: StreamName },
  { id, type, epoch, metadata = {} }: TimeoutEntry,
): EventData => ({
  eventId: derivedId(tenant, streamName, 'timeoutIgnored', id),
  type: recordTypes.sagaTimeoutIgnored,
  schemaVersion: 1,
  data: { timeoutId: id, type, epoch },
  metadata: withHeader({ ...metadata, causationId: id }, { epoch }),
});
