/** Work under a lease: kept up by a heartbeat, lost by name, waited for within a limit, and called off; on a clock that the test moves. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { type MemoryStore, memoryStore } from '../../src/adapters/memory/index.js';
import { taggedError, taggedOf, toPromise } from '../../src/core/fault.js';
import { type StreamName } from '../../src/core/stream.js';
import type { HeldLease } from '../../src/runtime/leases/lease-held.js';
import { type LeaseContext, type LeaseRequest, withLease } from '../../src/runtime/leases/lease-work.js';
import { scopeLeaseName } from '../../src/store/lease-scopes.js';
import type { Leases } from '../../src/store/leases.js';
import { virtualClock } from '../support/virtual-clock.js';
import { appendUnder } from './lease-support.js';

const scope = ['product-123', 'assets'];
const name = scopeLeaseName(scope);
const request: LeaseRequest = { scope, holder: 'thumbnails', ttlMs: 30_000 };
const lost = { _tag: 'LeaseLost', lease: name, token: 1 } as const;

const bench = (instead: (leases: Leases) => Partial<Leases> = () => ({})) => {
  const clock = virtualClock();
  const store: MemoryStore = memoryStore({ clockMs: clock.now });
  const { leases } = store;
  const asked: Array<readonly [what: string, atMs: number]> = [];
  const noted =
    <A extends ReadonlyArray<unknown>, R>(what: string, ask: (...request: A) => R) =>
    (...of: A): R => {
      asked.push([what, clock.now()]);
      return ask(...of);
    };
  const given = { ...leases, ...instead(leases) };
  const watched: Leases = {
    ...leases,
    acquire: noted('acquire', given.acquire),
    renew: noted('renew', given.renew),
    release: noted('release', given.release),
  };
  const context: LeaseContext = { store: { leases: watched }, environment: clock.environment };
  const take = (of: ReadonlyArray<string>, ttlMs: number, holder = 'them') =>
    toPromise(leases.acquire({ scope: of, holder, ttlMs }));
  return { ...clock, store, leases, context, asked, take };
};

const append = (store: MemoryStore, { fence }: HeldLease) =>
  appendUnder(store, 'product-123' as StreamName, fence);

const unreachable = { _tag: 'StoreUnavailable', message: 'gone' } as const;
const done = async (): Promise<E.Either<never, string>> => E.right('done');

describe('work under a lease', () => {
  it('is renewed at half of its time, and given back at its end', async () => {
    const { context, asked, until, sleep, leases, take } = bench();
    const working = withLease(context, request, async ({ signal, fence, holder, scope: mine }) => {
      await sleep(70_000);
      expect([signal.aborted, fence, holder, mine]).toEqual([
        false,
        { lease: name, token: 1 },
        'thumbnails',
        scope,
      ]);
      const held = await toPromise(leases.list({ prefix: name }));
      expect(held).toMatchObject([{ holder: 'thumbnails', token: 1, expiresInMs: 20_000 }]);
      return E.right('worked');
    })();
    expect(await until(working)).toEqual(E.right('worked'));
    expect(asked).toEqual([
      ['acquire', 0],
      ['renew', 15_000],
      ['renew', 30_000],
      ['renew', 45_000],
      ['renew', 60_000],
      ['release', 70_000],
    ]);
    expect((await take([scope[0] as string], 1)).recovered).toBeUndefined();
  });

  it('answers what the work answers, and rejects with what it throws; the lease is given back both times', async () => {
    const { context, until, leases } = bench();
    const refusal = { _tag: 'TooDear', price: 7 } as const;
    expect(await until(withLease(context, request, async () => E.left(refusal))())).toEqual(E.left(refusal));
    const bug = new Error('a bug');
    const buggy = withLease(context, request, async () => {
      throw bug;
    })();
    await expect(until(buggy)).rejects.toBe(bug);
    expect(await toPromise(leases.list({ prefix: '' }))).toEqual([]);
  });

  it('is told by its signal that the lease is lost when a renewal is refused, and its appends are refused', async () => {
    const { context, asked, until, sleep, store, leases } = bench();
    const told: unknown[] = [];
    const hooks = { onLost: (notice: unknown) => void told.push(notice) };
    const working = withLease({ ...context, hooks }, request, async (held) => {
      // As an operator might.
      await toPromise(leases.release({ name, token: 1 }));
      await sleep(14_999);
      expect(held.signal.aborted).toBe(false);
      await sleep(2);
      expect([held.signal.aborted, taggedOf(held.signal.reason)]).toEqual([true, lost]);
      return append(store, held)();
    })();
    expect(await until(working)).toEqual(E.left(lost));
    expect(told).toEqual([lost]);
    expect(asked.map(([what]) => what)).toEqual(['acquire', 'renew', 'release']);
  });

  it('counts its lease as lost by its own clock a tenth of the time early where the store cannot be reached', async () => {
    const { context, asked, until, sleep } = bench(() => ({ renew: () => async () => E.left(unreachable) }));
    const seen: number[] = [];
    const working = withLease(context, request, async ({ signal }) => {
      signal.addEventListener('abort', () => seen.push(context.environment?.timers?.now() ?? 0));
      await sleep(60_000);
      return E.right('worked on');
    })();
    expect(await until(working)).toEqual(E.right('worked on'));
    expect(seen).toEqual([27_000]);
    const renewals = asked.filter(([what]) => what === 'renew').map(([, atMs]) => atMs);
    expect(renewals).toEqual([15_000, 16_875, 18_750, 20_625, 22_500, 24_375, 26_250]);
  });

  it('goes on where the store can be reached again in time', async () => {
    let answers = 0;
    const { context, until, sleep } = bench(({ renew }) => ({
      renew: (lease, ttlMs) => async () => {
        answers += 1;
        return answers <= 6 ? E.left(unreachable) : renew(lease, ttlMs)();
      },
    }));
    const working = withLease(context, request, async ({ signal }) => {
      await sleep(100_000);
      return E.right(signal.aborted);
    })();
    expect(await until(working)).toEqual(E.right(false));
  });

  it('counts its lease as lost also where a renewal is never answered, and does not wait for that', async () => {
    const { context, until, sleep, now } = bench(() => ({ renew: () => () => new Promise(() => undefined) }));
    const working = withLease(context, request, async ({ signal }) => {
      await sleep(40_000);
      return E.right(signal.aborted);
    })();
    expect(await until(working)).toEqual(E.right(true));
    expect(now()).toBe(40_000);
  });

  it('trusts a lease from when it asked, not from when it was answered', async () => {
    const clock = { slow: async () => undefined as void };
    const { context, until, sleep } = bench(({ acquire, renew }) => ({
      acquire: (asked) => async () => {
        const answer = await acquire(asked)();
        await clock.slow();
        return answer;
      },
      renew,
    }));
    clock.slow = () => sleep(26_000);
    const working = withLease(context, request, async ({ signal }) => {
      await sleep(500);
      const early = signal.aborted;
      await sleep(60_000);
      return E.right([early, signal.aborted]);
    })();
    // Asked for at 0, answered at 26,000, renewed at once: then at 41,000 and so on.
    expect(await until(working)).toEqual(E.right([false, false]));
    clock.slow = () => sleep(28_000);
    const late = withLease(context, { ...request, scope: ['late'] }, async ({ signal }) => {
      await sleep(1);
      return E.right(signal.aborted);
    })();
    expect(await until(late)).toEqual(E.right(true));
  });

  it('that throws its signal’s reason, wrapped or not, or LeaseLost of its own lease, has lost by name', async () => {
    const throwing: ReadonlyArray<(held: HeldLease, bench: { store: MemoryStore }) => unknown> = [
      ({ signal }) => signal.throwIfAborted(),
      ({ signal }) => {
        throw Object.assign(new Error('aborted'), { cause: signal.reason });
      },
      (held, { store }) => toPromise(append(store, held)),
    ];
    for (const work of throwing) {
      const made = bench();
      const working = withLease(made.context, request, async (held) => {
        await toPromise(made.leases.release({ name, token: 1 }));
        await made.sleep(20_000);
        await work(held, made);
        return E.right('not lost');
      })();
      expect(await made.until(working)).toEqual(E.left(lost));
    }
  });

  it('that throws LeaseLost of another lease, or whose hook throws, has a bug', async () => {
    const { context, until, sleep, leases } = bench();
    const other = taggedError({ _tag: 'LeaseLost', lease: 'other', token: 1 } as const);
    const working = withLease(context, request, async () => {
      throw other;
    })();
    await expect(until(working)).rejects.toBe(other);
    const bug = new Error('a bug');
    const broken = () => {
      throw bug;
    };
    await expect(
      until(withLease({ ...context, hooks: { onAcquired: broken } }, request, done)()),
    ).rejects.toBe(bug);
    const losing = withLease({ ...context, hooks: { onLost: broken } }, request, async ({ fence }) => {
      await toPromise(leases.release({ name, token: fence.token }));
      await sleep(20_000);
      return E.right('lost');
    })();
    await expect(until(losing)).rejects.toBe(bug);
    expect(await toPromise(leases.list({ prefix: '' }))).toEqual([]);
  });
});

describe('waiting for a lease', () => {
  it('ends when what is in the way is given back, above or below', async () => {
    for (const other of [['product-123'], scope, [...scope, 'thumbnail:en']]) {
      const { context, until, sleep, leases, take, now } = bench();
      const theirs = await take(other, 60_000);
      const notices: unknown[] = [];
      const hooks = { onAcquired: (notice: unknown) => void notices.push(notice) };
      const both = Promise.all([
        withLease({ ...context, hooks }, request, done)(),
        sleep(3_000).then(() => toPromise(leases.release(theirs))),
      ]);
      expect((await until(both))[0]).toEqual(E.right('done'));
      expect(now()).toBeLessThan(3_600);
      expect(notices).toMatchObject([{ lease: name, holder: 'thumbnails', waitedMs: now() }]);
    }
  });

  it('ends at its limit with who was in the way and how long was waited', async () => {
    const { context, until, take, asked, now } = bench();
    const theirs = await take(['product-123'], 60_000, 'the ERP');
    const answer = await until(withLease(context, { ...request, waitMaxMs: 2_000 }, done)());
    expect(answer).toEqual(
      E.left({
        _tag: 'LeaseTimeout',
        lease: name,
        inTheWay: theirs.name,
        holder: 'the ERP',
        waitedMs: 2_000,
        message:
          'scope:/product-123/assets could not be had: the ERP held scope:/product-123 for all of 2000 ms',
      }),
    );
    expect(now()).toBe(2_000);
    // Growing pauses: few looks, the last one at the very end.
    expect(asked.length).toBeLessThan(16);
    expect(asked.at(-1)).toEqual(['acquire', 2_000]);
  });

  it('of 0 milliseconds asks once', async () => {
    const { context, take, asked } = bench();
    await take(scope, 60_000);
    const answer = await withLease(context, { ...request, waitMaxMs: 0 }, done)();
    expect(answer).toMatchObject(E.left({ _tag: 'LeaseTimeout', inTheWay: name, waitedMs: 0 }));
    expect(asked).toEqual([['acquire', 0]]);
  });

  it('takes over what its holder left behind, and tells of it', async () => {
    const { context, until, take, now } = bench();
    await take([...scope, 'thumbnail:en'], 1_000, 'crashed');
    const told: unknown[] = [];
    const hooks = { onRecovered: (notice: unknown) => void told.push(notice) };
    expect(await until(withLease({ ...context, hooks }, request, done)())).toEqual(E.right('done'));
    expect(Math.floor(now())).toBe(1_000);
    const recovered = [{ name: `${name}/thumbnail:en`, token: 1, holder: 'crashed' }];
    expect(told).toEqual([{ lease: name, token: 1, holder: 'thumbnails', waitedMs: now(), recovered }]);
  });

  it('is called off by the caller’s signal, also while the store is answering; then nothing is held', async () => {
    const calling = new AbortController();
    const { context, until, sleep, take, leases, now } = bench();
    await take(scope, 60_000);
    const both = Promise.all([
      withLease(context, { ...request, waitMaxMs: 50_000, signal: calling.signal }, done)(),
      sleep(700).then(() => calling.abort(new Error('shutting down'))),
    ]);
    const aborted = { _tag: 'LeaseAborted', lease: name, message: `${name} was called off: shutting down` };
    expect((await until(both))[0]).toEqual(E.left(aborted));
    expect(now()).toBe(700);

    const late = new AbortController();
    const other = bench((their) => ({
      acquire: (asked) => async () => {
        const answer = await their.acquire(asked)();
        late.abort(new Error('shutting down'));
        return answer;
      },
    }));
    const answer = await withLease(other.context, { ...request, signal: late.signal }, done)();
    expect(answer).toEqual(E.left(aborted));
    expect(await toPromise(other.leases.list({ prefix: '' }))).toEqual([]);
    expect(await toPromise(leases.list({ prefix: '' }))).toHaveLength(1);
  });

  it('is refused by name where the request is wrong, the store has no leases or cannot be reached', async () => {
    const { context } = bench(() => ({ acquire: () => async () => E.left(unreachable) }));
    for (const wrong of [{ scope: [] }, { ttlMs: 0 }, { waitMaxMs: -1 }, { waitMaxMs: Infinity }] as const)
      expect(await withLease(context, { ...request, ...wrong }, done)()).toMatchObject(
        E.left({ _tag: 'InvalidRequest', field: Object.keys(wrong)[0] }),
      );
    expect(await withLease(context, { ...request, holder: '' }, done)()).toMatchObject(
      E.left({ _tag: 'InvalidName', field: 'holder' }),
    );
    expect(await withLease(context, request, done)()).toEqual(E.left(unreachable));
    expect(await withLease({ store: { leases: undefined } }, request, done)()).toEqual(
      E.left({ _tag: 'NotSupported', capability: 'leases' }),
    );
  });
});

describe('the caller’s signal', () => {
  it('aborts the work’s, with its reason; work that stops by it is LeaseAborted, work that finishes has its answer', async () => {
    for (const stops of [true, false]) {
      const calling = new AbortController();
      const reason = new Error('too late');
      const { context, until, sleep, leases } = bench();
      const working = withLease(context, { ...request, signal: calling.signal }, async ({ signal }) => {
        await sleep(100);
        calling.abort(reason);
        expect(signal.reason).toBe(reason);
        if (stops) signal.throwIfAborted();
        return E.right('finished');
      })();
      const message = `${name} was called off: too late`;
      expect(await until(working)).toEqual(
        stops ? E.left({ _tag: 'LeaseAborted', lease: name, message }) : E.right('finished'),
      );
      expect(await toPromise(leases.list({ prefix: '' }))).toEqual([]);
    }
  });

  it('ends the renewals, so that work that hangs holds others up for the time to live at most', async () => {
    const calling = new AbortController();
    const { context, until, sleep, take, now } = bench();
    void withLease(
      context,
      { ...request, signal: calling.signal },
      () => new Promise<never>(() => undefined),
    )();
    await until(sleep(50_000));
    calling.abort();
    const next = withLease(context, { ...request, waitMaxMs: 60_000 }, done)();
    expect(await until(next)).toEqual(E.right('done'));
    // Renewed last at 45,000.
    expect(Math.floor(now())).toBe(75_000);
    expect((await take(scope, 1)).token).toBe(3);
  });
});
