/** The shared table of repeated appends, on every store. Its versions are numbers of the last event: -1 is no stream. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { derivedId } from '../../src/core/ids.js';
import {
  any,
  exactly,
  type ExpectedVersion,
  noStream,
  streamExists,
  type StreamName,
} from '../../src/core/stream.js';
import type { EventStore } from '../../src/store/event-store.js';
import type { OpenedStore } from '../../src/testing/contract.js';
import { anEvent, append, aStream, idsOf, refused, wholeStream } from '../../src/testing/contract/support.js';
import { sharedFile } from '../support/shared-data.js';
import { allSubjects } from '../support/subjects.js';

type Expectation = number | 'any' | 'exists';
type Batch = readonly [ids: ReadonlyArray<string>, expected: Expectation];

interface Case {
  readonly name: string;
  readonly given?: ReadonlyArray<readonly [id: string, expected: Expectation]>;
  readonly given_batch?: ReadonlyArray<Batch>;
  readonly when: Batch;
  readonly when_stream?: 'other';
  readonly repeat?: number;
  readonly then: string;
  readonly count?: number;
  readonly count_other?: number;
}

const expectationOf = (expected: Expectation): ExpectedVersion => {
  if (expected === 'any') return any;
  if (expected === 'exists') return streamExists;
  return expected === -1 ? noStream : exactly(expected + 1);
};

const eventOf = (streamName: string, id: string) =>
  anEvent('Happened', { id }, { eventId: derivedId(streamName, id) });

const checkRepeat = async (
  store: EventStore,
  streamName: StreamName,
  { when, then }: Case,
  home: string,
): Promise<void> => {
  const events = when[0].map((id) => eventOf(home, id));
  const request = { streamName, expected: expectationOf(when[1]), events };
  const before = await wholeStream(store, { streamName });
  if (then === 'wev') {
    expect((await refused(store.append(request), 'VersionConflict')).actual).toBe(before.length);
    return;
  }
  if (then === 'append') {
    const result = await append(store, streamName, events, request.expected);
    expect(result).toMatchObject({ idempotent: false, version: before.length + events.length });
    return;
  }
  if (then === 'idempotent') {
    const first = before.find((event) => event.eventId === events.at(-1)?.eventId);
    const { version, position } = first ?? {};
    expect(await append(store, streamName, events, request.expected)).toEqual({
      streamName,
      version,
      position,
      idempotent: true,
    });
    expect(idsOf(await wholeStream(store, { streamName }))).toEqual(idsOf(before));
    return;
  }
  // Where the table leaves it to us: an id twice in one batch is refused.
  expect(then).toMatch(/reject/);
  await refused(store.append(request), 'InvalidEvent');
};

const runCase = async (store: EventStore, row: Case): Promise<void> => {
  const streamName = aStream('case');
  const given: ReadonlyArray<Batch> =
    row.given_batch ?? (row.given ?? []).map(([id, expected]) => [[id], expected]);
  for (const [ids, expected] of given)
    await append(
      store,
      streamName,
      ids.map((id) => eventOf(streamName, id)),
      expectationOf(expected),
    );
  const target = row.when_stream === undefined ? streamName : aStream('case');
  for (let time = 0; time < (row.repeat ?? 1); time += 1) await checkRepeat(store, target, row, streamName);
  const count = row.count ?? row.count_other;
  if (count !== undefined) expect((await wholeStream(store, { streamName: target })).length).toBe(count);
};

const file = sharedFile('idempotency/cases.json');
const cases = file.skip === undefined ? (file.json() as { readonly cases: ReadonlyArray<Case> }).cases : [];

for (const subject of allSubjects)
  describe(`event store [${subject.name}] a repeated append`, () => {
    const skip = subject.skip ?? file.skip;
    if (skip !== undefined) {
      it.skip(`is treated as the shared table says (skipped: ${skip})`, () => undefined);
      return;
    }
    let opened: OpenedStore;
    beforeAll(async () => {
      opened = await subject.open();
    });
    afterAll(() => opened.dispose());
    it('is described by 19 cases', () => {
      expect(cases.length).toBe(19);
    });
    for (const row of cases) {
      // Whoever names no version asks the store to look for what it knows already.
      const isLookedFor = row.when[1] === 'any' || row.when[1] === 'exists';
      const reason = isLookedFor ? subject.lacks?.idempotentAny : undefined;
      if (reason === undefined) it(`${row.name}: ${row.then}`, () => runCase(opened.store, row));
      else it.skip(`${row.name}: ${row.then} (skipped: ${reason})`, () => undefined);
    }
  });
