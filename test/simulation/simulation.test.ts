/** A simulation can be run again exactly, has no clock but its own, and tells of a broken promise so that it can be seen again. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { sagaRuntime, memoryStore } from 'watersmeet';
import { simulate } from '../../src/testing/simulation/simulate.js';
import { basketMerger, basketSaga, message } from '../support/basket.js';
import { root } from './compiled.mjs';
import { simulateLedger } from './ledger.js';

const adds = Array.from({ length: 6 }, (_, index) => message('Add', { by: 1 }, `add ${index}`));

/** The failure of a simulation, as it is thrown. */
const failureOf = async (running: Promise<unknown>) => {
  const thrown = await running.then(
    () => undefined,
    (error: unknown) => error,
  );
  return thrown as Error & { readonly tagged: { readonly broken: string; readonly seed: number } };
};

describe('a simulation of the saga runtime', () => {
  it('does the same again for the same seed, step by step, and something else for another', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const [once, again, other] = [
        await simulateLedger(seed),
        await simulateLedger(seed),
        await simulateLedger(seed + 1),
      ];
      expect(again.trace()).toEqual(once.trace());
      expect(again.hash).toBe(once.hash);
      expect(other.hash).not.toBe(once.hash);
    }
  });

  it('does the same in another process: `npm run sim -- --seed 7` tells the hash that this one comes to', async () => {
    const args = [join(root, 'scripts/sim.mjs'), '--seed', '7'];
    const said = execFileSync(process.execPath, args, {
      env: { ...process.env, NODE_OPTIONS: '' },
    }).toString();
    const { hash, figures } = await simulateLedger(7);
    expect(said).toBe(`seed 7: every promise kept, trace ${hash}\n${JSON.stringify(figures)}\n`);
  });

  it('knows no clock but its own: a minute of pauses takes no minute', async () => {
    const startedAt = performance.now();
    const lengths: number[] = [];
    for (const seed of [5, 6, 7]) {
      const { trace } = await simulate(basketSaga(), {
        messages: adds,
        seed,
        processes: 2,
        faults: { pause: 1, pauseMs: 60_000, steps: 60 },
      });
      lengths.push(Number(trace().at(-1)?.trim().split(' ')[0]));
    }
    expect(Math.max(...lengths)).toBeGreaterThan(60_000);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});

describe('a saga of one’s own in a simulation', () => {
  const options = { messages: adds, processes: 3 };

  it('comes to what a serial run comes to, in 100 seeds with faults and in one without', async () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const { ends } = await simulate(basketSaga(), { ...options, seed });
      expect(ends.map(({ view, handled }) => [view.state.count, handled.length])).toEqual([[6, 6]]);
    }
    const { figures } = await simulate(basketSaga(), { ...options, seed: 1, faults: 'none', queue: false });
    expect(figures).toMatchObject({ crashes: 0, unavailable: 0, answersLost: 0, deliveries: 6 });
  });

  it('comes to the same where its messages come through a queue, whose workers die, leave and lose their leases', async () => {
    let partitionsLost = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const { ends, figures, hash } = await simulate(basketSaga(), { ...options, seed, queue: true });
      expect(ends.map(({ view, handled }) => [view.state.count, handled.length])).toEqual([[6, 6]]);
      expect(figures.workers).toBeGreaterThan(0);
      partitionsLost += figures.partitionsLost;
      if (seed > 5) continue;
      expect((await simulate(basketSaga(), { ...options, seed, queue: true })).hash).toBe(hash);
    }
    expect(partitionsLost).toBeGreaterThan(0);
  });

  it('that breaks a promise of its own fails with the seed, the last steps and the way to see it again', async () => {
    // The textbook mistake: the trunk's count is forgotten.
    const forgetful = basketSaga({
      merge: {
        ...basketMerger,
        merge: (conflict) => basketMerger.merge({ ...conflict, current: conflict.branches[0].base }),
      },
    });
    const run = (seed: number) =>
      simulate(forgetful, {
        ...options,
        seed,
        check: ([end]) => {
          if (end?.view.state.count !== 6)
            throw new Error(`6 were added, and the count is ${end?.view.state.count}`);
        },
        replay: (of) => `npm test -- simulation --seed ${of}`,
      });
    const failing = async (): Promise<number> => {
      for (let seed = 1; seed < 50; seed += 1) if ((await failureOf(run(seed))) !== undefined) return seed;
      throw new Error('no seed fails');
    };
    const seed = await failing();
    const failure = await failureOf(run(seed));
    expect(failure.tagged).toMatchObject({ _tag: 'SimulationFailed', seed });
    expect(failure.message).toMatch(new RegExp(`^seed ${seed}: 6 were added, and the count is [1-5]\n`));
    expect(failure.message).toContain('append answer VersionConflict');
    expect(failure.message.split('\n').at(-1)).toBe(`Again: npm test -- simulation --seed ${seed}`);
    expect((await failureOf(run(seed))).message).toBe(failure.message);
  });

  it('that breaks the engine’s promises through a store that is not sound would be told so', async () => {
    // The watch over the appends, on its own: what no append of the engine holds.
    const { watchStream } = await import('../../src/testing/simulation/stream-watch.js');
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store });
    await runtime.handle(message('Tell', { text: 'hello', once: true }, 'told'))();
    const page = await store.readStream({ streamName: runtime.streamNameOf('b') })();
    const events = page._tag === 'Right' ? page.right.events : [];
    const watch = watchStream();
    expect(watch.appended(events, 0)).toBeUndefined();
    expect(watch.appended(events, 1)).toMatch(/^event \w{8} was recorded twice$/);
    const again = events.map((event) => ({ ...event, eventId: '00000000-0000-4000-8000-000000000000' }));
    expect(watch.appended(again, 2)).toMatch(/^message [\w-]+ was released twice$/);
  });
});
