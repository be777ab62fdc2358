import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Group, type NackAction, openGroup } from '../../src/server/persistent/group.js';
import {
  type GroupSettings,
  type StrategyName,
  strategyNames,
} from '../../src/server/persistent/settings.js';

const settings = (strategy: StrategyName): GroupSettings => ({
  resolveLinks: false,
  extraStatistics: false,
  messageTimeoutMs: 50,
  maxRetryCount: 2,
  checkpointAfterMs: 20,
  checkpointCountMin: 2,
  checkpointCountMax: 4,
  subscribersMax: 0,
  liveBufferSize: 30,
  readBatchSize: 5,
  historyBufferSize: 30,
  strategy,
});

type Step =
  | { readonly do: 'offer'; readonly pin: number }
  | { readonly do: 'connect'; readonly size: number }
  | { readonly do: 'disconnect' | 'ack'; readonly which: number }
  | { readonly do: 'nack'; readonly which: number; readonly action: NackAction }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'park' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('offer' as const), pin: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('connect' as const), size: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('disconnect' as const), which: fc.nat(3) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('ack' as const), which: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('nack' as const),
      which: fc.nat(5),
      action: fc.constantFrom<NackAction>('unknown', 'park', 'retry', 'skip', 'stop'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('park' as const) }) },
);

/** Plays a group and its consumers, and looks at each effect as it comes. */
class Play {
  now = 0;
  place = 0;
  connected = 0;
  checkpoint = -1;
  readonly group: Group<string, number>;
  /** Who holds what, as the consumers see it. */
  readonly held = new Map<string, string[]>();
  readonly sizes = new Map<string, number>();
  readonly done = new Set<string>();
  readonly donePlaces = new Set<number>();
  readonly parking: string[] = [];
  readonly deliveries: Array<{
    readonly consumer: string;
    readonly id: string;
    readonly retryCount: number;
  }> = [];

  constructor(strategy: StrategyName) {
    this.group = openGroup<string, number>(settings(strategy), () => this.now);
  }

  /** One of the messages out, with the consumer that has it. */
  private pick(which: number): readonly [consumer: string, id: string] | undefined {
    const all = [...this.held].flatMap(([consumer, ids]) => ids.map((id) => [consumer, id] as const));
    return all[which % Math.max(all.length, 1)];
  }

  private finished(id: string): void {
    this.done.add(id);
    this.donePlaces.add(Number(id.split('-')[1]));
  }

  private let(id: string): void {
    for (const [consumer, ids] of this.held)
      this.held.set(
        consumer,
        ids.filter((other) => other !== id),
      );
  }

  run(what: Step): void {
    switch (what.do) {
      case 'offer':
        // As who feeds it does: only while there is room.
        if (this.group.hasRoom(30)) {
          const id = `${what.pin}-${this.place}`;
          this.group.offer(this.place, { id, pin: String(what.pin), event: id });
          this.place += 1;
        }
        break;
      case 'connect': {
        const name = `c${this.connected++}`;
        this.held.set(name, []);
        this.sizes.set(name, what.size);
        this.group.connect(name, what.size);
        break;
      }
      case 'disconnect': {
        const name = [...this.held.keys()][what.which];
        if (name !== undefined) {
          this.held.delete(name);
          this.group.disconnect(name);
        }
        break;
      }
      case 'ack': {
        const [consumer, id] = this.pick(what.which) ?? [];
        if (consumer !== undefined && id !== undefined) {
          this.let(id);
          this.finished(id);
          this.group.ack(consumer, [id]);
        }
        break;
      }
      case 'nack': {
        const [consumer, id] = this.pick(what.which) ?? [];
        if (consumer !== undefined && id !== undefined) {
          this.let(id);
          if (what.action === 'skip') this.finished(id);
          this.group.nack(consumer, [id], what.action, 'because');
        }
        break;
      }
      case 'wait':
        this.now += what.ms;
        // Consumers keep what is late, unless the group takes it back: it says so by handing it out again.
        break;
      case 'park': {
        const id = this.parking.shift();
        if (id !== undefined) {
          this.finished(id);
          this.group.parked(id);
        }
        break;
      }
    }
    this.look(what.do === 'wait');
  }

  look(byClock: boolean): void {
    for (const effect of this.group.drain(byClock))
      switch (effect._tag) {
        case 'Deliver': {
          const { consumer, event: id, retryCount } = effect;
          // Thrown, not expected: there are a hundred thousand of them.
          if (this.done.has(id)) throw new Error(`${id} is done, and was handed out`);
          if (retryCount > 2) throw new Error(`${id} was retried ${retryCount} times`);
          if (!this.held.has(consumer)) throw new Error(`${consumer} is not connected`);
          this.let(id);
          this.held.get(consumer)?.push(id);
          this.deliveries.push({ consumer, id, retryCount });
          break;
        }
        case 'Park':
          if (this.done.has(effect.id)) throw new Error(`${effect.id} is done, and was parked`);
          this.let(effect.id);
          this.parking.push(effect.id);
          break;
        case 'TakeBack':
          // It was sent: an answer may come all the same.
          break;
        case 'Stop':
          this.held.delete(effect.consumer);
          break;
        case 'Checkpoint':
          if (effect.place <= this.checkpoint) throw new Error(`the checkpoint went back to ${effect.place}`);
          this.checkpoint = effect.place;
          for (let place = 0; place <= effect.place; place += 1)
            if (!this.donePlaces.has(place))
              throw new Error(`${place} is not done, and behind the checkpoint`);
          break;
        case 'Unpark':
          break;
      }
    for (const { id, inFlight } of this.group.figures().consumers)
      if (inFlight > (this.sizes.get(id) ?? 0)) throw new Error(`${id} holds ${inFlight}`);
  }

  /** A last consumer that does everything: all that was offered must come to an end. */
  finish(): void {
    for (const name of [...this.held.keys()]) {
      this.held.delete(name);
      this.group.disconnect(name);
    }
    this.run({ do: 'connect', size: 4 });
    for (let round = 0; round < 1_000; round += 1) {
      while (this.parking.length > 0) this.run({ do: 'park' });
      if (this.pick(0) === undefined) return;
      this.run({ do: 'ack', which: 0 });
    }
  }
}

const steps = fc.array(step, { minLength: 20, maxLength: 120 });

describe.each(strategyNames)('a persistent subscription with %s', (strategy) => {
  it('hands out nothing that is done, loses nothing, and keeps its checkpoint behind all that is not done', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const play = new Play(strategy);
        for (const what of all) play.run(what);
        play.finish();
        expect(play.done.size).toBe(play.place);
        expect(play.group.figures()).toMatchObject({ fresh: 0, waiting: 0, inFlight: 0, outstanding: 0 });
        play.now += 100;
        play.look(true);
        expect(play.group.last() ?? play.checkpoint).toBe(play.place - 1);
      }),
      { numRuns: 40 },
    );
  });

  it('holds no more than its buffer and what its consumers hold', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const play = new Play(strategy);
        for (const what of all) {
          play.run(what);
          const { fresh, outstanding, inFlight, consumers } = play.group.figures();
          const left = [...play.sizes.values()].reduce((sum, size) => sum + size, 0);
          if (fresh + outstanding - inFlight > 30 + left)
            throw new Error(`${fresh} and ${outstanding} are held`);
          if (consumers.length !== play.held.size) throw new Error('a consumer is missing');
        }
      }),
      { numRuns: 15 },
    );
  });
});

describe('a persistent subscription that pins', () => {
  it('hands out the messages of a stream in order, and to one consumer while that one is connected', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const play = new Play('Pinned');
        const owners = new Map<string, string>();
        const reached = new Map<string, number>();
        let seen = 0;
        for (const what of all) {
          play.run(what);
          for (const { consumer, id, retryCount } of play.deliveries.slice(seen)) {
            const [pin = '', place = ''] = id.split('-');
            const owner = owners.get(pin);
            if (owner !== undefined && play.held.has(owner)) expect(consumer).toBe(owner);
            owners.set(pin, consumer);
            if (retryCount > 0) continue;
            expect(Number(place)).toBeGreaterThan(reached.get(pin) ?? -1);
            reached.set(pin, Number(place));
          }
          seen = play.deliveries.length;
        }
      }),
      { numRuns: 40 },
    );
  });
});
