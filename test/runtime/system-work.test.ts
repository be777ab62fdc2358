/** The guard for work of the system: scoped, nested, and never disturbed by what runs beside it. */
import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import { currentSystemWork, systemWork } from '../../src/runtime/concurrency/system-work.js';

const operation = (): string | undefined => currentSystemWork()?.operation;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('system work', () => {
  it('holds inside, across awaits, and not outside', async () => {
    expect(operation()).toBeUndefined();
    const inside = systemWork('thumbnails', async () => {
      const before = operation();
      await turn();
      return [before, operation()];
    });
    expect(operation()).toBeUndefined();
    expect(await inside).toEqual(['thumbnails', 'thumbnails']);
    expect(operation()).toBeUndefined();
  });

  it('nests: the innermost names the operation, the path names all, and leaving one leaves the outer on', async () => {
    const seen = await systemWork('import', async () => {
      const inner = await systemWork('checksum', async () => {
        await turn();
        return currentSystemWork();
      });
      return { inner, after: currentSystemWork() };
    });
    expect(seen.inner).toEqual({ operation: 'checksum', path: ['import', 'checksum'] });
    expect(seen.after).toEqual({ operation: 'import', path: ['import'] });
  });

  it('ends when the work throws, at once or later, and hands the error on', async () => {
    const boom = new Error('boom');
    const atOnce = (): Promise<never> => {
      throw boom;
    };
    await expect(systemWork('a', atOnce)).rejects.toBe(boom);
    await expect(
      systemWork('a', async () => {
        await systemWork('b', async () => {
          await turn();
          throw boom;
        }).catch(() => expect(operation()).toBe('a'));
        throw boom;
      }),
    ).rejects.toBe(boom);
    expect(operation()).toBeUndefined();
  });

  it('is not seen by an editor beside it, however their steps fall between each other', async () => {
    const seen: (readonly [string, string | undefined])[] = [];
    const steps = async (who: string): Promise<void> => {
      for (let step = 0; step < 20; step += 1) {
        seen.push([who, operation()]);
        await (step % 3 === 0 ? turn() : Promise.resolve());
      }
    };
    await Promise.all([
      steps('editor'),
      systemWork('thumbnails', () => steps('thumbnails')),
      systemWork('search', () => Promise.all([steps('search'), systemWork('words', () => steps('words'))])),
      steps('editor'),
    ]);
    expect(seen).toHaveLength(100);
    for (const [who, found] of seen) expect(found).toBe(who === 'editor' ? undefined : who);
  });

  it('outlives its scope only in what was begun inside: timers and promises keep it, later callers do not', async () => {
    let late: Promise<string | undefined> | undefined;
    await systemWork('nightly', async () => {
      late = new Promise((resolve) => setTimeout(() => resolve(operation()), 5));
    });
    expect(operation()).toBeUndefined();
    expect(await late).toBe('nightly');
  });

  it('belongs to whoever calls, not to whoever registered: a listener sees the emitter’s scope', async () => {
    const bus = new EventEmitter();
    const seen: (string | undefined)[] = [];
    await systemWork('registering', async () => void bus.on('saved', () => seen.push(operation())));
    bus.emit('saved');
    await systemWork('emitting', async () => void bus.emit('saved'));
    expect(seen).toEqual([undefined, 'emitting']);
  });

  it('keeps a thousand operations apart', async () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `op ${index}`);
    const found = await Promise.all(
      names.map((name, index) =>
        systemWork(name, async () => {
          for (let waits = index % 4; waits >= 0; waits -= 1) await turn();
          return operation();
        }),
      ),
    );
    expect(found).toEqual(names);
  });

  it('takes a name of 1 to 256 bytes', async () => {
    for (const name of ['', 'x'.repeat(257), 'a\u0000b', undefined])
      expect(() => systemWork(name as string, async () => 1)).toThrow(TypeError);
    expect(await systemWork('x'.repeat(256), async () => 1)).toBe(1);
  });
});
