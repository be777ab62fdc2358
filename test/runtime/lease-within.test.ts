/** Narrower scopes under a lease that is held: the store is not asked, siblings go on side by side, all others take their turns. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { toPromise } from '../../src/core/fault.js';
import type { HeldLease } from '../../src/runtime/leases/lease-held.js';
import { withLease } from '../../src/runtime/leases/lease-work.js';
import { type LeaseScope, scopeLeaseName } from '../../src/store/lease-scopes.js';
import { virtualClock } from '../support/virtual-clock.js';

const root = 'product-123';

const bench = () => {
  const clock = virtualClock();
  const store = memoryStore({ clockMs: clock.now });
  const context = { store, environment: clock.environment };
  const began: Array<readonly [what: string, atMs: number]> = [];
  /** Works for so long, and notes when it began. */
  const job =
    (what: string, forMs = 1_000) =>
    async (): Promise<E.Either<never, string>> => {
      began.push([what, clock.now()]);
      await clock.sleep(forMs);
      return E.right(what);
    };
  /** Runs all of what the work gives, at once, under a lease on the product. */
  const underOne = (all: (held: HeldLease) => ReadonlyArray<TaskEither<unknown, unknown>>) =>
    clock.until(
      withLease(context, { scope: [root], holder: 'catalogue' }, async (held) =>
        E.right(await Promise.all(all(held).map((one) => one()))),
      )(),
    );
  return { ...clock, context, leases: store.leases, began, job, underOne };
};

describe('a narrower scope under a lease', () => {
  it('has the wider one’s fence, a longer path, and asks the store for nothing', async () => {
    const { context, until, leases } = bench();
    const working = withLease(context, { scope: [root], holder: 'catalogue' }, (product) =>
      product.within(['assets', 'images'], (images) =>
        images.within('thumbnail:en', async ({ scope, holder, fence }) => {
          const held = await toPromise(leases.list({ prefix: '' }));
          return E.right([scope, holder, fence, held.length]);
        })(),
      )(),
    )();
    const fence = { lease: scopeLeaseName([root]), token: 1 };
    const scope = [root, 'assets', 'images', 'thumbnail:en'];
    expect(await until(working)).toEqual(E.right([scope, 'catalogue', fence, 1]));
  });

  it('goes on beside its siblings', async () => {
    const { underOne, job, began } = bench();
    await underOne(({ within }) => ['a', 'b', 'aa', 'c'].map((part) => within(part, job(part))));
    expect(began.map(([, atMs]) => atMs)).toEqual([0, 0, 0, 0]);
  });

  it('takes its turn with the same, wider and narrower ones in the order in which they asked', async () => {
    const { underOne, job, began } = bench();
    const paths: ReadonlyArray<LeaseScope> = [
      ['a'],
      ['a', 'x'],
      ['a'],
      ['a', 'x'],
      ['a', 'y'],
      ['b', 'x'],
      ['b'],
    ];
    const answers = await underOne(({ within }) => paths.map((path) => within(path, job(path.join('/')))));
    expect(answers).toEqual(E.right(paths.map((path) => E.right(path.join('/')))));
    expect(began).toEqual([
      ['a', 0],
      ['b/x', 0],
      ['a/x', 1_000],
      ['b', 1_000],
      ['a', 2_000],
      // Side by side, and neither passed by those that came after.
      ['a/x', 3_000],
      ['a/y', 3_000],
    ]);
  });

  it('that does not come in time is LeaseTimeout by name, and stands in nobody’s way after that', async () => {
    const { underOne, job, began } = bench();
    const answers = await underOne(({ within }) => [
      within(['a', 'x'], job('a/x', 3_000)),
      within('a', job('a'), { waitMaxMs: 500 }),
      within(['a', 'y'], job('a/y')),
    ]);
    const timeout = {
      _tag: 'LeaseTimeout',
      lease: scopeLeaseName([root, 'a']),
      inTheWay: scopeLeaseName([root, 'a', 'x']),
      holder: 'catalogue',
      waitedMs: 500,
    };
    expect(answers).toMatchObject(E.right([E.right('a/x'), E.left(timeout), E.right('a/y')]));
    expect(began).toEqual([
      ['a/x', 0],
      ['a/y', 500],
    ]);
  });

  it('asked of the outer handle while one works within waits for itself, and not for ever', async () => {
    const { underOne, job } = bench();
    const answers = await underOne((held) => [held.within('a', () => held.within('a', job('inner'))())]);
    expect(answers).toMatchObject(E.right([E.left({ _tag: 'LeaseTimeout', waitedMs: 5_000 })]));
  });

  it('is left by work that fails or throws', async () => {
    const { underOne, job } = bench();
    const failing = async () => E.left({ _tag: 'Failed' as const });
    const bug = new Error('a bug');
    const throwing = async (): Promise<E.Either<never, never>> => {
      throw bug;
    };
    const answers = await underOne(({ within }) => [
      within('a', failing),
      () => within('a', throwing)().then(undefined, (thrown: unknown) => E.left(thrown)),
      within('a', job('a')),
    ]);
    expect(answers).toEqual(E.right([E.left({ _tag: 'Failed' }), E.left(bug), E.right('a')]));
  });

  it('is called off by its own signal, while it waits and while it works; the rest goes on', async () => {
    const { underOne, job, sleep } = bench();
    const calling = new AbortController();
    const answers = await underOne(({ within }) => [
      within(
        'a',
        async ({ signal }) => {
          await sleep(1_000);
          calling.abort(new Error('enough'));
          signal.throwIfAborted();
          return E.right('not aborted');
        },
        { signal: calling.signal },
      ),
      within(['a', 'x'], job('a/x'), { signal: calling.signal }),
      within('b', job('b', 2_000)),
    ]);
    const aborted = (...path: ReadonlyArray<string>) =>
      E.left({
        _tag: 'LeaseAborted',
        lease: scopeLeaseName([root, ...path]),
        message: `${scopeLeaseName([root, ...path])} was called off: enough`,
      });
    expect(answers).toEqual(E.right([aborted('a'), aborted('a', 'x'), E.right('b')]));
  });

  it('is lost with the lease: work has its signal aborted, those who wait or come later are LeaseLost', async () => {
    const { context, until, sleep, leases, job } = bench();
    const lost = { _tag: 'LeaseLost', lease: scopeLeaseName([root]), token: 1 };
    const working = withLease(
      context,
      { scope: [root], holder: 'catalogue', ttlMs: 1_000 },
      async ({ within, fence }) => {
        await toPromise(leases.release({ name: fence.lease, token: fence.token }));
        const worked = within('a', async ({ signal }) => {
          await sleep(2_000);
          return E.right(signal.aborted);
        })();
        const waited = within('a', job('never'))();
        await worked;
        return E.right([await worked, await waited, await within('b', job('never'))()]);
      },
    )();
    expect(await until(working)).toEqual(E.right([E.right(true), E.left(lost), E.left(lost)]));
  });

  it('asked of a handle whose work is over is LeaseLost', async () => {
    const { context, until, job } = bench();
    const kept: HeldLease[] = [];
    const keep = async (held: HeldLease) => {
      kept.push(held);
      return held.within('a', async (inner) => {
        kept.push(inner);
        return E.right('done');
      })();
    };
    await until(withLease(context, { scope: [root], holder: 'catalogue' }, keep)());
    expect(kept).toHaveLength(2);
    for (const held of kept)
      expect(await held.within('b', job('never'))()).toMatchObject(E.left({ _tag: 'LeaseLost' }));
  });

  it('is refused by name where it is none, or lies too deep', async () => {
    const { underOne, job } = bench();
    const wrong = [[], '', ['a', ''], ['2', '3', '4', '5', '6', '7', '8', '9'], undefined, 7];
    const answers = await underOne(({ within }) => [
      ...wrong.map((path) => within(path as string, job('never'))),
      within('a', job('never'), { waitMaxMs: -1 }),
    ]);
    const refused = (_tag: string, field: string) => E.left({ _tag, field });
    expect(answers).toMatchObject(
      E.right([
        refused('InvalidRequest', 'within'),
        refused('InvalidName', 'within[0]'),
        refused('InvalidName', 'within[1]'),
        refused('InvalidRequest', 'scope'),
        refused('InvalidRequest', 'within'),
        refused('InvalidRequest', 'within'),
        refused('InvalidRequest', 'waitMaxMs'),
      ]),
    );
  });
});
