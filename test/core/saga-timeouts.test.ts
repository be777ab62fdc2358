/** Timeouts in the pure core: what is refused, what a drawing and an explanation say of them, and that the order of branches is nothing. */
import { describe, expect, it } from '@jest/globals';
import {
  describeConflict,
  drawSaga,
  explainConflicts,
  memoryStore,
  sagaRuntime,
  type StreamName,
  toPromise,
} from 'watersmeet';
import { deadlineSaga, toDeadline } from '../support/deadline.js';

const to = toDeadline('a');

/** Handles messages at once; the first is on the trunk. */
const streamOf = async (saga: ReturnType<typeof deadlineSaga>, ...messages: ReturnType<typeof to>[]) => {
  const store = memoryStore();
  const runtime = sagaRuntime(saga, { store });
  await Promise.all(messages.map((message) => toPromise(runtime.handle(message))));
  const { events } = await toPromise(store.readStream({ streamName: 'deadline-a' as StreamName }));
  return { events, owed: await toPromise(runtime.owed('a')) };
};

const ask = (text: string, key: string, id: string) => to('Ask', { text, afterMs: 30_000, key }, id);

describe('timeouts', () => {
  it.each([-1, Number.NaN, Infinity, 315_360_000_001])('are refused with afterMs %d', async (afterMs) => {
    const runtime = sagaRuntime(deadlineSaga(), { store: memoryStore() });
    expect(await runtime.handle(to('Ask', { text: 'x', afterMs }))()).toMatchObject({
      left: { _tag: 'EncodeFailed', problems: [{ path: '$.afterMs' }] },
    });
  });

  it('are drawn where they are asked for and cancelled, and explained with the conflict', async () => {
    const saga = deadlineSaga({ askAfterMerge: 'm', cancelAfterMerge: 'gone' });
    const { events } = await streamOf(
      saga,
      ask('trunk', 'k', 'first'),
      ask('branch', 'k', 'second'),
      to('Cancel', { key: 'other' }, 'third'),
    );
    const drawn = drawSaga(events).join('\n');
    expect(drawn).toContain('Added {"by":1}  later: Due {"text":"trunk"} after 30 s');
    expect(drawn).toContain('no more: other');
    expect(drawn).toContain('later: Due {"text":"after the merge"} after 0 ms; no more: gone');
    const words = explainConflicts(saga, events).map(describeConflict).join('\n');
    expect(words).toContain(
      'the timeout Due {"text":"branch"} after 30 s: held, then cancelled (the trunk has asked for the key k since)',
    );
    expect(words).toContain('to cancel the timeouts other');
    expect(words).toContain('asked for the timeout Due {"text":"after the merge"} after 0 ms');
  });

  it('of several branches come to the same whatever the order of their messages', async () => {
    const messages = [
      ask('one', 'k', 'm1'),
      to('Cancel', { key: 'k' }, 'm2'),
      ask('two', 'j', 'm3'),
      ask('three', 'j', 'm4'),
    ];
    for (let first = 0; first < messages.length; first += 1) {
      const turned = [...messages.slice(first), ...messages.slice(0, first)];
      const { owed } = await streamOf(deadlineSaga(), ...turned);
      expect(owed.timeouts.map(({ key }) => key)).toEqual(['j']);
    }
  });
});
