/** Decisions that are ready at the same time as one append: what stands on the trunk, what is a branch, and that nothing else comes of it. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import * as t from 'io-ts';
import {
  counter,
  defaultTenant,
  type EventData,
  foldSaga,
  max,
  record,
  recordTypes,
  saga,
  type SagaLog,
  type StreamVersion,
  type ThreeWay,
  threeWay,
} from 'watersmeet';
import { fastForwards, passedOf } from '../../src/core/saga/fast-forward.js';
import { type Decided, joinDecisions } from '../../src/core/saga/joint.js';
import {
  branchRecord,
  decide,
  type Decision,
  instanceOf,
  type SagaMessage,
  trunkEvents,
} from '../../src/core/saga/reacting.js';
import { resolvePending } from '../../src/core/saga/resolving.js';
import type { Saga } from '../../src/core/saga/saga.js';
import { headerOf } from '../../src/core/saga/saga-records.js';
import { sagaLog } from '../../src/core/saga/saga-log.js';
import type { LogEvent } from '../../src/core/saga/saga-view.js';

interface State {
  readonly sum: number;
  readonly notes: number;
  readonly best: number;
}

const till = saga({
  name: 'till',
  messages: {
    Add: t.type({ by: t.number }),
    Note: t.type({}),
    Bid: t.type({ bid: t.number }),
    Tell: t.type({ key: t.string }),
    Wind: t.type({}),
    Finish: t.type({}),
    Ring: t.type({}),
  },
  events: {
    Added: t.type({ by: t.number }),
    Noted: t.type({}),
    BidMade: t.type({ bid: t.number }),
  },
  sends: { Notice: t.type({}), Closed: t.type({ sum: t.number }) },
  state: t.type({ sum: t.number, notes: t.number, best: t.number }),
  initialState: { sum: 0, notes: 0, best: 0 },
  evolve: {
    Added: (state, { by }) => ({ ...state, sum: state.sum + by }),
    Noted: (state) => ({ ...state, notes: state.notes + 1 }),
    BidMade: (state, { bid }) => ({ ...state, best: Math.max(state.best, bid) }),
  },
  react: {
    Add: (_state, data) => ({ events: [{ type: 'Added', data }] }),
    Note: () => ({ events: [{ type: 'Noted', data: {} }] }),
    Bid: (_state, data) => ({ events: [{ type: 'BidMade', data }] }),
    Tell: (_state, { key }) => ({ send: [{ type: 'Notice', data: {}, ...(key !== '' && { key }) }] }),
    Wind: () => ({ timeouts: [{ type: 'Ring', data: {}, afterMs: 1_000, key: 'clock' }] }),
    Finish: ({ sum }) => ({ send: [{ type: 'Closed', data: { sum }, key: 'closed' }], complete: true }),
    Ring: () => ({}),
  },
  // Bids stand only where nothing came between.
  commuting: { Noted: ['Noted', 'Added'], Added: ['Added'] },
  onConflict: 'merge',
  merge: threeWay(record<State>({ sum: counter, notes: counter, best: max }) as ThreeWay<State>),
});

type Log = SagaLog<State>;
const plain = till as unknown as Saga;
const typed = till as unknown as Saga<State>;
const at = instanceOf(plain, defaultTenant, 'one');

const written = (events: ReadonlyArray<EventData>, before: number): ReadonlyArray<LogEvent> =>
  events.map((event, index) => ({
    ...event,
    streamName: at.streamName,
    version: (before + index + 1) as StreamVersion,
  }));

const take = (log: Log, events: ReadonlyArray<EventData>): void => {
  const taken = log.advance(written(events, log.version()));
  if (E.isLeft(taken)) throw new Error(taken.left.message);
};

const decided = (log: Log, type: string, data: object = {}, id = type): Decided<State> => {
  const view = log.view();
  const decision = decide(typed, at, view, { id, sagaId: at.sagaId, type, data } as SagaMessage);
  if (E.isLeft(decision)) throw new Error(decision.left.message);
  return { view, decision: decision.right };
};

/** A log on which these messages stand, one after another. */
const logOf = (...messages: ReadonlyArray<readonly [type: string, data?: object]>): Log => {
  const log = sagaLog(typed);
  for (const [index, [type, data]] of messages.entries())
    take(log, trunkEvents(at, decided(log, type, data, `before ${index}`).decision, log.isSent));
  return log;
};

const typesOf = (events: ReadonlyArray<EventData>) => events.map(({ type }) => type);
const tagsOf = ({ places }: ReturnType<typeof joinDecisions>) => places.map(({ _tag }) => _tag);

const mergeAll = (log: Log): void => {
  const merged = resolvePending(typed, at, log);
  if (log.view().pending.length > 0 && merged._tag !== 'BaseForgotten') take(log, merged.events);
};

describe('decisions that are ready at the same time', () => {
  it('are one append: the first on the trunk, and what is in its way a branch after all that is on the trunk', () => {
    const log = logOf(['Add', { by: 1 }]);
    const bids = [1, 2, 3].map((bid) => decided(log, 'Bid', { bid }, `bid ${bid}`));
    const joint = joinDecisions(typed, at, log, [...bids, decided(log, 'Tell', { key: '' })]);
    expect(typesOf(joint.events)).toEqual([
      'BidMade',
      recordTypes.mergeSagaState,
      recordTypes.mergeSagaState,
      recordTypes.mergeSagaState,
    ]);
    expect(joint.places).toEqual([
      { _tag: 'Trunk', first: 1, last: 1, moved: false },
      ...joint.events.slice(1).map(({ eventId }) => ({ _tag: 'Branch', branchId: eventId })),
    ]);
    expect(joint.events.slice(1).map(({ data }) => data)).toMatchObject([
      { base: 1, cause: { messageId: 'bid 2' } },
      { base: 1, cause: { messageId: 'bid 3' } },
      { base: 1, cause: { messageId: 'Tell' } },
    ]);
  });

  it('all stand on the trunk where they commute, in their order, and each knows its own last record', () => {
    const log = logOf();
    const notes = ['a', 'b', 'c'].map((id) => decided(log, 'Note', {}, id));
    const joint = joinDecisions(typed, at, log, [decided(log, 'Add', { by: 1 }), ...notes]);
    expect(joint.events.map(({ metadata }) => metadata.causationId)).toEqual(['Add', 'a', 'b', 'c']);
    expect(joint.places).toEqual([
      { _tag: 'Trunk', first: 1, last: 1, moved: false },
      { _tag: 'Trunk', first: 2, last: 2, moved: true },
      { _tag: 'Trunk', first: 3, last: 3, moved: true },
      { _tag: 'Trunk', first: 4, last: 4, moved: true },
    ]);
  });

  it('move past what is on the stream since they were made, as far as it does not matter to them', () => {
    const log = logOf(['Add', { by: 1 }]);
    const [note, bid] = [decided(log, 'Note'), decided(log, 'Bid', { bid: 1 })];
    take(log, trunkEvents(at, decided(log, 'Add', { by: 2 }, 'other').decision, log.isSent));
    const joint = joinDecisions(typed, at, log, [bid, note]);
    expect(joint.places).toMatchObject([{ _tag: 'Branch' }, { _tag: 'Trunk', last: 1, moved: true }]);
    expect(typesOf(joint.events)).toEqual(['Noted', recordTypes.mergeSagaState]);
  });

  it('one that was made too long ago to know what came since is a branch', () => {
    const log = logOf();
    const old = decided(log, 'Note', {}, 'old');
    for (let n = 0; n < 600; n += 1)
      take(log, trunkEvents(at, decided(log, 'Note', {}, `n${n}`).decision, log.isSent));
    expect(log.passedSince(old.view.version)).toBeUndefined();
    const late = decided(log, 'Note', {}, 'recent');
    take(log, trunkEvents(at, decided(log, 'Add', { by: 1 }).decision, log.isSent));
    expect(log.passedSince(late.view.version)).toHaveLength(1);
    expect(tagsOf(joinDecisions(typed, at, log, [old, late]))).toEqual(['Branch', 'Trunk']);
  });

  it('send a message of a key once: the later ones are kept as cancelled', () => {
    const log = logOf(['Tell', { key: 'sent before' }]);
    const tells = ['k', 'k', 'sent before', ''].map((key, index) =>
      decided(log, 'Tell', { key }, `tell ${index}`),
    );
    const joint = joinDecisions(typed, at, log, tells);
    // They send alone, and so do not see each other's records.
    expect(tagsOf(joint)).toEqual(['Trunk', 'Trunk', 'Trunk', 'Trunk']);
    const sends = joint.events.flatMap(({ metadata }) => headerOf(metadata)?.sends ?? []);
    expect(sends.map(({ cancelled }) => cancelled !== undefined)).toEqual([false, true, true, false]);
  });

  it('that ask for timeouts do not pass each other: what they say is brought together by the merge', () => {
    const log = logOf();
    const winds = ['one', 'two'].map((id) => decided(log, 'Wind', {}, id));
    expect(tagsOf(joinDecisions(typed, at, log, winds))).toEqual(['Trunk', 'Branch']);
  });

  it('a repeat is not written: of the log, or of another of them, whether that stands or branches', () => {
    const log = logOf(['Add', { by: 1 }]);
    const view = log.view();
    const again = (one: Decided<State>): Decided<State> => ({ ...one, view });
    const [bid, other] = [decided(log, 'Bid', { bid: 1 }), decided(log, 'Bid', { bid: 2 }, 'other')];
    const known = decided(log, 'Add', { by: 1 }, 'before 0');
    const joint = joinDecisions(typed, at, log, [known, bid, again(bid), other, again(other)]);
    expect(tagsOf(joint)).toEqual(['Repeated', 'Trunk', 'Repeated', 'Branch', 'Repeated']);
    expect(joint.events).toHaveLength(2);
    expect(joinDecisions(typed, at, log, [known, known]).events).toEqual([]);
  });

  it('one that waits in a branch already is a repeat too', () => {
    const log = logOf(['Add', { by: 1 }]);
    const bid = decided(log, 'Bid', { bid: 1 });
    const record = branchRecord(typed, at, bid.view, bid.decision);
    if (E.isLeft(record)) throw new Error(record.left.message);
    take(log, [record.right]);
    expect(joinDecisions(typed, at, log, [bid])).toMatchObject({
      events: [],
      places: [{ _tag: 'Repeated' }],
    });
  });

  it('one whose base cannot be stored fails alone', () => {
    const log = logOf();
    const [first, second] = [decided(log, 'Bid', { bid: 1 }, 'first'), decided(log, 'Bid', { bid: 2 })];
    const broken = { ...second, view: { ...second.view, state: { ...second.view.state, sum: Number.NaN } } };
    const joint = joinDecisions(typed, at, log, [first, broken, decided(log, 'Tell', { key: '' })]);
    expect(tagsOf(joint)).toEqual(['Trunk', 'Failed', 'Branch']);
    expect(joint.events).toHaveLength(2);
  });
});

describe('a completion', () => {
  it('that is alone stands on the trunk', () => {
    const log = logOf(['Add', { by: 1 }]);
    const joint = joinDecisions(typed, at, log, [decided(log, 'Finish')]);
    expect(tagsOf(joint)).toEqual(['Trunk']);
    expect(typesOf(joint.events)).toEqual([recordTypes.sagaMessageHandled, recordTypes.sagaCompleted]);
  });

  it('that is ready beside others is a branch, wherever it stands among them: the merge completes on what all have done', () => {
    for (const order of [
      ['Finish', 'Bid'],
      ['Bid', 'Finish'],
    ]) {
      const log = logOf(['Add', { by: 1 }]);
      const all = order.map((type) => decided(log, type, { bid: 5 }));
      const joint = joinDecisions(typed, at, log, all);
      expect(tagsOf(joint)).toEqual(order.map((type) => (type === 'Finish' ? 'Branch' : 'Trunk')));
      expect(typesOf(joint.events)).toEqual(['BidMade', recordTypes.mergeSagaState]);
      take(log, joint.events);
      mergeAll(log);
      expect(log.view()).toMatchObject({ completed: true, pending: [], state: { best: 5 } });
    }
  });

  it('that finds a branch on the stream is one itself, although it is alone', () => {
    const log = logOf(['Add', { by: 1 }]);
    const [finish, bid] = [decided(log, 'Finish'), decided(log, 'Bid', { bid: 1 })];
    const record = branchRecord(typed, at, bid.view, bid.decision);
    if (E.isLeft(record)) throw new Error(record.left.message);
    take(log, [record.right]);
    expect(tagsOf(joinDecisions(typed, at, log, [finish]))).toEqual(['Branch']);
  });

  it('what is joined after it is a branch that comes late', () => {
    const log = logOf(['Add', { by: 1 }]);
    const [note, tell] = [decided(log, 'Note'), decided(log, 'Tell', { key: '' })];
    take(log, trunkEvents(at, decided(log, 'Finish').decision, log.isSent));
    expect(tagsOf(joinDecisions(typed, at, log, [note, tell]))).toEqual(['Branch', 'Branch']);
  });
});

describe('what a log remembers', () => {
  const keepStates = 4;
  const small = (): Log => sagaLog(typed, keepStates);
  let serial = 0;
  const grow = (log: Log, count: number): void => {
    for (let index = 0; index < count; index += 1)
      take(
        log,
        trunkEvents(at, decided(log, 'Add', { by: 1 }, `grow ${(serial += 1)}`).decision, log.isSent),
      );
  };

  it('of a version that is held stays whole, however many records come', () => {
    const log = small();
    grow(log, 3);
    log.hold(3);
    grow(log, 100);
    expect(log.stateAt(3)).toMatchObject({ state: { sum: 3 } });
    expect(log.trunkSince(3)).toHaveLength(100);
    expect(log.stateAt(2)).toBeUndefined();
  });

  it('is forgotten with the next record once the last who held it lets go', () => {
    const log = small();
    grow(log, 3);
    const releases = [log.hold(3), log.hold(3)];
    grow(log, 20);
    releases[0]?.();
    grow(log, 20);
    expect(log.stateAt(3)).toMatchObject({ state: { sum: 3 } });
    expect(log.trunkSince(3)).toHaveLength(40);
    releases[1]?.();
    grow(log, 1);
    for (let version = 1; version <= 44 - keepStates; version += 1)
      expect(log.stateAt(version)).toBeUndefined();
    for (let version = 44 - keepStates + 1; version <= 44; version += 1)
      expect(log.stateAt(version)).toMatchObject({ state: { sum: version } });
    // The trunk is shortened now and then, not with each record.
    grow(log, 100);
    expect(log.trunkSince(0).length).toBeLessThan(100);
    expect(log.trunkSince(log.version() - keepStates)).toHaveLength(keepStates);
  });

  it('reaches back to the oldest version that is held, and to the base of a branch that waits', () => {
    const log = small();
    grow(log, 2);
    const bid = decided(log, 'Bid', { bid: 1 });
    const releases = [log.hold(2), (grow(log, 3), log.hold(5))];
    grow(log, 10);
    releases[0]?.();
    grow(log, 1);
    expect([log.stateAt(2), log.stateAt(5)]).toMatchObject([undefined, { state: { sum: 5 } }]);
    releases[1]?.();
    const waiting = small();
    grow(waiting, 2);
    const record = branchRecord(typed, at, bid.view, bid.decision);
    if (E.isLeft(record)) throw new Error(record.left.message);
    take(waiting, [record.right]);
    grow(waiting, 30);
    expect(waiting.stateAt(2)).toMatchObject({ state: { sum: 2 } });
    expect(waiting.trunkSince(2)).toHaveLength(30);
    mergeAll(waiting);
    grow(waiting, 1);
    expect(waiting.stateAt(2)).toBeUndefined();
  });

  it('does not grow without end where nobody holds anything', () => {
    const log = small();
    grow(log, 200);
    const known = Array.from({ length: 201 }, (_, version) => version).filter((version) =>
      log.stateAt(version),
    );
    // What a saga begins with is of no version: it is always known.
    expect(known).toEqual([0, 197, 198, 199, 200]);
    expect(log.trunkSince(0).length).toBeLessThanOrEqual(2 * keepStates);
  });
});

interface Choice {
  readonly type: string;
  readonly data: object;
  /** So many versions before the tip it was made. */
  readonly behind: number;
}

const choice: fc.Arbitrary<Choice> = fc
  .tuple(
    fc.oneof(
      fc.record({ type: fc.constant('Add'), data: fc.record({ by: fc.integer({ min: -3, max: 3 }) }) }),
      fc.record({ type: fc.constant('Bid'), data: fc.record({ bid: fc.integer({ min: 1, max: 9 }) }) }),
      fc.record({ type: fc.constantFrom('Note', 'Wind'), data: fc.constant({}) }),
      fc.record({ type: fc.constant('Tell'), data: fc.record({ key: fc.constantFrom('', 'k', 'l') }) }),
    ),
    fc.nat({ max: 4 }),
  )
  .map(([message, behind]) => ({ ...message, behind }));

const finish: fc.Arbitrary<Choice> = fc
  .nat({ max: 4 })
  .map((behind) => ({ type: 'Finish', data: {}, behind }));

/** A stream, and decisions that were made on this or that version of it. Some messages come twice. */
const scene = (trunk: ReadonlyArray<Choice>, choices: ReadonlyArray<Choice>, twice: number) => {
  const views = [sagaLog(typed).view()];
  const records: LogEvent[] = [];
  const log = sagaLog(typed);
  for (const [index, { type, data }] of trunk.entries()) {
    const events = trunkEvents(at, decided(log, type, data, `t${index}`).decision, log.isSent);
    records.push(...written(events, log.version()));
    take(log, events);
    views.push(log.view());
  }
  const all = choices.map(({ type, data, behind }, index): Decided<State> => {
    const view = views[Math.max(0, views.length - 1 - behind)] as ReturnType<Log['view']>;
    const id = `c${index >= choices.length - twice ? index - 1 : index}`;
    const message = { id, sagaId: at.sagaId, type, data } as SagaMessage;
    const decision = E.getOrElse((): Decision => {
      throw new Error('refused');
    })(decide(typed, at, view, message));
    return { view, decision };
  });
  return { log, records, all };
};

const refold = (records: ReadonlyArray<LogEvent>): Log => {
  const log = foldSaga(typed, records);
  if (E.isLeft(log)) throw new Error(log.left.message);
  return log.right;
};

/** What processes of their own make of the decisions: each is refused by those before it, moves past them or branches. */
const playedApart = (records: ReadonlyArray<LogEvent>, all: ReadonlyArray<Decided<State>>): Log => {
  const log = refold(records);
  const stream = [...records];
  const append = (events: ReadonlyArray<EventData>): void => {
    stream.push(...written(events, log.version()));
    take(log, events);
  };
  for (const { view, decision } of all) {
    if (log.isHandled(decision.messageId)) continue;
    const passed = stream.slice(view.version).map(passedOf);
    const record = branchRecord(typed, at, view, decision);
    if (fastForwards(plain, decision, passed)) append(trunkEvents(at, decision, log.isSent));
    else if (E.isRight(record)) append([record.right]);
  }
  return log;
};

const outcome = (log: Log) => ({
  state: log.view().state,
  completed: log.view().completed,
  pending: log.view().pending.length,
  sent: log
    .owed()
    .messages.map(({ id }) => id)
    .sort(),
  timeouts: log.owed().timeouts.map(({ id }) => id),
});

const scenes = fc.tuple(
  fc.array(choice, { maxLength: 5 }),
  fc.array(choice, { minLength: 1, maxLength: 7 }),
  fc.constantFrom(0, 0, 1),
);

describe('one append of many decisions', () => {
  it('folds as its records do one after another, and each decision is there once', () => {
    fc.assert(
      fc.property(scenes, ([trunk, choices, twice]) => {
        const { log, records, all } = scene(trunk, choices, choices.length > 1 ? twice : 0);
        const joint = joinDecisions(typed, at, log, all);
        const added = written(joint.events, log.version());
        take(log, joint.events);
        const slow = refold(records);
        for (const event of added) expect(E.isRight(slow.advance([event]))).toBe(true);
        expect({ ...outcome(slow), view: slow.view() }).toEqual({ ...outcome(log), view: log.view() });
        for (const { decision } of all) expect(log.isHandled(decision.messageId)).toBe(true);
        const ids = joint.events.map(({ eventId }) => eventId);
        expect(new Set(ids).size).toBe(ids.length);
        expect(joint.places.filter(({ _tag }) => _tag === 'Repeated')).toHaveLength(
          all.length - new Set(all.map(({ decision }) => decision.messageId)).size,
        );
      }),
      { numRuns: 300 },
    );
  });

  it('comes to what processes of their own come to one after another, each refused by those before it', () => {
    fc.assert(
      fc.property(scenes, ([trunk, choices, twice]) => {
        const { log, records, all } = scene(trunk, choices, choices.length > 1 ? twice : 0);
        const apart = playedApart(records, all);
        take(log, joinDecisions(typed, at, log, all).events);
        const waiting = (of: Log) => of.view().pending.map(({ branchId, base }) => [base, branchId]);
        expect(waiting(log)).toEqual(waiting(apart));
        for (const one of [log, apart]) mergeAll(one);
        expect(outcome(log)).toEqual(outcome(apart));
      }),
      { numRuns: 300 },
    );
  });

  it('never completes by itself where several are ready, and completes once in the merge, on everything', () => {
    fc.assert(
      fc.property(
        fc.array(choice, { maxLength: 3 }),
        fc.array(choice, { minLength: 1, maxLength: 4 }),
        fc.array(finish, { minLength: 1, maxLength: 2 }),
        (trunk, choices, finishes) => {
          for (const order of [
            [...choices, ...finishes],
            [...finishes, ...choices],
          ]) {
            const { log, all } = scene(trunk, order, 0);
            const { events } = joinDecisions(typed, at, log, all);
            expect(typesOf(events)).not.toContain(recordTypes.sagaCompleted);
            take(log, events);
            mergeAll(log);
            const added = [...trunk, ...choices].reduce(
              (sum, { data }) => sum + ((data as { by?: number }).by ?? 0),
              0,
            );
            expect(log.view()).toMatchObject({ completed: true, pending: [], state: { sum: added } });
            const closed = log.owed().messages.filter(({ type }) => type === 'Closed');
            expect(closed).toHaveLength(1);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
