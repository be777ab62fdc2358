/** Contract: operations that are begun at once, recovered at once, and completed in the same step as an append. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import { any, exactly, noStream } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { BeginRequest, HeldKey } from '../../store/idempotency.js';
import { acquired, asked, operationsOf, recovered } from './idempotency-store.js';
import { type Handles, handleOf, race, warmHandles } from './race.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  anEvent,
  asWritten,
  aStream,
  events,
  numbersFrom,
  pause,
  refused,
  right,
  same,
  streamAt,
  wholeStream,
  writesNothing,
} from './support.js';

const needs = ['idempotency'] as const;

const beginAll = (handles: Handles, count: number, request: BeginRequest) =>
  race(count, (writer) =>
    right(operationsOf(handleOf(handles, writer)).begin({ ...request, holder: `w${writer}` })),
  );

const races: ReadonlyArray<ContractTest> = [
  {
    title: 'of many who begin a key at once exactly one is given it, and the others learn who',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      for (const _round of numbersFrom(1, 10)) {
        const answers = await beginAll(handles, 32, asked());
        const winners = answers.flatMap((answer, writer) =>
          answer._tag === 'Acquired' ? [`w${writer}`] : [],
        );
        same(winners.length, 1);
        for (const answer of answers)
          if (answer._tag !== 'Acquired')
            same([answer._tag, answer._tag === 'InProgress' && answer.holder], ['InProgress', winners[0]]);
      }
    },
  },
  {
    title: 'of many who find that a holder did not come back exactly one recovers the operation',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      for (const _round of numbersFrom(1, 10)) {
        const request = asked({ pendingMs: 1 });
        const old = await acquired(opened.store, request);
        await pause(10);
        const answers = await beginAll(handles, 16, { ...request, pendingMs: 60_000 });
        const given = answers.flatMap((answer) => (answer._tag === 'Acquired' ? [answer] : []));
        same(given.length, 1);
        same(given[0]?.attempt, 2);
        // The old one was never told, and ends its work now.
        await refused(operationsOf(opened.store).complete({ ...old, result: 'old' }), 'IdempotencyLost');
      }
    },
  },
  {
    title: 'an old holder that goes on appending writes nothing after the operation went to another',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      for (const round of numbersFrom(1, 16)) {
        const [request, streamName] = [asked({ pendingMs: 1 }), aStream()];
        const old = await acquired(opened.store, request);
        await pause(5);
        await race(8, async (writer) => {
          const store = handleOf(handles, writer);
          const isNext = writer === round % 8;
          const begun = isNext ? await right(operationsOf(store).begin({ ...request, holder: 'next' })) : old;
          // The old one may have been first: then there is nothing left to do.
          if (begun._tag !== 'Acquired') return same(begun._tag, 'Completed');
          const held = { ...old, token: begun.token };
          const { scope, key, token } = held;
          const completes = { scope, key, token, result: { writer } };
          await store.append({
            streamName,
            expected: any,
            events: [anEvent('Done', { writer })],
            completes,
          })();
        });
        // Whoever it was: one effect, and the mark is its own.
        const written = await wholeStream(opened.store, { streamName });
        same(written.length, 1);
        const shown = await right(operationsOf(opened.store).show(request));
        same([shown?.state, shown?.result], ['completed', written[0]?.data]);
      }
    },
  },
];

const completionOf = ({ scope, key, token }: HeldKey, result: string) => ({ scope, key, token, result });

const resultOf = async (store: EventStore, key: BeginRequest) =>
  (await right(operationsOf(store).show(key)))?.result;

const completing: ReadonlyArray<ContractTest> = [
  {
    title: 'an append completes an operation together with its events',
    needs,
    run: async ({ store }) => {
      const request = asked();
      const completes = completionOf(await acquired(store, request), 'done');
      const { streamName } = await streamAt(store, 1);
      await right(store.append({ streamName, expected: exactly(1), events: events(2), completes }));
      same(await resultOf(store, request), 'done');
      const { scope, key, token } = completes;
      // Its holder may say so once more, and may not say otherwise.
      await right(operationsOf(store).complete({ scope, key, token, result: 'done' }));
      await refused(operationsOf(store).fail({ scope, key, token, error: 'no' }), 'IdempotencyLost');
    },
  },
  {
    title: 'an append that is refused completes nothing',
    needs,
    run: async ({ store }) => {
      const request = asked();
      const completes = completionOf(await acquired(store, request), 'done');
      const { streamName } = await streamAt(store, 2);
      const append = { streamName, expected: exactly(1), events: events(1), completes };
      await refused(store.append(append), 'VersionConflict');
      same((await right(operationsOf(store).show(request)))?.state, 'pending');
      await right(store.append({ ...append, expected: exactly(2) }));
      same(await resultOf(store, request), 'done');
    },
  },
  {
    title: 'an append for an operation that is another’s, over or unknown is refused, and writes nothing',
    needs,
    run: async ({ store }) => {
      const { complete, forget } = operationsOf(store);
      const { streamName } = await streamAt(store, 1);
      const isRefused = (held: HeldKey) =>
        writesNothing(store, async () => {
          const { scope, key, token } = held;
          for (const expected of [exactly(1), any]) {
            const append = { streamName, expected, events: events(1), completes: completionOf(held, 'late') };
            same(await refused(store.append(append), 'IdempotencyLost'), {
              ...{ _tag: 'IdempotencyLost', scope, key, token },
            });
          }
        });
      const request = asked({ pendingMs: 1 });
      const old = await acquired(store, request);
      const next = await recovered(store, { ...request, pendingMs: 60_000 });
      await isRefused(old);
      await right(complete({ ...next, result: 'next' }));
      await isRefused(next);
      await right(forget(request));
      await isRefused(next);
      await isRefused({ scope: 'never', key: 'was', token: 1 });
      same(await resultOf(store, request), undefined);
    },
  },
  {
    title:
      'an append that was written is recognised when it is repeated, and completes who began again since',
    needs,
    run: async ({ store }) => {
      const request = asked();
      const completes = completionOf(await acquired(store, request), 'done');
      const append = { streamName: aStream(), expected: noStream, events: events(2), completes };
      same((await right(store.append(append))).idempotent, false);
      same((await right(store.append(append))).idempotent, true);
      await right(operationsOf(store).forget(request));
      same((await right(store.append(append))).idempotent, true);
      const again = completionOf(await acquired(store, request), 'done again');
      same((await right(store.append({ ...append, completes: again }))).idempotent, true);
      same(await resultOf(store, request), 'done again');
      same(asWritten(await wholeStream(store, append)), append.events);
    },
  },
  {
    title: 'appends to several streams complete their operations, all or none',
    needs: ['idempotency', 'atomicAppendMany'],
    run: async ({ store }) => {
      const [one, two] = [asked(), asked()];
      const appendOf = (completes: ReturnType<typeof completionOf>) => ({
        ...{ streamName: aStream(), expected: noStream, events: events(1), completes },
      });
      const first = appendOf(completionOf(await acquired(store, one), 'one'));
      const held = await acquired(store, two);
      const lost = appendOf(completionOf({ ...held, token: held.token + 1_000_000 }, 'two'));
      await writesNothing(store, () => refused(store.appendMany([first, lost]), 'IdempotencyLost'));
      same((await right(operationsOf(store).show(one)))?.state, 'pending');
      const second = appendOf(completionOf(held, 'two'));
      await refused(store.appendMany([first, { ...second, completes: first.completes }]), 'InvalidRequest');
      await right(store.appendMany([first, second]));
      same([await resultOf(store, one), await resultOf(store, two)], ['one', 'two']);
      const repeated = await right(store.appendMany([first, second]));
      assert.ok(repeated.every(({ idempotent }) => idempotent));
    },
  },
  {
    title: 'an append that completes needs an event, and a result that can be kept',
    needs,
    run: async ({ store }) => {
      const held = await acquired(store, asked());
      const append = { streamName: aStream(), expected: any, completes: completionOf(held, 'done') };
      await refused(store.append({ ...append, events: [] }), 'InvalidRequest');
      const large = completionOf(held, 'x'.repeat(store.limits.resultBytesMax));
      const refusal = store.append({ ...append, events: events(1), completes: large });
      same((await refused(refusal, 'LimitExceeded')).limit, 'resultBytesMax');
      const bad = { ...append, events: events(1), completes: { ...append.completes, token: 0.5 } };
      assert.ok(E.isLeft(await store.append(bad)()));
    },
  },
];

export const idempotencyRacePart: ContractPart = {
  title: 'operations that are begun at once, and completed with an append:',
  tests: [...races, ...completing],
};
