/** What a server remembers of that which it acknowledged, and how long somebody waits for it. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { BACKWARDS, END } from '@eventstore/db-client';
import {
  any,
  type AllPage,
  exactly,
  memoryStore,
  newId,
  type Position,
  type StreamName,
  startPosition,
  toPromise,
} from 'watersmeet';
import { noting, openAcknowledged, readPatienceMs } from '../../src/server/acknowledged.js';
import { makeWake } from '../../src/store/wake.js';
import { virtualClock } from '../support/virtual-clock.js';
import { closeAll, counted, open } from './races-support.js';

afterEach(closeAll);

const at = (commit: number): Position => `${commit}/${commit}` as Position;
const held: Pick<AllPage, 'heldBack'> = { heldBack: { heldBackMs: 1, by: 'somebody' } };

/** A feed whose store shows nothing new until it is told to. */
const scene = () => {
  const clock = virtualClock();
  const { timers } = clock.environment;
  const wake = makeWake(timers);
  let life = 'first';
  let shown = 0;
  const feed = {
    epoch: () => life,
    hasShown: (position: Position) => Number(position.split('/')[0]) <= shown,
    waitForMore: wake.wait,
  };
  const acknowledged = openAcknowledged(feed, timers);
  return {
    clock,
    acknowledged,
    lookAgain: (patienceMs?: number) => acknowledged.lookAgain(new AbortController().signal, patienceMs),
    show: (commit: number) => {
      shown = commit;
      wake.notify();
    },
    restore: () => {
      life = 'second';
      wake.notify();
    },
  };
};

describe('what was acknowledged', () => {
  it('is the greatest position of all, however late an older one is answered again', () => {
    const { acknowledged } = scene();
    expect(acknowledged.newest()).toBe(startPosition);
    for (const commit of [3, 10, 9]) acknowledged.note(at(commit));
    expect(acknowledged.newest()).toBe(at(10));
  });

  it('means nothing in another life of the store', () => {
    const { acknowledged, restore } = scene();
    acknowledged.note(at(10));
    restore();
    expect(acknowledged.newest()).toBe(startPosition);
    acknowledged.note(at(2));
    expect(acknowledged.newest()).toBe(at(2));
  });

  it('is what the store has appended, to one stream or several, and nothing that it refused', async () => {
    const store = memoryStore();
    const noted: Position[] = [];
    const { append, appendMany } = noting(store, (position) => noted.push(position));
    const to = (name: string, expected = any) => ({
      streamName: name as StreamName,
      expected,
      events: [{ eventId: newId(), type: 'Counted', schemaVersion: 1, data: {}, metadata: {} }],
    });
    const one = await toPromise(append(to('order-1')));
    const two = await toPromise(appendMany([to('order-1'), to('order-2')]));
    expect(await append(to('order-1', exactly(7)))()).toMatchObject({ left: { _tag: 'VersionConflict' } });
    expect(noted).toEqual([one, ...two].map(({ position }) => position));
    await store.close();
  });
});

describe('who is to be shown what was acknowledged', () => {
  it('does not wait where nothing is held back, or the page shows it', async () => {
    const { acknowledged, lookAgain } = scene();
    acknowledged.note(at(10));
    expect(await lookAgain()(at(3), { heldBack: undefined })).toBe(false);
    expect(await lookAgain()(at(10), held)).toBe(false);
  });

  it('does not wait for what is acknowledged after it began', async () => {
    const { acknowledged, lookAgain } = scene();
    const began = lookAgain();
    acknowledged.note(at(10));
    expect(await began(at(3), held)).toBe(false);
  });

  it('looks again once the store shows all of it, and then no more', async () => {
    const { acknowledged, lookAgain, clock, show } = scene();
    acknowledged.note(at(10));
    const began = lookAgain();
    const again = began(at(3), held);
    let isOver = false;
    void again.then(() => (isOver = true));
    show(9);
    await clock.until(clock.sleep(100));
    expect(isOver).toBe(false);
    show(10);
    expect(await clock.until(again)).toBe(true);
    expect(clock.now()).toBe(100);
    // What was acknowledged may be gone with its stream: the page need not reach so far.
    expect(await began(at(3), held)).toBe(false);
  });

  it('looks again where the store came to another life meanwhile, and waits for nothing there', async () => {
    const { acknowledged, lookAgain, clock, restore } = scene();
    acknowledged.note(at(10));
    const began = lookAgain();
    const again = began(at(3), held);
    await clock.until(clock.sleep(100));
    restore();
    expect(await clock.until(again)).toBe(true);
    expect(await began(at(3), held)).toBe(false);
  });

  it('looks now and then by itself, until its patience ends', async () => {
    const { acknowledged, lookAgain, clock } = scene();
    acknowledged.note(at(10));
    const began = lookAgain(readPatienceMs);
    const looks: unknown[] = [];
    for (let isOver = false; !isOver; isOver = looks.at(-1) === false)
      looks.push(await clock.until(began(at(3), held)));
    expect(looks).toEqual([true, true, false]);
    expect(clock.now()).toBe(readPatienceMs);
  });

  it('waits no longer than its call', async () => {
    const { acknowledged, clock } = scene();
    acknowledged.note(at(10));
    const ending = new AbortController();
    const again = acknowledged.lookAgain(ending.signal)(at(3), held);
    ending.abort();
    expect(await clock.until(again)).toBe(false);
    expect(clock.now()).toBe(0);
  });

  it('costs a store that shows everything at once no read more', async () => {
    let reads = 0;
    const { client } = await open((store) => ({
      readAll: (request) => {
        reads += 1;
        return store.readAll(request);
      },
    }));
    await client.appendToStream('order-1', [counted(1), counted(2)]);
    reads = 0;
    for await (const given of client.readAll()) void given;
    expect(reads).toBe(1);
    const backwards = { direction: BACKWARDS, fromPosition: END } as const;
    for await (const given of client.readAll(backwards)) void given;
    expect(reads).toBe(2);
  });
});
