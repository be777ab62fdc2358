/**
 * Which partitions this worker owns: workers count each other by leases, each takes its share, gives back what is over, and
 * takes over from those that died. Nobody pauses for that: only a partition that changes hands stands still, until its message
 * in hand is over.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { Lease, Leases } from '../../store/leases.js';
import type { MessageQueue, Partition } from '../../store/message-queue.js';
import { realTimers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import type { MessageRunner } from './message-runner.js';
import { isOutage, type Outage } from '../outage.js';
import { type PartitionWork, workOnPartition } from './partition-work.js';
import { semaphore } from '../semaphore.js';
import { untilAborted } from '../until-aborted.js';
import type { WorkerContext } from './worker-options.js';

const listMax = 4_096;
/** How long a stop waits for the store after it has dropped what was in hand. */
const endGraceMs = 1_000;

interface Owned {
  readonly partition: Partition;
  readonly work: PartitionWork;
  /** Given back: it finishes what it has in hand. */
  isEnding: boolean;
  /** Its lease is being taken anew. */
  isRenewingToken: boolean;
  /** Calls off the end of the lease by our own clock. */
  callOff: () => void;
}

export interface PartitionOwner {
  /** Resolves when the owner was stopped and everything is given back. */
  readonly run: () => Promise<void>;
  /** Ends `run`: finishes what is in hand, within so many milliseconds, then drops it. */
  readonly stop: (withinMs: number) => void;
  readonly works: () => ReadonlyArray<PartitionWork>;
  /** Workers of this queue when they were last counted, with this one; and how many partitions are its share. */
  readonly members: () => number;
  readonly share: () => number;
  /** Partitions that are given back as soon as their message in hand is over. */
  readonly ending: () => number;
}

/** Of `partitions`, the share of the worker at `rank` among `members`: they differ by one at most, and add up. */
export const shareOf = (partitions: number, members: number, rank: number): number =>
  Math.floor(partitions / members) + (rank < partitions % members ? 1 : 0);

interface Seen {
  readonly members: ReadonlyArray<string>;
  /** Names of partitions' leases that are held, by anyone. */
  readonly held: ReadonlySet<string>;
}

/* eslint max-lines-per-function: ["error", { max: 200, skipBlankLines: true, skipComments: true }] --
   the parts below share what is owned and change it in turn. */
export const partitionOwner = (
  context: WorkerContext,
  leases: Leases,
  queue: MessageQueue,
  runner: MessageRunner,
): PartitionOwner => {
  const { queue: name, partitions, ttlMs, workerId, environment, hooks } = context;
  const timers = environment.timers ?? realTimers;
  const prefix = `queue:${name}:`;
  const memberPrefix = `${prefix}member:`;
  const leaseNameOf = (index: number): string => `${prefix}${index}/${partitions}`;
  const owned = new Map<number, Owned>();
  const releasing = new Set<Promise<unknown>>();
  const starting = semaphore(1);
  const looks = makeWake(timers);
  const stopping = new AbortController();
  let withinMs = 0;
  let member: Lease | undefined;
  let memberCount = 1;
  let share = 0;
  /** Why the last look came to nothing. */
  let outage: Outage | undefined;

  /** The lease ends by our own clock as well: a worker that cannot renew stops before the store gives it to another. */
  const expectEnd = (one: Owned): void => {
    one.callOff();
    one.callOff = timers.after(ttlMs, one.work.drop);
  };

  /** Released also where it may be lost: what a dropped handler has on its way is refused the sooner. */
  const giveBack = async (one: Owned, isOurs: boolean): Promise<void> => {
    const { partition, work } = one;
    const lease = work.lease();
    one.callOff();
    owned.delete(partition.index);
    const released = leases.release(lease)();
    releasing.add(released);
    hooks.onPartitionLost?.({ partition, token: lease.token, reason: isOurs ? 'givenBack' : 'lost' });
    await released;
    releasing.delete(released);
    looks.notify();
  };

  const renewToken =
    (index: number) =>
    async (lease: Lease): Promise<Lease | undefined> => {
      const one = owned.get(index);
      if (one === undefined) return undefined;
      one.isRenewingToken = true;
      try {
        await leases.release(lease)();
        const taken = await leases.acquire({ name: lease.name, holder: workerId, ttlMs })();
        if (E.isLeft(taken)) return undefined;
        expectEnd(one);
        return taken.right;
      } finally {
        one.isRenewingToken = false;
      }
    };

  const begin = (index: number, lease: Lease): void => {
    const partition = { queue: name, index, of: partitions };
    const tools = { context, queue, runner, partition, starting, renewToken: renewToken(index) };
    const work = workOnPartition(tools, lease);
    const one: Owned = {
      ...{ partition, work, isEnding: false, isRenewingToken: false },
      callOff: () => undefined,
    };
    owned.set(index, one);
    expectEnd(one);
    hooks.onPartitionTaken?.({ partition, token: lease.token });
    work.ended.then((isOurs) => giveBack(one, isOurs)).catch(context.onBug);
  };

  const renew = async (one: Owned): Promise<void> => {
    if (one.isRenewingToken) return;
    const lease = one.work.lease();
    const askedAt = timers.now();
    const renewed = await leases.renew(lease, ttlMs)();
    const isCurrent = owned.get(one.partition.index) === one && one.work.lease().token === lease.token;
    if (one.isRenewingToken || !isCurrent) return;
    if (E.isRight(renewed)) {
      one.callOff();
      // It lasts from when the store heard of it, which is not before it was asked.
      one.callOff = timers.after(Math.max(0, ttlMs - (timers.now() - askedAt)), one.work.drop);
    } else if (renewed.left._tag === 'LeaseLost') one.work.drop();
  };

  const keepMember = async (): Promise<void> => {
    if (member !== undefined) {
      const renewed = await leases.renew(member, ttlMs)();
      if (E.isRight(renewed) || renewed.left._tag !== 'LeaseLost') return;
      member = undefined;
    }
    const request = { name: `${memberPrefix}${workerId}`, holder: workerId, ttlMs };
    const taken = await leases.acquire(request)();
    if (E.isLeft(taken)) return;
    member = taken.right;
    // Stopped meanwhile: nobody shall count this worker.
    if (stopping.signal.aborted) await leases.release(member)();
  };

  const see = async (): Promise<Seen | undefined> => {
    const listed = await leases.list({ prefix, maxCount: listMax })();
    outage = E.isLeft(listed) && isOutage(listed.left) ? listed.left : undefined;
    if (E.isLeft(listed)) return undefined;
    const names = listed.right.map(({ name: one }) => one);
    const others = names.filter((one) => one.startsWith(memberPrefix));
    const mine = `${memberPrefix}${workerId}`;
    const members = [...new Set([...others, mine])].sort();
    const held = names.filter((one) => !one.startsWith(memberPrefix));
    return { members, held: new Set(held) };
  };

  /** Workers that cut the queue into another number of partitions: a key may lie in two of them, so they are waited for. */
  const isCutOtherwise = ({ held }: Seen): boolean =>
    [...held].some((one) => !one.endsWith(`/${partitions}`));

  const takeShare = async (seen: Seen, missing: number): Promise<void> => {
    if (isCutOtherwise(seen)) return;
    const first = Math.floor(environment.random() * partitions);
    const taken: Array<readonly [number, Lease]> = [];
    for (let step = 0; step < partitions && taken.length < missing; step += 1) {
      const index = (first + step) % partitions;
      if (owned.has(index) || seen.held.has(leaseNameOf(index)) || stopping.signal.aborted) continue;
      const lease = await leases.acquire({ name: leaseNameOf(index), holder: workerId, ttlMs })();
      if (E.isRight(lease)) taken.push([index, lease.right]);
    }
    if (taken.length === 0) return;
    // Looked again once they are ours: of two workers with different cuts, one at least sees the other.
    const after = await see();
    for (const [index, lease] of taken)
      if (after === undefined || isCutOtherwise(after) || stopping.signal.aborted)
        await leases.release(lease)();
      else begin(index, lease);
  };

  const balance = async (): Promise<void> => {
    const seen = await see();
    if (seen === undefined) return;
    memberCount = seen.members.length;
    share = shareOf(partitions, memberCount, seen.members.indexOf(`${memberPrefix}${workerId}`));
    const kept = [...owned.values()].filter(({ isEnding }) => !isEnding);
    for (const one of kept.slice(share)) {
      one.isEnding = true;
      void one.work.finish();
    }
    if (kept.length < share) await takeShare(seen, share - kept.length);
  };

  /** Looks three times while a lease lasts, drawn a little apart, so that workers started together do not look together. */
  const lookMs = (): number => (ttlMs / 3) * (0.8 + 0.2 * environment.random());

  /** Bounded also where the store does not answer any more: then the leases end by themselves. */
  const endAll = (): Promise<void> =>
    new Promise((resolve) => {
      const all = [...owned.values()];
      const drop = timers.after(withinMs, () => all.forEach(({ work }) => work.drop()));
      const giveUp = timers.after(withinMs + endGraceMs, resolve);
      const release = member === undefined ? undefined : leases.release(member)();
      void Promise.all([release, ...all.map(({ work }) => work.finish())])
        .then(() => Promise.all(releasing))
        .catch(context.onBug)
        .finally(() => {
          drop();
          giveUp();
          resolve();
        });
    });

  /** Beside the balancing, so that a slow look never lets a lease run out. Ends with `over`. */
  const keepAll = async (over: AbortSignal): Promise<void> => {
    while (!over.aborted) {
      if (!stopping.signal.aborted) void keepMember().catch(context.onBug);
      for (const one of owned.values()) void renew(one).catch(context.onBug);
      await looks.wait(lookMs(), over);
    }
  };

  return {
    run: async () => {
      const over = new AbortController();
      const keeping = keepAll(over.signal);
      try {
        while (!stopping.signal.aborted) {
          await untilAborted(balance(), stopping.signal);
          if (stopping.signal.aborted) break;
          const retryInMs = lookMs();
          if (outage !== undefined) hooks.onOutage?.({ error: outage, retryInMs });
          await looks.wait(retryInMs, stopping.signal);
        }
        await endAll();
      } finally {
        over.abort();
        await keeping;
      }
    },
    stop: (ms) => {
      withinMs = ms;
      stopping.abort();
      looks.notify();
    },
    works: () => [...owned.values()].map(({ work }) => work),
    members: () => memberCount,
    share: () => share,
    ending: () => [...owned.values()].filter(({ isEnding }) => isEnding).length,
  };
};
