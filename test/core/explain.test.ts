/** What is said of a conflict: base, trunk, branch, rule, and what became of each message; with and without the saga's code. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import {
  describeConflict,
  drawSaga,
  type EventStore,
  explainConflicts,
  memoryStore,
  mergeRefused,
  merger,
  type RecordedEvent,
  sagaRuntime,
  type StreamName,
  toPromise,
} from 'watersmeet';
import { type Basket, basketSaga, message } from '../support/basket.js';

const records = async (store: EventStore): Promise<ReadonlyArray<RecordedEvent>> =>
  (await toPromise(store.readStream({ streamName: 'basket-b' as StreamName, maxCount: 4_096 }))).events;

const run = async (
  saga: ReturnType<typeof basketSaga>,
  ...bursts: ReadonlyArray<ReadonlyArray<ReturnType<typeof message>>>
) => {
  const store = memoryStore();
  const runtime = sagaRuntime(saga, { store });
  for (const burst of bursts) await Promise.all(burst.map((one) => runtime.handle(one)()));
  await runtime.doOwed('b')();
  return records(store);
};

describe('the explanation of a conflict', () => {
  it('names base, what the trunk did, what the branch did, the rule, and the fate of a held message', async () => {
    const saga = basketSaga();
    const events = await run(
      saga,
      [message('Add', { by: 10 })],
      [
        message('Tell', { text: 'one', once: true }, 'first'),
        message('Tell', { text: 'two', once: true }, 'second'),
      ],
    );
    const [explained, ...rest] = explainConflicts(saga, events);
    expect(rest).toEqual([]);
    expect(explained).toMatchObject({
      base: 1,
      cause: { messageId: 'second', type: 'Tell' },
      trunk: [{ version: 2, type: 'Told', inTheWay: true }],
      events: [{ type: 'Told', fate: 'accepted' }],
      messages: [{ type: 'Notice', key: 'notice', fate: 'cancel', by: 'its key notice has left already' }],
      outcome: {
        _tag: 'Merged',
        rule: expect.stringContaining('record(count: counter') as unknown,
        mergerVersion: '1',
      },
      refusals: [],
    });
    const words = describeConflict(explained as NonNullable<typeof explained>);
    for (const part of [
      'Conflict at version 3',
      'handled on version 1',
      'Told {"text":"one"}',
      'its key notice has left already',
      'Merged at version 5',
    ])
      expect(words).toContain(part);
  });

  it('says why a merge was refused, and that the branch waits', async () => {
    const refusing = merger<Basket>(() => E.left(mergeRefused('one pear, two takers', ['$.items'])));
    const saga = basketSaga({ merge: refusing });
    const events = await run(saga, [message('Add', { by: 1 }), message('Add', { by: 2 })]);
    const [explained] = explainConflicts(saga, events);
    expect(explained?.outcome).toMatchObject({
      _tag: 'Parked',
      refusal: { reason: 'one pear, two takers', paths: ['$.items'] },
      willRetry: false,
    });
    expect(explainConflicts(basketSaga({ mergerVersion: '2' }), events)[0]?.outcome).toMatchObject({
      willRetry: true,
    });
    expect(explained?.events).toMatchObject([{ type: 'Added', fate: 'waits' }]);
  });

  it('tells of the compensation and what it sent', async () => {
    const saga = basketSaga({ compensateTold: true });
    const events = await run(saga, [
      message('Tell', { text: 'wrong', once: true }),
      message('Add', { by: 1 }),
    ]);
    expect(explainConflicts(saga, events)[0]?.compensations).toMatchObject([
      {
        hook: 'undo',
        of: { type: 'Notice', data: { text: 'wrong' } },
        fate: 'applied',
        attempts: 1,
        sends: [{ type: 'Undo' }],
      },
    ]);
  });

  it('needs the saga’s code only to say which change was in the way', async () => {
    const events = await run(basketSaga(), [message('Add', { by: 1 }), message('Add', { by: 2 })]);
    const [explained] = explainConflicts(undefined, events);
    expect(explained?.trunk).toMatchObject([{ type: 'Added', inTheWay: undefined }]);
    expect(explained?.outcome).toMatchObject({ _tag: 'Merged' });
  });

  it('draws trunk, branch and merge, and shows no control character of a user’s text', async () => {
    const events = await run(basketSaga(), [
      message('Put', { item: 'a\u001b[31mb\u202e' }),
      message('Add', { by: 2 }),
    ]);
    const drawing = drawSaga(events).join('\n');
    expect(drawing).toContain('o MergeSagaState');
    expect(drawing).toContain('M SagaMerged');
    expect(drawing).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });
});
