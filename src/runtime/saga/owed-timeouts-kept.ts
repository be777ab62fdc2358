/**
 * Timeouts on a store without a queue: kept in this process, and found again in the streams when it starts. Each begins its wait
 * anew then, by this process's clock; every process that follows gives them out, and all but the first are repeats.
 */
import * as E from 'fp-ts/lib/Either.js';
import { describeTagged, thrownMessage } from '../../core/fault.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { delayAfter } from '../../core/retry.js';
import { recordTypes } from '../../core/saga/saga.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import { headerOf } from '../../core/saga/saga-records.js';
import { hasWishes } from '../../core/saga/saga-timeouts.js';
import { startPosition } from '../../core/stream.js';
import type { RecordedEvent } from '../../core/event.js';
import { realTimers } from '../../store/timers.js';
import { isOutage, outageOf } from '../outage.js';
import { isClosed, orThrow, unlessClosed, unlessUnreadable } from './owed-closed.js';
import {
  changesSince,
  dormantMs,
  type HandleOwn,
  lookingLoop,
  messageOf,
  type TimeoutChange,
  type TimeoutKeeper,
  timeoutMark,
  type TimeoutOptions,
  timeoutQueueOf,
} from './owed-timeouts.js';
import type { SagaShell } from './saga-context.js';
import { semaphore } from '../semaphore.js';

/** So many at once are handled when they are due. */
const atOnceMax = 16;

interface Kept extends TimeoutChange {
  /** When it is due, by this process's clock; `Infinity` where its attempts are used up. */
  dueAt: number;
  attempts: number;
}

/** Whether a record says anything of timeouts. */
export const saysTimeouts = ({ type, data, metadata }: RecordedEvent): boolean =>
  type === recordTypes.sagaMerged
    ? (data as { readonly timeouts?: unknown }).timeouts !== undefined
    : hasWishes(headerOf(metadata) ?? {});

/** What waited when the last process ended: its checkpoint has passed the records that say so. */
const findWaiting = async <S, Ev extends AnyEvent>(
  { saga, store, loader, instanceOf }: SagaShell<S, Ev>,
  signal: AbortSignal,
  keep: (changes: ReadonlyArray<TimeoutChange>) => void,
): Promise<void> => {
  const filter = { tenant: instanceOf('').tenant, categories: [saga.name] };
  const looked = new Set<string>();
  for (let after = startPosition; !signal.aborted; ) {
    const page = orThrow(await store.readAll({ after, filter })());
    for (const event of page.events) {
      if (looked.has(event.streamName) || !saysTimeouts(event)) continue;
      looked.add(event.streamName);
      const instance = instanceOf(event.streamName.slice(saga.name.length + 1));
      // One that cannot be read is told of when its records come by.
      await unlessUnreadable(async () => {
        const log = unlessClosed(await loader.loadNow(instance));
        if (log !== undefined) keep(changesSince(instance, log as unknown as SagaLog, 0));
      });
    }
    if (page.isEnd) return;
    after = page.last;
  }
};

export const keptTimeouts = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  handle: HandleOwn,
  { pollMs = 500 }: TimeoutOptions,
  signal: AbortSignal,
): TimeoutKeeper => {
  const { saga, hooks, retry, environment } = shell;
  const timers = environment.timers ?? realTimers;
  const kept = new Map<string, Kept>();
  const permits = semaphore(atOnceMax);

  const keep = (changes: ReadonlyArray<TimeoutChange>): void => {
    for (const { instance, entry } of changes)
      if (entry.fate !== 'waits') kept.delete(entry.id);
      else if (!kept.has(entry.id))
        kept.set(entry.id, { instance, entry, dueAt: timers.now() + entry.afterMs, attempts: 0 });
  };

  interface Failed {
    readonly error: string;
    readonly isOutage: boolean;
  }
  const attempt = async ({ instance, entry }: Kept): Promise<Failed | undefined> => {
    try {
      const { metadata = {}, ...timeout } = entry;
      const answer = await handle(messageOf(instance, { ...timeout, metadata }), { readsFirst: true });
      if (E.isRight(answer) || isClosed(answer.left)) return undefined;
      return { error: describeTagged(answer.left), isOutage: isOutage(answer.left) };
    } catch (thrown) {
      return { error: thrownMessage(thrown), isOutage: false };
    }
  };

  const deliver = async (one: Kept): Promise<void> => {
    const failed = await attempt(one);
    const { id: messageId, type } = one.entry;
    if (failed === undefined) return void kept.delete(messageId);
    // While the store is away no timeout is at fault.
    if (failed.isOutage) return void (one.dueAt = timers.now() + pollMs);
    one.attempts += 1;
    const { attempts } = one;
    const { error } = failed;
    const isParked = attempts >= retry.attemptsMax;
    one.dueAt = isParked ? Infinity : timers.now() + delayAfter(retry, attempts, environment.random);
    const { streamName } = one.instance;
    if (isParked) hooks.onDeliveryParked?.({ streamName, kind: 'timeout', messageId, type, attempts, error });
  };

  const mark = timeoutMark(shell, timeoutQueueOf(saga.name, shell.instanceOf('').tenant));
  let isFound = false;
  const look = async (): Promise<number> => {
    const isSet = await mark.isSet();
    if (isSet !== true) return isSet === false ? dormantMs : pollMs;
    try {
      if (!isFound) await findWaiting(shell, signal, keep);
      isFound = true;
    } catch (thrown) {
      if (outageOf(thrown) === undefined) throw thrown;
      return pollMs;
    }
    const due = [...kept.values()].filter(({ dueAt }) => dueAt <= timers.now());
    await Promise.all(due.map((one) => permits.use(() => deliver(one))));
    return due.length > 0 ? 0 : pollMs;
  };
  const loop = lookingLoop(timers, signal, look);

  return {
    take: async (changes, seen) => {
      if (changes.some(({ entry }) => entry.fate === 'waits')) await mark.set(seen);
      keep(changes);
      if (changes.length > 0) loop.wake();
    },
    isQuiet: loop.isQuiet,
    run: loop.run,
  };
};
