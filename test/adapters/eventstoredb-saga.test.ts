/** Sagas on EventStoreDB's protocol: without leases, queue or appends to several streams, conflicts merge, messages leave, mistakes are compensated. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  any,
  type Dispatched,
  type EventStore,
  type FollowOptions,
  newId,
  queueWorker,
  recordTypes,
  sagaRuntime,
  type StreamName,
  type Tenant,
  toPromise,
} from 'watersmeet';
import { acceptableCredit } from '../../sagas/acceptable-credit/index.js';
import { readWhole } from '../../src/store/read-whole.js';
import { aTenant, anEvent, refused } from '../../src/testing/contract/support.js';
import { deadlineSaga, toDeadline } from '../support/deadline.js';
import { type EventStoreDBTestStore, openTestEventStoreDB } from '../support/eventstoredb.js';

let opened: EventStoreDBTestStore;
let second: EventStore;
beforeAll(async () => {
  opened = await openTestEventStoreDB();
  second = await opened.secondHandle();
}, 60_000);
afterAll(() => opened.dispose());

const soon: FollowOptions = { pollMs: 5, mergeAfterMs: 1, timeouts: { pollMs: 5 } };

/** Another handler comes first at the next append, so that this one has lost by the time it writes. */
const behindOther = (store: EventStore, other: () => Promise<unknown>): EventStore => {
  let isDue = true;
  return {
    ...store,
    append: (request) => async () => {
      if (isDue) {
        isDue = false;
        await other();
      }
      return store.append(request)();
    },
  };
};

const credit = (store: EventStore, tenant: Tenant) => {
  const runtime = sagaRuntime(acceptableCredit, { store, tenant });
  const ask = () =>
    toPromise(
      runtime.handle({
        id: 'request',
        sagaId: 'ada',
        type: 'IsAcceptableAsCustomer',
        data: { customer: 'Ada' },
      }),
    );
  const score = (bureau: 'Equifax' | 'Experian' | 'TransUnion', value: number) =>
    toPromise(
      runtime.handle({
        id: `score-${bureau}`,
        sagaId: 'ada',
        type: 'CreditCardScore',
        data: { bureau, score: value },
      }),
    );
  return { runtime, ask, score };
};

const followed = async (store: EventStore, tenant: Tenant): Promise<ReadonlyArray<unknown>> => {
  const sent: Dispatched[] = [];
  const { runtime } = credit(store, tenant);
  const following = runtime.follow({ ...soon, dispatch: (message) => void sent.push(message) });
  await following.caughtUp();
  await following.stop();
  return sent.filter(({ type }) => type !== 'CheckCreditFor').map(({ type, data }) => ({ type, data }));
};

const typesOf = async (store: EventStore, tenant: Tenant): Promise<ReadonlyArray<string>> =>
  (await readWhole(store, { tenant, streamName: 'acceptableCredit-ada' as StreamName })).map(
    ({ type }) => type,
  );

describe('the saga of the three bureaus', () => {
  it('two scores on two handles lead to one decision, made by the merge, and told once', async () => {
    const tenant = aTenant();
    const one = credit(opened.store, tenant);
    await one.ask();
    const other = credit(
      behindOther(second, () => one.score('Equifax', 720)),
      tenant,
    );
    expect((await other.score('Experian', 700))._tag).toBe('Merged');
    expect(await typesOf(second, tenant)).toContain(recordTypes.sagaMerged);
    const decision = [{ type: 'CreditDecision', data: { customer: 'Ada', acceptable: true } }];
    expect(await followed(opened.store, tenant)).toEqual(decision);
    // Whoever follows under the same name finds it done, on any handle.
    expect(await followed(second, tenant)).toEqual([]);
    const view = await toPromise(credit(second, tenant).runtime.load('ada'));
    expect(view).toMatchObject({ completed: true, pending: [], state: { decision: 'accepted' } });
  });

  it('a score that raced the decision and proves it wrong is merged, and the decision corrected once', async () => {
    const tenant = aTenant();
    const one = credit(opened.store, tenant);
    await one.ask();
    await one.score('Equifax', 720);
    const other = credit(
      behindOther(second, () => one.score('Experian', 720)),
      tenant,
    );
    await other.score('TransUnion', 300);
    const [first, again] = [await followed(second, tenant), await followed(opened.store, tenant)];
    expect([...first, ...again]).toEqual([
      { type: 'CreditDecision', data: { customer: 'Ada', acceptable: true } },
      { type: 'CreditDecisionCorrected', data: { customer: 'Ada', acceptable: false } },
    ]);
    const types = await typesOf(opened.store, tenant);
    expect(types.filter((type) => type === recordTypes.compensationApplied)).toHaveLength(1);
  });

  it('a message that is delivered again on another handle is known', async () => {
    const tenant = aTenant();
    await credit(opened.store, tenant).ask();
    expect(await credit(second, tenant).ask()).toEqual({ _tag: 'Duplicate' });
  });
});

describe('timeouts on a store without a queue', () => {
  it('are kept by who follows, and given out', async () => {
    const tenant = aTenant();
    const runtime = sagaRuntime(deadlineSaga(), { store: opened.store, tenant });
    await toPromise(runtime.handle(toDeadline('a')('Ask', { text: 'now', afterMs: 0 })));
    const following = runtime.follow({ ...soon, subscriber: newId() });
    await following.caughtUp();
    await following.stop();
    expect((await toPromise(runtime.load('a'))).state.due).toEqual({ now: 1 });
  });
});

describe('what the store lacks', () => {
  it('is refused by name where it is asked for in an append, and nothing is written', async () => {
    const { store } = opened;
    const streamName = `order-${newId()}` as StreamName;
    const request = { streamName, expected: any, events: [anEvent()] };
    const message = {
      queue: 'q',
      id: newId(),
      key: 'k',
      type: 'T',
      schemaVersion: 1,
      data: {},
      metadata: {},
    };
    for (const [field, more] of Object.entries({
      fence: { fence: { lease: 'l', token: 1 } },
      enqueue: { enqueue: [message] },
      completes: { completes: { scope: 's', key: 'k', token: 1, result: null } },
      condition: { condition: { noneOf: { anyOf: [{ tags: ['a:1'] }] } } },
    })) {
      const refusal = await refused(
        store.append({ ...request, ...more } as typeof request),
        'InvalidRequest',
      );
      expect(refusal.field).toBe(field);
      expect(refusal.reason).toMatch(/lacks \w+/);
    }
    expect((await toPromise(store.readStream({ streamName }))).version).toBe(0);
  });

  it('is said by a worker before it begins', () => {
    const start = () => queueWorker({ store: opened.store } as never);
    expect(start).toThrow(/has no (queue|leases)/);
  });
});
