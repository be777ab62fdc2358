/** What becomes of a command when other writers are first, or the caller saw another version. */
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { type EventOf, fold } from '../../src/core/decider.js';
import type { RecordedEvent } from '../../src/core/event.js';
import { exactly, noStream, streamExists } from '../../src/core/stream.js';
import type { RetryNotice } from '../../src/runtime/aggregate/aggregate-context.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import { loadAggregate } from '../../src/runtime/aggregate/load-aggregate.js';
import type { EventStore } from '../../src/store/event-store.js';
import { account, accountWithSnapshots } from '../support/account.js';
import {
  appendDirectly,
  counting,
  deposit,
  depositedEvent,
  eventsOf,
  handle,
  left,
  open,
  opened,
  right,
  stillEnvironment,
  streamName,
  typesOf,
  withdraw,
  withRival,
} from '../support/handling.js';

describe('a conflict', () => {
  it('is decided anew on the state as it is then', async () => {
    const inner = await opened(10);
    const store = withRival(inner, 1, () => right(handle({ store: inner }, withdraw(8))));
    const rejected = await left(handle({ store, environment: stillEnvironment() }, withdraw(5)));
    expect(rejected).toEqual({ _tag: 'Rejected', rejection: { _tag: 'TooLittle', balance: 2 } });
    expect(await typesOf(inner)).toEqual(['Opened', 'Deposited', 'Withdrawn']);
  });

  it('with one rival folds the tail that the refusal hands over, and reads nothing again', async () => {
    const inner = await opened(10);
    const { store, counts } = counting(
      withRival(inner, 1, () => appendDirectly(inner, depositedEvent(1), depositedEvent(2))),
    );
    const notices: RetryNotice[] = [];
    const environment = stillEnvironment();
    const context = {
      store,
      environment,
      hooks: { onRetry: (notice: RetryNotice) => void notices.push(notice) },
    };
    const handled = await right(handle(context, withdraw(9)));
    expect(handled).toMatchObject({ version: 5, attempts: 2, state: { balance: 4 } });
    expect(counts).toEqual({ reads: 1, events: 2 });
    expect(notices).toEqual([{ streamName, attempt: 1, expected: exactly(2), actual: 4, delayMs: 3.75 }]);
    expect(environment.waits).toEqual([3.75]);
  });

  it.each<[string, (tail: ReadonlyArray<RecordedEvent>) => ReadonlyArray<RecordedEvent> | undefined]>([
    ['missing', () => undefined],
    ['too short', (tail) => tail.slice(0, 1)],
    ['out of place', (tail) => tail.toReversed()],
  ])('whose tail is %s is read instead', async (_, spoil) => {
    const inner = await opened();
    const rival = withRival(inner, 1, () => appendDirectly(inner, depositedEvent(1), depositedEvent(2)));
    const append: EventStore['append'] = (request) => async () => {
      const answer = await rival.append(request)();
      if (E.isRight(answer) || answer.left._tag !== 'VersionConflict') return answer;
      return E.left({ ...answer.left, tail: spoil(answer.left.tail ?? []) });
    };
    const { store, counts } = counting({ ...rival, append });
    const handled = await right(handle({ store, environment: stillEnvironment() }, deposit(4)));
    expect(handled.state.balance).toBe(7);
    expect(counts).toEqual({ reads: 2, events: 3 });
  });

  it('on every attempt ends with what both sides wanted, after growing waits', async () => {
    const inner = await opened();
    const environment = stillEnvironment();
    const store = withRival(inner, 99, () => appendDirectly(inner, depositedEvent(1)));
    const rules = { ...account, retry: { attemptsMax: 4, delayMs: 100, jitter: 0 } };
    const run = handleCommand({ store, environment })(rules, { id: '42', command: deposit(5) });
    expect(await left(run)).toMatchObject({
      _tag: 'ConcurrencyConflict',
      streamName,
      expected: exactly(4),
      actual: 5,
      attempts: 4,
      ours: ['Deposited'],
      theirs: ['Deposited'],
      advice: expect.stringContaining('Nothing was written'),
      message: expect.stringMatching(/^account-42: expected version 4, found version 5 after 4 attempts/),
    });
    expect(environment.waits).toEqual([100, 200, 400]);
    expect(await eventsOf(inner)).toHaveLength(5);
  });

  it('met a second time is decided on what was written during the wait too', async () => {
    const inner = await opened();
    const store = withRival(inner, 2, () => appendDirectly(inner, depositedEvent(1)));
    const environment = {
      random: () => 0,
      sleep: () => appendDirectly(inner, depositedEvent(10)) as Promise<never>,
    };
    const handled = await right(handle({ store, environment }, deposit(100)));
    expect(handled).toMatchObject({ attempts: 3, state: { balance: 122 } });
  });

  it('with an error of the store is not retried', async () => {
    const inner = await opened();
    let appends = 0;
    const append: EventStore['append'] = () => async () => {
      appends += 1;
      return E.left({ _tag: 'StoreUnavailable', message: 'down' });
    };
    expect(await left(handle({ store: { ...inner, append } }, deposit(1)))).toEqual({
      _tag: 'StoreUnavailable',
      message: 'down',
    });
    expect(appends).toBe(1);
  });
});

describe('what the caller saw', () => {
  it('is met: the command is handled', async () => {
    const store = await opened(10);
    expect((await right(handle({ store }, deposit(1), { expected: exactly(2) }))).version).toBe(3);
    expect((await right(handle({ store }, deposit(1), { expected: streamExists }))).version).toBe(4);
  });

  it('is out of date: a conflict at once, which names what was written since', async () => {
    const store = await opened(10);
    const environment = stillEnvironment();
    expect(await left(handle({ store, environment }, deposit(1), { expected: exactly(1) }))).toMatchObject({
      _tag: 'ConcurrencyConflict',
      expected: exactly(1),
      actual: 2,
      attempts: 1,
      ours: [],
      theirs: ['Deposited'],
      advice: expect.stringContaining('Show what happened since'),
    });
    expect(environment.waits).toEqual([]);
    expect(await eventsOf(store)).toHaveLength(2);
  });

  it.each([
    ['noStream where there is one', '42', noStream, 'It exists already'],
    ['streamExists where there is none', '43', streamExists, 'There is no such stream'],
    ['a version that the stream has not reached', '42', exactly(9), 'shorter than what was seen'],
  ])('is %s: a conflict with advice', async (_, id, expected, advice) => {
    const store = await opened();
    const conflict = await left(handle({ store }, deposit(1), { id, expected }));
    expect(conflict).toMatchObject({
      _tag: 'ConcurrencyConflict',
      expected,
      advice: expect.stringContaining(advice),
    });
  });

  it('goes out of date while the command is decided: a conflict, and no second attempt', async () => {
    const inner = await opened();
    const environment = stillEnvironment();
    const store = withRival(inner, 1, () => appendDirectly(inner, depositedEvent(1)));
    expect(await left(handle({ store, environment }, deposit(5), { expected: exactly(1) }))).toMatchObject({
      _tag: 'ConcurrencyConflict',
      attempts: 1,
      ours: ['Deposited'],
      theirs: ['Deposited'],
    });
    expect(environment.waits).toEqual([]);
  });
});

describe('concurrent commands on one aggregate', () => {
  it('all land, once each: 32 at a time', async () => {
    const store = await opened();
    const patient = { ...account, retry: { attemptsMax: 200, delayMs: 1, delayMaxMs: 20 } };
    const run = handleCommand({ store });
    const all = await Promise.all(
      Array.from({ length: 32 }, (_, n) =>
        right(run(patient, { id: '42', command: deposit(2 ** n), commandId: `c${n}` })),
      ),
    );
    // Powers of two: any deposit that is lost or doubled would show in the sum.
    expect((await right(loadAggregate({ store })(account, '42'))).state.balance).toBe(2 ** 32 - 1);
    expect(all.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 32 }, (_, n) => n + 2),
    );
    expect(Math.max(...all.map(({ attempts }) => attempts))).toBeGreaterThan(1);
  });

  it('come to what their events come to one after the other, whoever meets whom', async () => {
    const commands = fc.oneof(
      fc.integer({ min: 0, max: 9 }).map(deposit),
      fc.integer({ min: 1, max: 30 }).map(withdraw),
      fc.constant(open),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(commands, { minLength: 2, maxLength: 6 }),
        async (scheduler, sent) => {
          const inner = await opened(10);
          const scheduled =
            <A>(task: () => Promise<A>) =>
            () =>
              scheduler.schedule(Promise.resolve()).then(task);
          const store: EventStore = {
            ...inner,
            append: (request) => scheduled(inner.append(request)),
            readStream: (request) => scheduled(inner.readStream(request)),
          };
          const environment = { random: () => 0, sleep: () => scheduler.schedule(Promise.resolve()) };
          const patient = { ...accountWithSnapshots(2), retry: { attemptsMax: 100 } };
          const context = { store, environment, snapshots: inner.snapshots };
          const running = Promise.all(
            sent.map((command) => handleCommand(context)(patient, { id: '42', command })()),
          );
          await scheduler.waitFor(running);
          const results = await running;
          const events = (await eventsOf(inner)).map(
            ({ type, data }) => ({ type, data }) as EventOf<typeof account>,
          );
          const handled = results.filter(E.isRight).map((result) => result.right);
          expect(events).toHaveLength(2 + handled.length);
          for (const { version, state } of handled)
            expect(state).toEqual(fold(account, events.slice(0, version)));
          // No withdrawal was decided on a balance that another one had taken already.
          for (let version = 2; version <= events.length; version += 1)
            expect(fold(account, events.slice(0, version)).balance).toBeGreaterThanOrEqual(0);
          for (const result of results) if (E.isLeft(result)) expect(result.left._tag).toBe('Rejected');
        },
      ),
      { numRuns: 200 },
    );
  });
});
