/** Replay: histories in files and stores, folded again, and today's code compared with what was recorded. */
import { afterAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as t from 'io-ts';
import {
  accept,
  aggregate,
  mergeRefused,
  merger,
  mergeStates,
  memoryStore,
  newId,
  type RecordedEvent,
  sagaRuntime,
  type Snapshot,
  strictJson,
  type StreamName,
  taggedOf,
  toPromise,
} from 'watersmeet';
import * as E from 'fp-ts/lib/Either.js';
import { acceptableCredit } from '../../sagas/acceptable-credit/index.js';
import { loanApplication } from '../../sagas/loan-application/index.js';
import type { FixtureEvent } from '../../src/testing/replay/fixture.js';
import { loadFixture } from '../../src/testing/replay/fixture-read.js';
import { writeFixture } from '../../src/testing/replay/fixture-write.js';
import { readHistory, replay, withStates } from '../../src/testing/replay/replay.js';
import { changesBetween, textDiff } from '../../src/testing/replay/diff.js';
import { viewOf } from '../../src/testing/replay/fold.js';
import { replayInto } from '../../src/testing/replay/into.js';
import { basketSaga, message } from '../support/basket.js';

const folder = mkdtempSync(join(tmpdir(), 'watersmeet-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

const eventAt = (version: number, more: Partial<FixtureEvent> = {}): FixtureEvent =>
  ({
    ...{ tenant: 'default', streamName: 'order-7', version, position: `1/${version}` },
    ...{ recordedAt: '2026-01-02T03:04:05.678Z', eventId: `event-${version}`, type: 'Placed' },
    ...{ schemaVersion: 1, data: { total: version }, metadata: {} },
    ...more,
  }) as FixtureEvent;

const header = '{"format":"watersmeet-fixture","version":1}';
const line = (version: number, more: object = {}): string => JSON.stringify({ ...eventAt(version), ...more });

const refusal = async (promise: Promise<unknown>) =>
  taggedOf(
    await promise.then(
      () => undefined,
      (error: unknown) => error,
    ),
  ) as unknown as Record<string, unknown>;

describe('a fixture', () => {
  const json = fc.jsonValue({ maxDepth: 3 }).filter((value) => E.isRight(strictJson(value)));
  const event = fc.record({
    data: json,
    type: fc.string({ minLength: 1 }).filter((text) => E.isRight(strictJson(text))),
    actor: fc.string({ unit: 'grapheme' }).filter((text) => E.isRight(strictJson(text))),
    after: fc.option(json, { nil: undefined }),
  });
  const history = fc.array(event, { maxLength: 6 }).map((parts) =>
    parts.map(({ data, type, actor, after }, index) =>
      eventAt(index + 1, {
        ...{ data: data as never, type, metadata: { actor } },
        ...(after !== undefined && { after: { state: after as never } }),
      }),
    ),
  );

  it.each(['plain.jsonl', 'packed.jsonl.gz'])('is read as it was written: %s', async (name) => {
    await fc.assert(
      fc.asyncProperty(history, async (events) => {
        await writeFixture(path(name), events);
        expect((await loadFixture(path(name))).events).toEqual(events);
      }),
      { numRuns: 60 },
    );
  });

  const end = (events: number) => JSON.stringify({ end: true, events });
  it.each<readonly [string, string | Uint8Array, number, RegExp]>([
    ['is empty', '', 1, /empty/],
    ['is something else', '#!/bin/sh\n', 1, /no fixture/],
    ['is other JSON', '{"a":1}\n', 1, /no fixture/],
    ['is of a later format', '{"format":"watersmeet-fixture","version":2}\n', 1, /later watersmeet/],
    ['ends in the middle of a line', `${header}\n${line(1)}\n${line(2).slice(0, 40)}`, 3, /cut off/],
    ['ends between two lines', `${header}\n${line(1)}\n`, 2, /cut off.*"events":1/],
    ['lost a line', `${header}\n${line(1)}\n${line(3)}\n${end(2)}\n`, 3, /version 2 of order-7 is expected/],
    ['counts otherwise', `${header}\n${line(1)}\n${end(2)}\n`, 3, /2 events, found 1/],
    ['goes on after its end', `${header}\n${end(0)}\n${line(1)}\n`, 3, /more after the last line/],
    ['has an empty line', `${header}\n\n${end(0)}\n`, 2, /no JSON/],
    [
      'holds a lone surrogate',
      `${header}\n${line(1).replace('"total":1', '"total":"\\ud800"')}\n${end(1)}\n`,
      2,
      /\$\.data\.total holds a lone surrogate/,
    ],
    [
      'holds bytes that are no text',
      Buffer.concat([Buffer.from(`${header}\n`), Buffer.from([0xff, 10])]),
      2,
      /UTF-8/,
    ],
    ['misses a part', `${header}\n${line(1, { type: undefined })}\n${end(1)}\n`, 2, /\$\.type/],
    ['misses its data', `${header}\n${line(1, { data: undefined })}\n${end(1)}\n`, 2, /\$\.data is missing/],
    [
      'has a part that nobody knows',
      `${header}\n${line(1, { aftre: {} })}\n${end(1)}\n`,
      2,
      /unknown key "aftre"/,
    ],
    ['has a version that is none', `${header}\n${line(0)}\n${end(1)}\n`, 2, /version must be/],
    ['has a name that is none', `${header}\n${line(1, { streamName: ' x' })}\n${end(1)}\n`, 2, /white space/],
    ['is gzip under another name', gzipSync(`${header}\n${end(0)}\n`), 1, /does not end in \.gz/],
  ])('that %s is refused, with file and line', async (_title, content, at, reason) => {
    writeFileSync(path('broken.jsonl'), content);
    const refused = await refusal(loadFixture(path('broken.jsonl')));
    expect(refused).toMatchObject({ _tag: 'FixtureBroken', line: at });
    expect(refused['message']).toMatch(reason);
    expect(refused['message']).toContain(`broken.jsonl:${at}: `);
  });

  it('that is damaged gzip is refused', async () => {
    const packed = gzipSync(`${header}\n${line(1)}\n${end(1)}\n`);
    writeFileSync(path('cut.gz'), packed.subarray(0, packed.length - 12));
    expect(await refusal(loadFixture(path('cut.gz')))).toMatchObject({
      _tag: 'FixtureBroken',
      reason: expect.stringContaining('too early'),
    });
    writeFileSync(path('no.gz'), `${header}\n${end(0)}\n`);
    expect(await refusal(loadFixture(path('no.gz')))).toMatchObject({
      reason: expect.stringContaining('is not gzip'),
    });
  });

  it('that has a line of more than 64 MiB is refused before it is parsed', async () => {
    const long = Buffer.alloc(65 * 1024 * 1024, 'x');
    writeFileSync(path('long.gz'), gzipSync(Buffer.concat([Buffer.from(`${header}\n`), long]), { level: 1 }));
    expect(await refusal(loadFixture(path('long.gz')))).toMatchObject({
      _tag: 'FixtureBroken',
      line: 2,
      reason: 'the line is longer than 67108864 bytes',
    });
  });

  it('that is not there is refused, and line ends of another system are not', async () => {
    expect(await refusal(loadFixture(path('none.jsonl')))).toMatchObject({
      _tag: 'FixtureUnreadable',
      code: 'ENOENT',
    });
    writeFileSync(path('crlf.jsonl'), `${header}\r\n${line(1)}\r\n${end(1)}\r\n\r\n`);
    expect((await loadFixture(path('crlf.jsonl'))).events).toEqual([eventAt(1)]);
  });

  it('is written whole or not at all', async () => {
    await writeFixture(path('kept.jsonl'), [eventAt(1)]);
    const before = readFileSync(path('kept.jsonl'), 'utf8');
    async function* broken() {
      yield eventAt(1);
      await Promise.resolve();
      throw new Error('the store is gone');
    }
    await expect(writeFixture(path('kept.jsonl'), broken())).rejects.toThrow('the store is gone');
    const surrogate = [eventAt(1, { data: { text: '\ud800' } })];
    expect(await refusal(writeFixture(path('kept.jsonl'), surrogate))).toMatchObject({
      _tag: 'FixtureNotWritten',
      reason: expect.stringMatching(/version 1 of order-7 holds a lone surrogate at \$\.data\.text/),
    });
    expect(readFileSync(path('kept.jsonl'), 'utf8')).toBe(before);
    expect(await refusal(writeFixture(folder, []))).toMatchObject({ reason: 'is a directory' });
    expect(await refusal(writeFixture('/dev/null', []))).toMatchObject({ reason: 'is no file' });
    expect(await refusal(writeFixture(path('no/where.jsonl'), []))).toMatchObject({
      reason: 'there is no such directory',
    });
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});

describe('differences', () => {
  it('are told by the smallest path that can be named', () => {
    const before = { a: 1, list: [1, { x: 1 }], gone: true, 'a b': 1 };
    expect(changesBetween(before, { a: 2, list: [1, { x: 2 }, 3], fresh: null, 'a b': 2 })).toEqual([
      { path: '$.a', before: 1, after: 2 },
      { path: '$["a b"]', before: 1, after: 2 },
      { path: '$.fresh', after: null },
      { path: '$.gone', before: true },
      { path: '$.list[1].x', before: 1, after: 2 },
      { path: '$.list[2]', after: 3 },
    ]);
    expect(changesBetween({ a: 1, b: 2 }, { b: 2, a: 1 })).toEqual([]);
  });

  it('as text sort the keys, and show nothing that a terminal would obey', () => {
    expect(textDiff({ b: 1, a: 2 }, { a: 2, b: 1 }, ['x', 'y'])).toBe('');
    const diff = textDiff({ a: 'x' }, { a: '\u009b2J\u202e' }, ['x', 'y']);
    expect(diff).toContain('+  "a": "\\u{9b}2J\\u{202e}"');
  });
});

const counter = aggregate({
  category: 'counter',
  commands: { Add: t.type({ by: t.number }) },
  events: { Added: t.type({ by: t.number }) },
  state: t.type({ sum: t.number }),
  initialState: { sum: 0 },
  evolve: { Added: ({ sum }, { by }) => ({ sum: sum + by }) },
  decide: { Add: (_state, data) => accept({ type: 'Added', data }) },
  snapshot: { everyEvents: 2, codecVersion: '1' },
});
const added = (by: number, version: number): RecordedEvent =>
  eventAt(version, { streamName: 'counter-1' as StreamName, type: 'Added', data: { by } });
const sums = [1, 2, 3].map((by, index) => added(by, index + 1));

/** Two messages at once: one is appended, the other becomes a branch and is merged. */
const diverged = async (merge = true) => {
  const store = memoryStore();
  const rules = basketSaga(
    merge
      ? { compensateTold: true }
      : { merge: merger(() => E.left(mergeRefused('not today', ['$.count']))) },
  );
  const runtime = sagaRuntime(rules, { store });
  await toPromise(runtime.handle(message('Tell', { text: 'hello', once: false }, 'm0')));
  await Promise.all([
    toPromise(runtime.handle(message('Put', { item: 'tea' }, 'm1'))),
    toPromise(runtime.handle(message('Add', { by: 5 }, 'm2'))),
  ]);
  return { store, events: await readHistory(store, runtime.streamNameOf('b')) };
};

describe('replay', () => {
  it('keeps the state after every event, and tells what changed between any two', () => {
    const replayed = replay(counter, sums);
    expect(replayed.steps.map(({ state }) => state.sum)).toEqual([0, 1, 3, 6]);
    expect(replayed.at(2)).toMatchObject({
      version: 2,
      eventType: 'Added',
      state: { sum: 3 },
      saga: undefined,
    });
    expect(replayed.changes(3)).toEqual([{ path: '$.state.sum', before: 3, after: 6 }]);
    expect(replayed.changes(3, 1)).toEqual([{ path: '$.state.sum', before: 1, after: 6 }]);
    expect(replayed.diff(3, 0)).toContain('-    "sum": 0\n+    "sum": 6');
    expect(replay(counter, sums, { to: 2 }).last.state).toEqual({ sum: 3 });
    expect(() => replayed.at(4)).toThrow(/no version 4; the last is 3/);
  });

  it('of a saga knows its branches, what left with each event, and what is owed', async () => {
    const { events } = await diverged();
    const replayed = replay(basketSaga({ compensateTold: true }), events);
    const merged = events.find(({ type }) => type === 'SagaMerged')?.version ?? 0;
    const branch = events.find(({ type }) => type === 'MergeSagaState')?.version ?? 0;
    expect(merged).toBeGreaterThan(branch);
    expect(replayed.at(1).saga?.sent.map(({ type }) => type)).toEqual(['Notice']);
    expect(replayed.at(branch).saga?.pending).toMatchObject([{ base: 1 }]);
    expect(replayed.at(branch).saga?.owed().merges).toHaveLength(1);
    expect(replayed.at(merged).saga?.pending).toEqual([]);
    expect(replayed.at(merged).saga?.owed()).toMatchObject({
      merges: [],
      messages: [{ type: 'Notice' }],
      compensations: [{ hook: 'undo', attempt: 1 }],
    });
    expect(replayed.at(merged).state.count).toBe(5);
    expect(Object.keys(replayed.at(merged).state.items)).toEqual(['tea']);
  });

  it('stops where the code cannot go on, and says why', () => {
    const stopped = replay(counter, [...sums, added(4, 4), { ...added(5, 5), data: { by: 'x' } }]);
    expect(stopped).toMatchObject({ version: 4, stopped: { version: 5, eventType: 'Added' } });
    expect(stopped.stopped?.message).toContain('$.by');
    const throwing = {
      ...counter,
      evolve: () => {
        throw new Error('never again');
      },
    };
    expect(replay(throwing, sums).stopped).toMatchObject({
      version: 1,
      message: expect.stringContaining('never again'),
    });
  });

  it('takes a stream of any store, or one stream of a fixture', async () => {
    const store = memoryStore();
    const [a, b] = ['counter-a', 'counter-b'] as unknown as [StreamName, StreamName];
    for (const streamName of [a, b]) {
      const event = { eventId: newId(), type: 'Added', schemaVersion: 1, data: { by: 7 }, metadata: {} };
      await toPromise(store.append({ streamName, expected: { _tag: 'any' }, events: [event] }));
    }
    const history = await readHistory(store, a);
    expect(replay(counter, history).last.state).toEqual({ sum: 7 });
    const fixture = { file: 'two.jsonl', events: [...history, ...(await readHistory(store, b))] };
    expect(() => replay(counter, fixture)).toThrow(/two\.jsonl holds several streams/);
    expect(replay(counter, fixture, { stream: 'counter-b' }).streamName).toBe('counter-b');
    expect(() => replay(counter, fixture, { stream: 'counter-c' })).toThrow(/no stream counter-c/);
    expect(() => replay(basketSaga(), fixture)).toThrow(/no stream of basket.*holds counter/);
    expect(() => replay(counter, sums.slice(1))).toThrow(/begins at version 2/);
    expect(() => replay(counter, [sums[0], sums[2]] as RecordedEvent[])).toThrow(/expected version 2/);
  });

  it('shows a state that JSON cannot say', () => {
    const odd = { ...counter, state: t.unknown, evolve: () => ({ at: new Set([1n]), gone: undefined }) };
    expect(replay(odd as never, sums).view(1)).toEqual({ state: { at: ['1n'] } });
  });
});

const carrying = async (
  rules: Parameters<typeof withStates>[0],
  events: ReadonlyArray<RecordedEvent>,
): Promise<ReadonlyArray<FixtureEvent>> => {
  const told: FixtureEvent[] = [];
  for await (const event of withStates(rules, events, (after) => ({ after }))) told.push(event);
  return told;
};

/** As `counter`, but from the second event on it counts wrong. */
const wrong = {
  ...counter,
  evolve: ({ sum }: { sum: number }, { data }: { data: { by: number } }) => ({
    sum: sum + (data.by > 1 ? data.by + 1 : data.by),
  }),
};

describe('replayInto', () => {
  it('is content with code that gives the recorded states', async () => {
    const result = replayInto(counter, await carrying(counter, sums));
    expect(result).toMatchObject({ same: true, compared: 3, streams: 1, events: 3, differences: [] });
    expect(result.text).toContain('gives the recorded states (3 compared)');
  });

  it('finds the first version whose state is another one, and shows the difference', async () => {
    const result = replayInto(wrong, await carrying(counter, sums));
    expect(result).toMatchObject({
      same: false,
      firstDifference: {
        streamName: 'counter-1',
        version: 2,
        eventType: 'Added',
        evidence: 'state',
        recorded: { state: { sum: 3 } },
        now: { state: { sum: 4 } },
        changes: [{ path: '$.state.sum', before: 3, after: 4 }],
      },
    });
    expect(result.text).toContain('counter-1, version 2 (Added)');
    expect(result.text).toContain('-    "sum": 3\n+    "sum": 4');
  });

  it('knows by a hash that the state is another one', async () => {
    const { hashOf } = await import('watersmeet');
    const events = sums.map((event, index) => ({
      ...event,
      afterHash: hashOf(viewOf(counter, replay(counter, sums).at(index + 1))),
    }));
    expect(replayInto(counter, events)).toMatchObject({ same: true, compared: 3 });
    expect(replayInto(wrong, events).firstDifference).toMatchObject({ version: 2, evidence: 'stateHash' });
  });

  it('says so where nothing was recorded to compare with', () => {
    const result = replayInto(counter, sums);
    expect(result).toMatchObject({ same: false, compared: 0, differences: [] });
    expect(result.text).toContain('no state was recorded');
  });

  it('says where the code of today cannot fold the history any more', async () => {
    const events = await carrying(counter, sums);
    const strict = { ...counter, events: { Added: t.type({ by: t.number, why: t.string }) } };
    expect(replayInto(strict as never, events).firstDifference).toMatchObject({
      version: 1,
      evidence: 'unreadable',
      diff: expect.stringContaining('$.why'),
    });
  });

  it('compares with snapshots of the same codec version', () => {
    const snapshot = (codecVersion: string, sum: number) =>
      [
        { version: 2, codecVersion, state: { state: { sum }, ids: [] } },
      ] as unknown as ReadonlyArray<Snapshot>;
    expect(replayInto(counter, sums, { snapshots: snapshot('1', 3) })).toMatchObject({
      same: true,
      compared: 1,
    });
    expect(replayInto(counter, sums, { snapshots: snapshot('1', 4) }).firstDifference).toMatchObject({
      version: 2,
      evidence: 'snapshot',
    });
    expect(replayInto(counter, sums, { snapshots: snapshot('0', 4) }).compared).toBe(0);
  });

  it('compares two codes with each other', () => {
    expect(replayInto(counter, sums, { against: counter })).toMatchObject({ same: true, compared: 4 });
    const { firstDifference, text } = replayInto(wrong, sums, { against: counter });
    expect(firstDifference).toMatchObject({ version: 2, evidence: 'otherCode' });
    expect(text).toContain('--- the other code\n+++ this code');
  });

  it("finds a changed evolve by what the saga's own records say, without any states in the file", async () => {
    const { events } = await diverged();
    expect(replayInto(basketSaga(), events)).toMatchObject({ same: true, compared: 2 });
    const rules = basketSaga();
    const other = {
      ...rules,
      evolve: (state: never, event: { type: string }) =>
        event.type === 'Told'
          ? { ...rules.evolve(state, event as never), highest: 9 }
          : rules.evolve(state, event as never),
    };
    // The branch began at version 1, and remembers the hash of the state there.
    expect(replayInto(other as never, events).firstDifference).toMatchObject({
      version: 1,
      eventType: 'Told',
      evidence: 'branchBase',
    });
  });

  it('finds a codec that does not write the merged state as it was', async () => {
    const { events } = await diverged();
    const merged = events.find(({ type }) => type === 'SagaMerged')?.version;
    const rules = basketSaga();
    const narrow = new t.Type<object, object, unknown>(
      'narrow',
      (value): value is object => rules.state.is(value),
      (value, context) => rules.state.validate(value, context),
      (value) => ({ ...value, count: 0 }),
    );
    expect(replayInto({ ...rules, state: narrow } as never, events).firstDifference).toMatchObject({
      version: merged,
      evidence: 'mergedState',
      changes: [{ path: '$.count', before: 5, after: 0 }],
    });
  });

  it('asks the merger of today about each merge, and leaves the history as it is', async () => {
    const { events } = await diverged();
    const asked = (merge: Parameters<typeof basketSaga>[0]) =>
      replayInto(basketSaga({ compensateTold: true, ...merge }), events, { merges: true });
    const same = asked({ mergerVersion: '2' });
    expect(same.merges).toMatchObject([{ recorded: 'merged', verdict: 'same', branches: 1, diff: '' }]);
    const different = asked({ merge: mergeStates(([trunk]) => trunk) });
    expect(different.merges).toMatchObject([{ verdict: 'different' }]);
    expect(different.text).toContain('another answer');
    // Merged states are taken as they were recorded: a merger never changes a history.
    expect(different.same).toBe(true);
    const refusing = asked({ merge: merger(() => E.left(mergeRefused('not today'))) });
    expect(refusing.merges).toMatchObject([{ verdict: 'refused', reason: 'not today' }]);
  });

  it('tells that a merge which was refused would be answered now', async () => {
    const { events } = await diverged(false);
    expect(events.map(({ type }) => type)).toContain('SagaMergeRefused');
    expect(replayInto(basketSaga(), events, { merges: true }).merges).toMatchObject([
      { recorded: 'refused', verdict: 'different', reason: expect.stringContaining('answered now') },
    ]);
  });

  it('refuses a history of another saga', () => {
    expect(() => replayInto(basketSaga(), sums)).toThrow(/holds no stream of basket/);
  });
});

const released = readdirSync('test/fixtures').filter((name) => /^\d+\.\d+\.\d+$/.test(name));
const golden = released.flatMap((version) =>
  readdirSync(join('test/fixtures', version)).map((name) => [version, name] as const),
);

describe('golden replay', () => {
  it('has a stream of each worked saga', () => {
    expect(golden).toEqual(
      expect.arrayContaining([
        ['0.1.0', 'acceptable-credit.jsonl'],
        ['0.1.0', 'loan-application.jsonl'],
      ]),
    );
  });

  it.each(golden)('gives today what version %s recorded: %s', async (version, name) => {
    const fixture = await loadFixture(join('test/fixtures', version, name));
    const rules = name.startsWith('loan') ? loanApplication : acceptableCredit;
    const result = replayInto(rules, fixture);
    expect(result.text).toContain('gives the recorded states');
    expect(result.same).toBe(true);
    // Every state, and what the records say besides.
    expect(result.compared).toBeGreaterThan(fixture.events.length);
    expect(fixture.events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['MergeSagaState', 'SagaMerged', 'CompensationApplied']),
    );
  });
});
