/** Leases against other processes: one that was paused too long writes nothing any more, and never two work on scopes that exclude each other. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { taggedOf, toPromise } from '../../src/core/fault.js';
import { type StreamName } from '../../src/core/stream.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import type { HeldLease } from '../../src/runtime/leases/lease-held.js';
import { withLease } from '../../src/runtime/leases/lease-work.js';
import type { EventStore } from '../../src/store/event-store.js';
import { excludesEachOther, scopeLeaseName } from '../../src/store/lease-scopes.js';
import type { RecoveredLease } from '../../src/store/leases.js';
import { realTimers, type Timers } from '../../src/store/timers.js';
import { freshId, onBothStores } from '../cases/support.js';
import { account } from '../support/account.js';
import { appendUnder } from './lease-support.js';
import { pause } from './worker-support.js';

/** Timers of a process that can be stopped: what is due meanwhile runs when it goes on, while the clock has run on. */
const stoppable = () => {
  let isStopped = false;
  const due: Array<() => void> = [];
  const timers: Timers = {
    ...realTimers,
    after: (ms, run) => {
      let isOff = false;
      const callOff = realTimers.after(ms, () => {
        if (isStopped) due.push(() => isOff || run());
        else run();
      });
      return () => {
        isOff = true;
        callOff();
      };
    },
  };
  return {
    environment: { timers, random: Math.random, sleep: pause },
    stop: () => {
      isStopped = true;
    },
    goOn: () => {
      isStopped = false;
      for (const run of due.splice(0)) run();
    },
  };
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** One holder stops for longer than its lease lasts, another takes a scope that excludes it; then the first goes on. */
const outlasted =
  (theirs: ReadonlyArray<string>, mine: ReadonlyArray<string>) =>
  async ({ store, second }: { readonly store: EventStore; readonly second: EventStore }): Promise<void> => {
    const root = freshId();
    const streamName = `product-${root}` as StreamName;
    const process = stoppable();
    const name = scopeLeaseName([root, ...theirs]);
    const lost = { _tag: 'LeaseLost', lease: name, token: 1 };
    const request = { scope: [root, ...theirs], holder: 'paused', ttlMs: 300 };
    const working = withLease({ store, environment: process.environment }, request, async (held) => {
      await toPromise(appendUnder(store, streamName, held.fence));
      process.stop();
      const recovered: RecoveredLease[] = [];
      const hooks = {
        onRecovered: (notice: { readonly recovered: ReadonlyArray<RecoveredLease> }) =>
          void recovered.push(...notice.recovered),
      };
      const next = { scope: [root, ...mine], holder: 'next', waitMaxMs: 20_000 };
      await toPromise(
        withLease({ store: second, hooks }, next, async (other) => {
          expect(held.signal.aborted).toBe(false);
          expect(await appendUnder(store, streamName, held.fence)()).toEqual(E.left(lost));
          return appendUnder(second, streamName, other.fence)();
        }),
      );
      expect(recovered).toEqual([{ name, token: 1, holder: 'paused' }]);
      // Also when the other one is over.
      expect(await appendUnder(store, streamName, held.fence)()).toEqual(E.left(lost));
      process.goOn();
      await aborted(held.signal);
      expect(taggedOf(held.signal.reason)).toEqual(lost);
      held.signal.throwIfAborted();
      return E.right('not lost');
    })();
    expect(await working).toEqual(E.left(lost));
    expect((await toPromise(store.readStream({ streamName }))).version).toBe(2);
  };

onBothStores('a lease', {
  'whose holder was paused beyond its time is gone: appends are refused, the signal is aborted': outlasted(
    ['assets'],
    ['assets'],
  ),
  'is gone too where what was taken meanwhile lies above': outlasted(['assets', 'thumbnail:en'], []),
  'is gone too where what was taken meanwhile lies below': outlasted([], ['assets']),

  'fences the commands that are handled under it': async ({ store, second }) => {
    const scope = ['accounts', freshId()];
    const id = freshId();
    const command = { type: 'Open', data: { owner: 'Ada' } } as const;
    const answer = await toPromise(
      withLease({ store }, { scope, holder: 'import', ttlMs: 60_000 }, async ({ fence }) => {
        const first = await handleCommand({ store })(account, { id, command, fence })();
        if (second.leases !== undefined)
          await toPromise(second.leases.release({ name: fence.lease, token: fence.token }));
        const deposit = { type: 'Deposit', data: { amount: 5 } } as const;
        const late = await handleCommand({ store })(account, { id, command: deposit, fence })();
        return E.right([first, late] as const);
      }),
    );
    expect(answer[0]).toMatchObject(E.right({ version: 1 }));
    expect(answer[1]).toEqual(E.left({ _tag: 'LeaseLost', lease: scopeLeaseName(scope), token: 1 }));
  },

  'that sixteen workers want, for a product and its parts, is never held by two that exclude each other; all have their turn':
    async ({ store, second }) => {
      const root = freshId();
      const working = new Set<string>();
      const clashes: string[] = [];
      const scopes = [[root], [root, 'assets'], [root, 'assets', 'thumbnail:en'], [root, 'search']];
      const work = async ({ scope }: HeldLease): Promise<E.Either<never, string>> => {
        const name = scopeLeaseName(scope);
        for (const other of working) if (excludesEachOther(other, name)) clashes.push(`${other} and ${name}`);
        working.add(name);
        await pause(2);
        working.delete(name);
        return E.right(name);
      };
      const answers = await Promise.all(
        Array.from({ length: 16 }, async (_, worker) => {
          const scope = scopes[worker % scopes.length] as ReadonlyArray<string>;
          const request = { scope, holder: `worker ${worker}`, waitMaxMs: 40_000 };
          const context = { store: worker % 2 === 0 ? store : second };
          return [await withLease(context, request, work)(), await withLease(context, request, work)()];
        }),
      );
      expect(answers.flat().filter(E.isLeft)).toEqual([]);
      expect(clashes).toEqual([]);
    },
});
