import { describe, expect, it } from '@jest/globals';
import { type Effect, type Group, openGroup } from '../../src/server/persistent/group.js';
import { type GroupSettings, settingsProblem } from '../../src/server/persistent/settings.js';

const settings: GroupSettings = {
  resolveLinks: false,
  extraStatistics: false,
  messageTimeoutMs: 1_000,
  maxRetryCount: 2,
  checkpointAfterMs: 100,
  checkpointCountMin: 2,
  checkpointCountMax: 5,
  subscribersMax: 0,
  liveBufferSize: 500,
  readBatchSize: 20,
  historyBufferSize: 500,
  strategy: 'RoundRobin',
};

interface Bench {
  readonly group: Group<string, number>;
  readonly offer: (...ids: ReadonlyArray<string>) => void;
  readonly step: (ms?: number) => ReadonlyArray<Effect<string, number>>;
  /** Hands out, and answers who got what: `a:order-1`. */
  readonly handed: (ms?: number) => ReadonlyArray<string>;
}

/** Ids are `<pin>-<n>`; places count from 0. */
const bench = (changes: Partial<GroupSettings> = {}): Bench => {
  let now = 0;
  let place = 0;
  const group = openGroup<string, number>({ ...settings, ...changes }, () => now);
  const step = (ms = 0): ReadonlyArray<Effect<string, number>> => {
    now += ms;
    return group.drain(ms > 0);
  };
  return {
    group,
    offer: (...ids) => {
      for (const id of ids) group.offer(place++, { id, pin: id.split('-')[0] ?? '', event: id });
    },
    step,
    handed: (ms) =>
      step(ms).flatMap((effect) =>
        effect._tag === 'Deliver'
          ? [`${effect.consumer}:${effect.event}${'!'.repeat(effect.retryCount)}`]
          : [],
      ),
  };
};

describe('a persistent subscription', () => {
  it('hands a consumer as many messages as its buffer holds, and the next one for each answer', () => {
    const { group, offer, handed } = bench();
    group.connect('a', 2);
    offer('s-1', 's-2', 's-3', 's-4');
    expect(handed()).toEqual(['a:s-1', 'a:s-2']);
    group.ack('a', ['s-2']);
    expect(handed()).toEqual(['a:s-3']);
    group.nack('a', ['s-1'], 'skip', '');
    expect(handed()).toEqual(['a:s-4']);
  });

  it('takes turns with RoundRobin, and passes over those without room', () => {
    const { group, offer, handed } = bench();
    for (const [name, size] of [
      ['a', 1],
      ['b', 2],
      ['c', 2],
    ] as const)
      group.connect(name, size);
    offer('s-1', 's-2', 's-3', 's-4', 's-5', 's-6');
    expect(handed()).toEqual(['a:s-1', 'b:s-2', 'c:s-3', 'b:s-4', 'c:s-5']);
  });

  it('fills one consumer before the next with DispatchToSingle', () => {
    const { group, offer, handed } = bench({ strategy: 'DispatchToSingle' });
    group.connect('a', 2);
    group.connect('b', 2);
    offer('s-1', 's-2', 's-3');
    expect(handed()).toEqual(['a:s-1', 'a:s-2', 'b:s-3']);
    group.ack('a', ['s-1']);
    offer('s-4');
    expect(handed()).toEqual(['b:s-4']);
  });

  it('keeps a stream with one consumer with Pinned, also while that one has no room', () => {
    const { group, offer, handed } = bench({ strategy: 'Pinned' });
    group.connect('a', 1);
    group.connect('b', 5);
    offer('x-1', 'y-1', 'x-2', 'y-2');
    expect(handed()).toEqual(['a:x-1', 'b:y-1', 'b:y-2']);
    group.ack('a', ['x-1']);
    expect(handed()).toEqual(['a:x-2']);
    group.disconnect('a');
    expect(handed()).toEqual(['b:x-2!']);
  });

  it('hands out again what a consumer left behind, before anything new and in order', () => {
    const { group, offer, handed } = bench();
    group.connect('a', 3);
    offer('s-1', 's-2', 's-3', 's-4');
    handed();
    group.ack('a', ['s-2']);
    group.disconnect('a');
    group.connect('b', 9);
    expect(handed()).toEqual(['b:s-1!', 'b:s-3!', 'b:s-4']);
  });

  it('hands out again what was not answered in time', () => {
    const { group, offer, handed } = bench();
    group.connect('a', 2);
    offer('s-1');
    handed();
    expect(group.askAtMs()).toBe(1_000);
    expect(handed(999)).toEqual([]);
    expect(handed(1)).toEqual(['a:s-1!']);
  });

  it('waits for ever where the message timeout is 0', () => {
    const { group, offer, handed } = bench({ messageTimeoutMs: 0 });
    group.connect('a', 2);
    offer('s-1');
    handed();
    expect(group.askAtMs()).toBeUndefined();
    expect(handed(1e9)).toEqual([]);
  });

  it('takes a late answer for a message that waits to be handed out again', () => {
    const { group, offer, handed } = bench();
    group.connect('a', 2);
    offer('s-1');
    handed();
    group.disconnect('a');
    group.ack('a', ['s-1']);
    group.connect('b', 2);
    expect(handed()).toEqual([]);
  });

  it('parks a message when its repeats are used up, and counts it done when it is put aside', () => {
    const { group, offer, handed, step } = bench({ checkpointCountMin: 1, checkpointAfterMs: 0 });
    group.connect('a', 2);
    offer('s-1');
    expect(handed()).toEqual(['a:s-1']);
    group.nack('a', ['s-1'], 'retry', '');
    expect(handed()).toEqual(['a:s-1!']);
    group.nack('a', ['s-1'], 'unknown', '');
    expect(handed()).toEqual(['a:s-1!!']);
    group.nack('a', ['s-1'], 'retry', '');
    expect(step(1)).toEqual([{ _tag: 'Park', id: 's-1', event: 's-1', reason: 'Reached retry count of 2' }]);
    group.ack('a', ['s-1']);
    expect(step(1)).toEqual([]);
    group.parked('s-1');
    expect(step(1)).toEqual([{ _tag: 'Checkpoint', place: 0 }]);
  });

  it('parks at once what a consumer wants parked, with its reason', () => {
    const { group, offer, handed, step } = bench();
    group.connect('a', 2);
    offer('s-1');
    handed();
    group.nack('a', ['s-1'], 'park', 'poison');
    expect(step()).toEqual([
      { _tag: 'Park', id: 's-1', event: 's-1', reason: "Client explicitly NAK'ed message.\npoison" },
    ]);
  });

  it('ends the connection of a consumer that says stop, and gives what it held to others', () => {
    const { group, offer, handed, step } = bench();
    group.connect('a', 2);
    offer('s-1', 's-2');
    handed();
    group.connect('b', 2);
    group.nack('a', ['s-1'], 'stop', '');
    expect(step()).toEqual([
      { _tag: 'Stop', consumer: 'a' },
      { _tag: 'Deliver', consumer: 'b', id: 's-1', event: 's-1', retryCount: 1 },
      { _tag: 'Deliver', consumer: 'b', id: 's-2', event: 's-2', retryCount: 1 },
    ]);
  });

  it('does not hand out again what a consumer refuses that is another’s by now', () => {
    const { group, offer, handed } = bench();
    group.connect('a', 1);
    offer('s-1');
    handed();
    group.connect('b', 1);
    expect(handed(1_000)).toEqual(['b:s-1!']);
    group.nack('a', ['s-1'], 'retry', 'too late');
    expect(handed()).toEqual([]);
  });

  it('holds a message back while another with the same id is out', () => {
    const { group, offer, handed } = bench();
    group.connect('a', 5);
    offer('s-1', 's-1', 't-1');
    expect(handed()).toEqual(['a:s-1', 'a:t-1']);
    group.ack('a', ['s-1']);
    expect(handed()).toEqual(['a:s-1']);
  });

  it('writes a checkpoint before the first message that is not done, when enough are or time has passed', () => {
    const { group, offer, step } = bench();
    const checkpoints = (ms?: number) => step(ms).filter(({ _tag }) => _tag === 'Checkpoint');
    group.connect('a', 20);
    offer('s-1', 's-2', 's-3', 's-4', 's-5', 's-6', 's-7');
    checkpoints();
    group.ack('a', ['s-1', 's-3', 's-4']);
    expect(checkpoints(500)).toEqual([]);
    group.ack('a', ['s-2']);
    expect(checkpoints()).toEqual([]);
    expect(checkpoints(100)).toEqual([{ _tag: 'Checkpoint', place: 3 }]);
    group.ack('a', ['s-5']);
    expect(checkpoints(200)).toEqual([]);
    expect(group.last()).toBe(4);
    group.ack('a', ['s-6', 's-7']);
    offer('s-8', 's-9', 's-10');
    checkpoints();
    group.ack('a', ['s-8', 's-9', 's-10']);
    expect(checkpoints()).toEqual([{ _tag: 'Checkpoint', place: 9 }]);
    expect(group.last()).toBeUndefined();
  });

  it('moves its checkpoint past what a filter left out', () => {
    const { group, step } = bench({ checkpointCountMin: 1 });
    group.pass(77);
    expect(step(100)).toEqual([{ _tag: 'Checkpoint', place: 77 }]);
  });

  it('hands out replayed messages after what waits, and gives up their place only when they are done', () => {
    const { group, offer, handed, step } = bench();
    group.connect('a', 9);
    for (const number of [3, 4, 5])
      group.replay(number, number === 4 ? undefined : { id: `p-${number}`, pin: 'p', event: `p-${number}` });
    offer('s-1');
    expect(handed()).toEqual(['a:p-3', 'a:p-5', 'a:s-1']);
    group.ack('a', ['p-5']);
    expect(step()).toEqual([]);
    group.ack('a', ['p-3']);
    expect(step()).toEqual([{ _tag: 'Unpark', before: 6 }]);
  });

  it('measures its consumers where it is told to', () => {
    const { group, offer, handed } = bench({ extraStatistics: true });
    group.connect('a', 2);
    offer('s-1', 's-2');
    handed();
    handed(40);
    group.ack('a', ['s-1']);
    const { consumers, ...figures } = group.figures();
    expect(figures).toEqual({
      totalItems: 2,
      itemsSince: 2,
      fresh: 0,
      waiting: 0,
      inFlight: 1,
      outstanding: 1,
    });
    expect(consumers[0]).toMatchObject({ id: 'a', totalItems: 2, availableSlots: 1, inFlight: 1 });
    expect(consumers[0]?.measurements).toContainEqual({ key: 'Median', value: 40 });
    expect(group.figures()).toMatchObject({ totalItems: 2, itemsSince: 0 });
  });
});

describe('settings of a persistent subscription', () => {
  it('are refused in words where they cannot work', () => {
    expect(settingsProblem(settings)).toBeUndefined();
    expect(settingsProblem({ ...settings, historyBufferSize: 20 })).toBe(
      'historyBufferSize (20) must be larger than readBatchSize (20)',
    );
    expect(settingsProblem({ ...settings, liveBufferSize: 0 })).toContain('liveBufferSize');
    expect(settingsProblem({ ...settings, maxRetryCount: -1 })).toContain('maxRetryCount');
    expect(settingsProblem({ ...settings, checkpointCountMax: 1 })).toContain('checkpointCountMin (2)');
  });
});
