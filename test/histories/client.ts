/** One client of a history: appends and reads in a mix that a seed decides, and writes down what it asked and was answered. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../src/core/event.js';
import {
  any,
  exactly,
  type ExpectedVersion,
  noStream,
  type Position,
  streamExists,
  type StreamName,
  type Tenant,
} from '../../src/core/stream.js';
import { dice, shuffled } from '../../src/runtime/dice.js';
import type { AppendError, AppendRequest, AppendResult, EventStore } from '../../src/store/event-store.js';
import { anEvent, aTenant, shown } from '../../src/testing/contract/support.js';
import type { Handle } from './clients.js';
import type { Answer, Batch, Call, Reader, Recorded, Seen } from './history.js';

export const seenOf = ({ eventId, streamName, version, position }: RecordedEvent): Seen => ({
  id: eventId,
  stream: streamName,
  version,
  position,
});

const answerOf = (
  outcome: E.Either<AppendError | { readonly _tag: 'NotSupported' }, ReadonlyArray<AppendResult>>,
): Answer => {
  if (E.isRight(outcome))
    return {
      f: 'appended',
      results: outcome.right.map(({ version, position, idempotent }) => ({ version, position, idempotent })),
    };
  const error = outcome.left;
  switch (error._tag) {
    case 'VersionConflict': {
      const { streamName, actual, tail } = error;
      return { f: 'refused', stream: streamName, actual, tail: tail?.map((event) => event.eventId) };
    }
    case 'OutcomeUnknown':
      return { f: 'unknown' };
    case 'StoreUnavailable':
      return { f: 'failed' };
    default:
      throw new Error(`a store under load answered ${shown(error)}`);
  }
};

/** What all clients of one history share. */
export interface Shared {
  readonly tenant: Tenant;
  readonly operations: Recorded[];
  readonly now: () => number;
  /** Streams that everybody writes to, and one that is new every 25 operations. */
  readonly streams: () => ReadonlyArray<string>;
  readonly newestStream: () => string;
}

export const share = (): Shared => {
  const tenant = aTenant();
  const operations: Recorded[] = [];
  let time = 0;
  const newestStream = (): string => `fresh-${Math.floor(operations.length / 25)}`;
  return {
    tenant,
    operations,
    now: () => (time += 1),
    newestStream,
    streams: () => ['hot-1', 'hot-2', 'hot-3', 'hot-4', newestStream()],
  };
};

/** One client: what it knows of the streams, and what it does next. */
export class Client {
  private readonly random: () => number;
  private readonly known = new Map<string, number>();
  private readonly seen: Seen[] = [];
  private readonly ends: number[] = [];
  private repeats: ReadonlyArray<Batch> | undefined;
  private after: Position | undefined;

  constructor(
    private readonly name: string,
    private readonly handle: Handle,
    /** Where a lost append is repeated: no answer is lost there. */
    private readonly sure: EventStore,
    private readonly shared: Shared,
    seed: number,
  ) {
    this.random = dice(seed);
  }

  reader(): Reader {
    return { name: this.name, seen: this.seen, ends: this.ends, toTheEnd: false };
  }

  async act(): Promise<void> {
    const { repeats } = this;
    if (repeats !== undefined) {
      this.repeats = undefined;
      await this.append(repeats, this.sure);
      return;
    }
    const chance = this.random();
    if (chance < 0.5) await this.append([this.aBatch(this.pick(this.shared.streams()))]);
    else if (chance < 0.7) await this.appendMany();
    else if (chance < 0.9) await this.read();
    else await this.readAll();
  }

  private async append(batches: ReadonlyArray<Batch>, on?: EventStore): Promise<void> {
    const store = on ?? this.handle.store;
    if (on === undefined) this.handle.disturb?.(this.random());
    const requests = batches.map(
      ({ stream, expected, ids }): AppendRequest => ({
        tenant: this.shared.tenant,
        streamName: stream as StreamName,
        expected,
        events: ids.map((eventId) => anEvent('Happened', this.name, { eventId })),
        tailMax: this.random() < 0.5 ? 4 : 0,
      }),
    );
    const answer = await this.recorded({ f: 'append', batches }, async () =>
      answerOf(
        requests.length === 1
          ? E.map((result: AppendResult) => [result])(await store.append(requests[0] as AppendRequest)())
          : await store.appendMany(requests)(),
      ),
    );
    if (answer.f === 'refused') this.known.set(answer.stream, answer.actual);
    if (answer.f === 'appended')
      answer.results.forEach(({ version }, index) => this.known.set(batches[index]?.stream ?? '', version));
    if (answer.f === 'unknown' && this.random() < 0.5) this.repeats = batches;
  }

  private appendMany(): Promise<void> {
    const streams = shuffled(this.shared.streams(), this.random).slice(0, this.random() < 0.5 ? 2 : 3);
    return this.append(streams.map((stream) => this.aBatch(stream)));
  }

  private async read(): Promise<void> {
    const stream = this.pick(this.shared.streams());
    const forwards = this.random() < 0.6;
    const from = this.random() < 0.7 ? undefined : 1 + Math.floor(this.random() * 20);
    const maxCount = this.random() < 0.5 ? 4_096 : 1 + Math.floor(this.random() * 8);
    const call: Call = { f: 'read', stream, direction: forwards ? 'forwards' : 'backwards', from, maxCount };
    const answer = await this.recorded(call, () => readStream(this.handle.store, this.shared.tenant, call));
    if (answer.f === 'page') this.known.set(stream, answer.version);
  }

  /** Goes on where it stopped last time. */
  private async readAll(): Promise<void> {
    const maxCount = 1 + Math.floor(this.random() * 100);
    await this.recorded({ f: 'readAll', maxCount }, async () => {
      const after = this.after === undefined ? {} : { after: this.after };
      const filter = { tenant: this.shared.tenant };
      const page = await this.handle.store.readAll({ maxCount, filter, ...after })();
      if (E.isLeft(page))
        return page.left._tag === 'StoreUnavailable' ? { f: 'failed' } : unexpected(page.left);
      this.after = page.right.last;
      const events = page.right.events.map(seenOf);
      this.seen.push(...events);
      if (page.right.isEnd) this.ends.push(this.seen.length);
      return { f: 'page', events, version: 0 };
    });
  }

  private aBatch(stream: string): Batch {
    const count = this.random() < 0.7 ? 1 : 2 + Math.floor(this.random() * 3);
    const ids = Array.from({ length: count }, () => anEvent().eventId);
    return { stream, expected: this.anExpectation(stream), ids };
  }

  private anExpectation(stream: string): ExpectedVersion {
    const chance = this.random();
    const known = this.known.get(stream) ?? 0;
    if (chance < 0.45) return exactly(known);
    if (chance < 0.84) return any;
    return chance < 0.92 || known === 0 ? noStream : streamExists;
  }

  private pick<A>(some: ReadonlyArray<A>): A {
    return some[Math.floor(this.random() * some.length)] as A;
  }

  private recorded(call: Call, act: () => Promise<Answer>): Promise<Answer> {
    return recorded(this.shared, this.name, call, act);
  }
}

const unexpected = (error: unknown): never => {
  throw new Error(`a store under load answered ${shown(error)}`);
};

export const recorded = async (
  { operations, now }: Shared,
  process: string,
  call: Call,
  act: () => Promise<Answer>,
): Promise<Answer> => {
  const calledAt = now();
  const answer = await act();
  operations.push({ process, call, answer, calledAt, returnedAt: now() });
  return answer;
};

export const readStream = async (store: EventStore, tenant: Tenant, call: Call): Promise<Answer> => {
  if (call.f !== 'read') throw new Error('not a read');
  const { stream, direction, from, maxCount } = call;
  const start = from === undefined ? {} : { from };
  const page = await store.readStream({
    tenant,
    streamName: stream as StreamName,
    direction,
    maxCount,
    ...start,
  })();
  if (E.isLeft(page)) return page.left._tag === 'StoreUnavailable' ? { f: 'failed' } : unexpected(page.left);
  return { f: 'page', events: page.right.events.map(seenOf), version: page.right.version };
};
