/** Many schedules of workers that are slow, stall, fail and die, on a clock that a test moves: one key, one effect. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { toPromise } from '../../src/core/fault.js';
import { any, type StreamName } from '../../src/core/stream.js';
import { idempotentJob, type JobAnswer } from '../../src/runtime/idempotency/idempotent-job.js';
import type { EventStore } from '../../src/store/event-store.js';
import type { IdempotencyStore } from '../../src/store/idempotency.js';
import { newId } from '../../src/store/ids.js';
import { virtualTime, type VirtualTime } from '../../src/testing/simulation/virtual-time.js';

const pendingMs = 30;
const streamName = 'effects-1' as StreamName;

/** What one worker does with the job, and when. */
interface Plan {
  /** When it first asks for the job. */
  readonly startMs: number;
  /** How long its work takes. */
  readonly workMs: number;
  /** For this long after it began, its calls come to the store late. */
  readonly stallMs: number;
  readonly end: 'done' | 'fails' | 'throws' | 'dies';
  /** Whether its effect is an append that completes the job, or something outside of the store. */
  readonly effect: 'completing' | 'outside';
  readonly tries: number;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  startMs: fc.integer({ min: 0, max: 60 }),
  workMs: fc.integer({ min: 0, max: 120 }),
  stallMs: fc.integer({ min: 0, max: 150 }),
  end: fc.constantFrom('done', 'done', 'done', 'fails', 'throws', 'dies'),
  effect: fc.constantFrom('completing', 'outside'),
  tries: fc.integer({ min: 1, max: 4 }),
});

interface Seen {
  /** Tokens of the work that was begun. */
  readonly begun: number[];
  /** Tokens of effects outside of the store. */
  readonly outside: number[];
  /** Tokens whose holders were told that the job is completed by them. */
  readonly completed: Set<number>;
  readonly answers: Array<JobAnswer<string>['_tag'] | string>;
}

interface Scene {
  readonly time: VirtualTime;
  readonly store: EventStore;
  readonly operations: IdempotencyStore;
  readonly seen: Seen;
}

const never = (): Promise<never> => new Promise(() => undefined);

const sleeping =
  (time: VirtualTime) =>
  (ms: number): Promise<void> =>
    new Promise((resolve) => void time.after(ms, resolve));

/** The store as a worker reaches it that stalls for a while, and may die. */
const reachedBy = (
  { time, store, operations, seen }: Scene,
  life: { stalledTo: number; isOver: boolean },
) => {
  const sleep = sleeping(time);
  const slow =
    <A extends readonly unknown[], R>(call: (...args: A) => () => Promise<R>) =>
    (...args: A) =>
    async (): Promise<R> => {
      if (life.isOver) return never();
      if (life.stalledTo > time.now()) await sleep(life.stalledTo - time.now());
      return call(...args)();
    };
  const complete: IdempotencyStore['complete'] = (request) => async () => {
    const answer = await operations.complete(request)();
    if (E.isRight(answer)) seen.completed.add(request.token);
    return answer;
  };
  const append: EventStore['append'] = (request) => async () => {
    const answer = await store.append(request)();
    if (E.isRight(answer) && request.completes !== undefined) seen.completed.add(request.completes.token);
    return answer;
  };
  const idempotency: IdempotencyStore = {
    ...operations,
    renew: slow(operations.renew),
    complete: slow(complete),
    fail: slow(operations.fail),
  };
  return { ...store, append: slow(append), idempotency };
};

const effectEvent = (token: number) => ({
  ...{ eventId: newId(), type: 'Done', schemaVersion: 1, data: { token }, metadata: {} },
});

const worker = async (
  scene: Scene,
  { startMs, workMs, stallMs, end, effect, tries }: Plan,
): Promise<void> => {
  const { time, seen } = scene;
  const sleep = sleeping(time);
  const life = { stalledTo: 0, isOver: false };
  const store = reachedBy(scene, life);
  const timers = { now: time.now, after: time.after, soon: (run: () => void) => void time.after(0, run) };
  const environment = { random: () => 0.5, sleep, timers };
  await sleep(startMs);
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    const answer = await idempotentJob({ store, environment })<{ readonly _tag: string }, string>(
      { scope: 'job', dedupeKey: 'the one', pendingMs },
      ({ token, completes }) =>
        async () => {
          seen.begun.push(token);
          life.stalledTo = time.now() + stallMs;
          await sleep(workMs);
          if (end === 'fails') return E.left({ _tag: 'Failed' });
          if (end === 'throws') throw new Error('a bug');
          if (effect === 'outside') seen.outside.push(token);
          else {
            const request = { streamName, expected: any, events: [effectEvent(token)] };
            const written = await store.append({ ...request, completes: completes() })();
            if (E.isLeft(written)) return written;
          }
          if (end === 'dies') {
            life.isOver = true;
            return never();
          }
          return E.right('done');
        },
    )().catch(() => E.left({ _tag: 'Threw' }));
    seen.answers.push(E.isRight(answer) ? answer.right._tag : answer.left._tag);
    if (E.isRight(answer) && answer.right._tag !== 'InProgress') return;
    await sleep(7);
  }
};

/** Lets everything run that can run, then moves the clock, until nothing is due. */
const runOut = async (time: VirtualTime): Promise<void> => {
  for (let step = 1; step <= 20_000; step += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (!time.step()) return;
  }
  throw new Error('the schedule did not come to an end');
};

const play = async (plans: ReadonlyArray<Plan>): Promise<Scene> => {
  const time = virtualTime();
  const store = memoryStore({ clockMs: time.now });
  const seen: Seen = { begun: [], outside: [], completed: new Set(), answers: [] };
  const scene = { time, store, operations: store.idempotency, seen };
  for (const one of plans) void worker(scene, one);
  await runOut(time);
  // One that is well, after all of them: whatever they did, the job gets done.
  void worker(scene, {
    ...{ startMs: 200, workMs: 1, stallMs: 0, end: 'done', effect: 'completing', tries: 1 },
  });
  await runOut(time);
  return scene;
};

const effectTokens = async ({ store }: Scene): Promise<ReadonlyArray<number>> =>
  (await toPromise(store.readStream({ streamName }))).events.map(
    ({ data }) => (data as { readonly token: number }).token,
  );

describe('one job in the hands of many', () => {
  it('is completed by one holder, has one effect in the store, and one for each token outside of it', async () => {
    const met = { recovered: 0, lost: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(plan, { minLength: 2, maxLength: 4 }), async (plans) => {
        const scene = await play(plans);
        const { begun, outside, completed, answers } = scene.seen;
        const effects = await effectTokens(scene);
        expect(new Set(begun).size).toBe(begun.length);
        expect(new Set(outside).size).toBe(outside.length);
        expect(completed.size).toBe(1);
        expect(effects.length).toBeLessThanOrEqual(1);
        // The effect is that of the holder who completed the job, and of no other.
        for (const token of effects) expect(completed.has(token)).toBe(true);
        const [entry] = await toPromise(scene.operations.list({}));
        expect(entry?.state).toBe('completed');
        expect(completed.has(entry?.token ?? 0)).toBe(true);
        expect(answers.filter((answer) => answer === 'Done').length).toBeLessThanOrEqual(1);
        if (begun.length > 1) met.recovered += 1;
        if (answers.includes('IdempotencyLost')) met.lost += 1;
      }),
      { numRuns: 200, seed: 5 },
    );
    // The schedules are worth something: work was taken over, and old holders were refused.
    expect(met.recovered).toBeGreaterThan(40);
    expect(met.lost).toBeGreaterThan(10);
  });
});
