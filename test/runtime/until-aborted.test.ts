/** Work that a signal may cut short. */
import { describe, expect, it } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { untilAborted } from '../../src/runtime/until-aborted.js';

const never = (): Promise<void> => new Promise(() => undefined);
const fails = (): Promise<void> => Promise.reject(new Error('a bug'));

describe('waiting for work until a signal aborts', () => {
  it('ends with the work, as it ends, and leaves nothing at the signal', async () => {
    const { signal } = new AbortController();
    for (let round = 0; round < 3; round += 1) {
      await untilAborted(Promise.resolve(), signal);
      await expect(untilAborted(fails(), signal)).rejects.toThrow('a bug');
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends with the signal, before or during the work, and then what the work throws is nobody’s', async () => {
    const controller = new AbortController();
    const waiting = untilAborted(never(), controller.signal);
    controller.abort();
    await waiting;
    await untilAborted(never(), controller.signal);
    await untilAborted(fails(), controller.signal);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });
});
