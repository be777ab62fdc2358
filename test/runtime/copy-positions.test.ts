/** Places of copied events on both sides: a subscriber that moves with its store misses nothing, and meets nothing twice. */
import { describe, expect, it } from '@jest/globals';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { any, endPosition, type Position, startPosition, type StreamName } from '../../src/core/stream.js';
import { copyStore } from '../../src/runtime/copy/copy-store.js';
import {
  moveCheckpoint,
  type PositionPair,
  positionPairs,
  translatePosition,
} from '../../src/runtime/copy/positions.js';
import type { EventStore } from '../../src/store/event-store.js';
import { append, aStream, events, idsOf, refused, right } from '../../src/testing/contract/support.js';
import { fillHistory } from '../support/copy-histories.js';
import { allSubjects } from '../support/subjects.js';

const all = { maxCount: 4_096, filter: { includeArchived: true } };
const idsAfter = async (store: EventStore, after: Position): Promise<ReadonlyArray<string>> =>
  idsOf((await right(store.readAll({ ...all, after }))).events);

const gathered = async (pairs: AsyncIterable<PositionPair>): Promise<ReadonlyArray<PositionPair>> => {
  const list: PositionPair[] = [];
  for await (const pair of pairs) list.push(pair);
  return list;
};

async function* given(list: ReadonlyArray<PositionPair>): AsyncGenerator<PositionPair, void, undefined> {
  yield* list;
}

const filled = async (): Promise<EventStore> => {
  const from = memoryStore();
  await fillHistory(from, 4);
  return from;
};

describe('the places of copied events', () => {
  for (const { name, open, skip } of allSubjects)
    (skip === undefined ? it : it.skip)(
      `are told of every event, in the source's order [${name}]`,
      async () => {
        const from = await filled();
        const { store: to, dispose } = await open();
        try {
          // Something of the target's own before, so that the places are others.
          await append(to, aStream('own'), events(3));
          await right(copyStore(from, to));
          const pairs = await gathered(positionPairs(from, to));
          const [source, target] = [(await right(from.readAll(all))).events, await right(to.readAll(all))];
          expect(pairs.map(([place]) => place)).toEqual(source.map(({ position }) => position));
          const idAt = new Map(target.events.map(({ position, eventId }) => [position, eventId]));
          expect(pairs.map(([, place]) => idAt.get(place))).toEqual(idsOf(source));
          const after = pairs[9]?.[0] as Position;
          expect(await gathered(positionPairs(from, to, { after }))).toEqual(pairs.slice(10));
        } finally {
          await dispose();
        }
      },
      60_000,
    );

  it('leave out what was not copied', async () => {
    const [from, to] = [await filled(), memoryStore()];
    await right(copyStore(from, to, { category: 'order' }));
    const later = await append(from, 'order-1' as StreamName, events(2));
    const pairs = await gathered(positionPairs(from, to));
    expect(pairs.length).toBe((await right(to.readAll(all))).events.length);
    expect(pairs.map(([place]) => place)).not.toContain(later.position);
  });

  it('say for every place in the source after which place in the target exactly the same is new', async () => {
    const [from, to] = [await filled(), memoryStore()];
    await append(to, aStream('own'), events(2));
    await right(copyStore(from, to));
    const pairs = await gathered(positionPairs(from, to));
    for (const seen of [...pairs.map(([place]) => place), endPosition]) {
      const place = await translatePosition(() => given(pairs), seen);
      expect(await idsAfter(to, place)).toEqual(await idsAfter(from, seen));
    }
    expect(await translatePosition(() => given(pairs), startPosition)).toBe(startPosition);
  });

  it('where the target has another order, say the last place before which nothing is new', async () => {
    const [from, to] = [await filled(), memoryStore()];
    await right(copyStore(from, to, { category: 'order' }));
    await right(copyStore(from, to, { order: 'pages', maxCount: 8 }));
    const pairs = await gathered(positionPairs(from, to));
    expect(pairs.map(([, place]) => place)).not.toEqual(
      (await right(to.readAll(all))).events.map(({ position }) => position),
    );
    for (const [seen] of pairs) {
      const place = await translatePosition(() => given(pairs), seen);
      const [expected, met] = [await idsAfter(from, seen), await idsAfter(to, place)];
      expect(met).toEqual(expect.arrayContaining([...expected]));
      // The first that it meets is new, else it could have begun later.
      if (met.length > 0) expect(expected).toContain(met[0]);
    }
  });
});

describe('moving a checkpoint', () => {
  it('lets a subscriber go on in the target where it was in the source', async () => {
    const [from, to] = [await filled(), memoryStore()];
    await append(to, aStream('own'), events(2));
    await right(copyStore(from, to));
    const { events: seen } = await right(from.readAll({ ...all, maxCount: 11 }));
    const position = seen.at(-1)?.position as Position;
    const epoch = await right(from.epoch());
    await right(from.checkpoints.save('reports', { position, epoch }));
    const moved = await right(moveCheckpoint(from, to, 'reports'));
    expect(moved).toEqual(await right(to.checkpoints.load('reports')));
    expect(moved?.epoch).toBe(await right(to.epoch()));
    expect(await idsAfter(to, moved?.position as Position)).toEqual(await idsAfter(from, position));
  });

  it('answers nothing for a subscriber without one, and keeps a later one that the target has', async () => {
    const [from, to] = [await filled(), memoryStore()];
    await right(copyStore(from, to));
    expect(await right(moveCheckpoint(from, to, 'nobody'))).toBeUndefined();
    expect(await right(to.checkpoints.load('nobody'))).toBeUndefined();
    const { position } = await append(to, aStream(), events(1), any);
    await right(to.checkpoints.save('reports', { position, epoch: await right(to.epoch()) }));
    await right(
      from.checkpoints.save('reports', { position: '3/3' as Position, epoch: await right(from.epoch()) }),
    );
    await right(moveCheckpoint(from, to, 'reports'));
    expect((await right(to.checkpoints.load('reports')))?.position).toBe(position);
  });

  it('refuses one of a former life of the source', async () => {
    const [from, to] = [await filled(), memoryStore()];
    const stale = { position: '3/3' as Position, epoch: 'a former life' };
    const restored: EventStore = {
      ...from,
      checkpoints: { ...from.checkpoints, load: () => async () => ({ _tag: 'Right', right: stale }) },
    };
    expect(await refused(moveCheckpoint(restored, to, 'reports'), 'EpochChanged')).toMatchObject({
      checkpointEpoch: 'a former life',
    });
  });
});
