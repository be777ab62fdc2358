/** Batch handlers in local partitions: what waits side by side in one partition is handled in one call, in order, and one at fault alone. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { toPromise } from '../../src/core/fault.js';
import { partitionOf } from '../../src/core/partition.js';
import { defaultTenant } from '../../src/core/stream.js';
import { realEnvironment } from '../../src/runtime/environment.js';
import { localPartitions } from '../../src/runtime/queue/local-partitions.js';
import { messageHandlers, onBatch, onMessage } from '../../src/runtime/queue/message-handlers.js';
import type { MessageInfo } from '../../src/runtime/queue/message-delivery.js';
import { realTimers, type Timers } from '../../src/store/timers.js';
import { eventually, gate } from './worker-support.js';

const Note = t.type({ key: t.string, n: t.number });
type Batch = ReadonlyArray<{ readonly data: t.TypeOf<typeof Note>; readonly info: MessageInfo }>;

const start = (
  handle: (batch: Batch) => void | Promise<void>,
  more: Omit<Partial<Parameters<typeof localPartitions>[0]>, 'store' | 'handlers'> = {},
) => {
  const calls: string[][] = [];
  const { opened, open } = gate();
  const noted = async (batch: Batch): Promise<void> => {
    await opened;
    calls.push(batch.map(({ info }) => `${info.id} ${info.attempt}`));
    return handle(batch);
  };
  const local = localPartitions({
    ...{ store: memoryStore(), partitions: 1, retry: { delayMs: 10, jitter: 0, attemptsMax: 2 } },
    ...(more as object),
    handlers: messageHandlers({
      Note: onBatch({ data: Note, key: ({ key }) => key, batchMax: 4, handle: noted }),
      Tell: onMessage({
        data: Note,
        key: ({ key }) => key,
        handle: ({ n }, info) => void calls.push([`tell ${n} ${info.attempt}`]),
      }),
    }),
  });
  const send = async (type: 'Note' | 'Tell', key: string, n: number) => {
    const accepted = await toPromise(local.send({ type, id: `${key}${n}`, data: { key, n } }));
    return accepted.outcome;
  };
  return { local, calls, send, open };
};

const tagOf = (answer: E.Either<{ readonly _tag: string }, { readonly _tag: string }>): string =>
  E.isRight(answer) ? answer.right._tag : answer.left._tag;

describe('batches in local partitions', () => {
  it('take what waits side by side, as many as may be, each of another key and of the same type', async () => {
    const { local, calls, send, open } = start(() => undefined);
    const first = send('Note', 'x', 0);
    await eventually('in hand', () => local.state()[0]?.inHand?.id === 'x0');
    const sent = [
      first,
      ...['a', 'b', 'c', 'd', 'e', 'f'].map((key) => send('Note', key, 1)),
      send('Note', 'e', 2),
      send('Tell', 'g', 3),
      send('Note', 'h', 4),
    ];
    await eventually('all there', () => local.state()[0]?.depth === 10);
    open();
    expect((await Promise.all(sent)).map(tagOf)).toEqual(Array.from({ length: 10 }, () => 'Ran'));
    expect(calls).toEqual([
      ['x0 1'],
      ['a1 1', 'b1 1', 'c1 1', 'd1 1'],
      ['e1 1', 'f1 1'],
      ['e2 1'],
      ['tell 3 1'],
      ['h4 1'],
    ]);
    await local.stop();
  });

  it('fall apart where one is at fault: each by itself, that one alone is tried again, and its key waits for it', async () => {
    const { local, calls, send, open } = start((batch) => {
      if (batch.some(({ data }) => data.key === 'sick' && data.n === 1)) throw new Error('cannot');
    });
    const first = send('Note', 'x', 0);
    await eventually('in hand', () => local.state()[0]?.inHand?.id === 'x0');
    const sent = [first, send('Note', 'a', 1), send('Note', 'sick', 1), send('Note', 'b', 1)];
    const behind = send('Note', 'sick', 2);
    await eventually('all there', () => local.state()[0]?.depth === 5);
    open();
    const tags = (await Promise.all(sent)).map(tagOf);
    expect(tags).toEqual(['Ran', 'Ran', 'MessageGivenUp', 'Ran']);
    expect(tagOf(await behind)).toBe('Ran');
    expect(calls).toEqual([
      ['x0 1'],
      ['a1 1', 'sick1 1', 'b1 1'],
      ['a1 1'],
      ['sick1 1'],
      ['b1 1'],
      ['sick1 2'],
      ['sick2 1'],
    ]);
    await local.stop();
  });

  it('count as what they hold, and are dropped as a whole', async () => {
    const { local, send, open } = start(() => new Promise<void>(() => undefined));
    const first = send('Note', 'x', 0);
    await eventually('in hand', () => local.state()[0]?.inHand?.id === 'x0');
    const sent = [first, ...['a', 'b', 'c'].map((key) => send('Note', key, 1))];
    await eventually('all there', () => local.state()[0]?.depth === 4);
    expect(local.state()[0]).toMatchObject({ depth: 4, inHand: { id: 'x0', attempt: 1 } });
    open();
    await local.stop(20);
    expect((await Promise.all(sent)).map(tagOf)).toEqual(
      Array.from({ length: 4 }, () => 'PartitionsStopped'),
    );
    expect(local.state()[0]).toMatchObject({ depth: 0 });
  });

  it('that hang are tried again one by one', async () => {
    let limitMs = 60_000;
    const timers: Timers = {
      ...realTimers,
      after: (ms, run) => realTimers.after(ms === 777 ? limitMs : ms, run),
    };
    const { local, calls, send, open } = start(
      (batch) => (batch.length > 1 ? new Promise<void>(() => undefined) : undefined),
      { handlerTimeMaxMs: 777, environment: { ...realEnvironment, timers } },
    );
    const first = send('Note', 'x', 0);
    await eventually('in hand', () => local.state()[0]?.inHand?.id === 'x0');
    const sent = [first, ...['a', 'b', 'c'].map((key) => send('Note', key, 1))];
    await eventually('all there', () => local.state()[0]?.depth === 4);
    limitMs = 20;
    open();
    expect((await Promise.all(sent)).map(tagOf)).toEqual(['Ran', 'Ran', 'Ran', 'Ran']);
    expect(calls).toEqual([['x0 1'], ['a1 1', 'b1 1', 'c1 1'], ['a1 2'], ['b1 2'], ['c1 2']]);
    await local.stop();
  });

  it('never hold messages of two partitions, and keep the order of each key', async () => {
    const keys = Array.from({ length: 24 }, (_, index) => `key-${index}`);
    const { local, calls, send, open } = start(() => undefined, { partitions: 4 });
    open();
    const sent = [];
    for (let n = 0; n < 6; n += 1) for (const key of keys) sent.push(send('Note', key, n));
    await Promise.all(sent);
    const idsOf = calls.map((call) => call.map((one) => one.split(' ')[0] as string));
    const keyOf = (id: string): string => keys.find((key) => id.slice(0, -1) === key) as string;
    for (const call of idsOf)
      expect(new Set(call.map((id) => partitionOf(defaultTenant, keyOf(id), 4))).size).toBe(1);
    for (const key of keys)
      expect(idsOf.flat().filter((id) => keyOf(id) === key)).toEqual(
        [0, 1, 2, 3, 4, 5].map((n) => `${key}${n}`),
      );
    expect(Math.max(...idsOf.map(({ length }) => length))).toBeGreaterThan(1);
    await local.stop();
  });
});
