/** Proofs for the compiler: the matchers under both typings of `expect`, and what scenarios refuse. Never run. */
import { expect as imported } from '@jest/globals';
import { type EventStore, type Json, type Saga, type StreamName } from 'watersmeet';
import 'watersmeet/jest';
import { scenario } from '../../src/testing/scenario/scenario.js';
import { account } from '../support/account.js';
import { basketSaga, emptyBasket } from '../support/basket.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const proven = <Claim extends true>(): Claim | undefined => undefined;

const basket = basketSaga();
const opened = { type: 'Opened', data: { owner: 'Ada' } } as const;
const when = scenario(account)
  .given([opened])
  .when({ type: 'Deposit', data: { amount: 1 } });
const playing = scenario(basket).concurrently(
  { type: 'Add', data: { by: 1 } },
  { type: 'Take', data: { item: 'a' } },
);

type Outcome = Awaited<ReturnType<typeof playing.run>>;

export const aggregates = () => [
  when.then([{ type: 'Deposited', data: { amount: 1 } }]).thenState({ open: true, owner: 'Ada', balance: 1 }),
  when.then([{ type: 'Deposited', data: { amount: imported.any(Number) } }]),
  when.then([{ type: 'Deposited', data: { amount: expect.any(Number) } }]),
  when.thenRejected({ _tag: 'NotOpen' }),
  // @ts-expect-error -- no such event
  scenario(account).given([{ type: 'Deposit', data: { amount: 1 } }]),
  // @ts-expect-error -- the event's data are of another type
  scenario(account).given([{ type: 'Deposited', data: { amount: '1' } }]),
  // @ts-expect-error -- no such command
  scenario(account).when({ type: 'Deposited', data: { amount: 1 } }),
  // @ts-expect-error -- no such event
  when.then([{ type: 'Deposit', data: { amount: 1 } }]),
  // @ts-expect-error -- the event's data are of another type
  when.then([{ type: 'Deposited', data: { amount: '1' } }]),
  // @ts-expect-error -- no such rejection
  when.thenRejected({ _tag: 'Broke' }),
  // @ts-expect-error -- not a state of this aggregate
  when.thenState({ open: true }),
];

export const sagas = async () => {
  await playing.thenMerged({ ...emptyBasket, count: 1 }).thenSent([{ type: 'Notice', data: { text: 'a' } }]);
  await playing.then({ held: [], events: [{ type: 'Added', data: { by: imported.any(Number) } }] });
  proven<Equal<Outcome['state'], typeof emptyBasket>>();
  proven<Equal<Outcome['sent'][number]['type'], 'Notice' | 'Closed' | 'Undo'>>();
  // @ts-expect-error -- no such message
  scenario(basket).when({ type: 'Added', data: { by: 1 } });
  // @ts-expect-error -- the message's data are of another type
  scenario(basket).concurrently({ type: 'Add', data: { by: '1' } });
  // @ts-expect-error -- no such event
  scenario(basket).given([{ type: 'Add', data: { by: 1 } }]);
  // @ts-expect-error -- it sends no such message
  await playing.thenSent([{ type: 'Told', data: { text: 'a' } }]);
  // @ts-expect-error -- not a state of this saga
  await playing.thenMerged({ count: 1 });
  // @ts-expect-error -- no such answer
  await playing.then({ handled: ['Done'] });
  // @ts-expect-error -- nothing is checked yet, and nothing would fail
  const forgotten: Promise<unknown> = playing;
  return forgotten;
};

/** A state that holds itself is compared too. */
export const ofJson = (
  saga: Saga<{ tree: Json }, { type: 'Grown'; data: Json }, { type: 'Grow'; data: Json }>,
) =>
  scenario(saga)
    .when({ type: 'Grow', data: [1, { a: null }] })
    .then({ state: { tree: [1, { a: imported.anything() }] } });

declare const store: EventStore;
const streamName = 'basket-b' as StreamName;

export const byGlobal = async () => {
  expect(when).toHaveAppended([{ type: 'Deposited', data: { amount: expect.any(Number) } }]);
  await expect({ store, streamName }).toHaveAppended(['Added'], { after: 1 });
  await expect({ store, streamName }).toMatchStream([
    'Added',
    { type: 'SagaMerged', data: expect.anything() },
  ]);
  await expect(playing).not.toHaveDiverged({ merged: 1 });
  expect(await playing.run()).toHaveMergedInto({ ...emptyBasket, count: expect.any(Number) });
  await expect(playing.run()).resolves.toCompensate([{ hook: 'undo', data: {} }]);
  expect(account).toCommute(opened, opened, { over: [account.initialState] });
  await expect([basket, [{ type: 'Add', data: { by: 1 } }]]).toConverge({ followers: true });
  const waits: Promise<void> = expect(playing).toHaveDiverged();
  const doesNot: void = expect(when).toHaveAppended([]);
  // @ts-expect-error -- no such event
  expect(when).toHaveAppended([{ type: 'Added', data: { by: 1 } }]);
  // @ts-expect-error -- no such event
  expect(account).toCommute(opened, { type: 'Added', data: {} });
  // @ts-expect-error -- not a state of this saga
  expect(await playing.run()).toHaveMergedInto({ count: 1 });
  // @ts-expect-error -- a number of branches
  expect(await playing.run()).toHaveDiverged({ merged: 'one' });
  // @ts-expect-error -- a compensation has a hook
  expect(await playing.run()).toCompensate([{ data: {} }]);
  return [waits, doesNot];
};

export const byImport = async () => {
  imported(when).toHaveAppended([{ type: 'Deposited', data: { amount: imported.any(Number) } }]);
  await imported({ store, streamName }).toHaveAppended(['Added'], { after: 1 });
  await imported({ store, streamName }).toMatchStream([
    'Added',
    { type: 'SagaMerged', data: imported.anything() },
  ]);
  await imported(playing).not.toHaveDiverged({ merged: 1 });
  imported(await playing.run()).toHaveMergedInto({ ...emptyBasket, count: imported.any(Number) });
  await imported(playing.run()).resolves.toCompensate([{ hook: 'undo', data: {} }]);
  imported(account).toCommute(opened, opened, { over: [account.initialState] });
  await imported([basket, [{ type: 'Add', data: { by: 1 } }]]).toConverge({ followers: true });
  const waits: Promise<void> = imported(playing).toHaveDiverged();
  const doesNot: void = imported(when).toHaveAppended([]);
  // @ts-expect-error -- no such event
  imported(when).toHaveAppended([{ type: 'Added', data: { by: 1 } }]);
  // @ts-expect-error -- no such event
  imported(account).toCommute(opened, { type: 'Added', data: {} });
  // @ts-expect-error -- not a state of this saga
  imported(await playing.run()).toHaveMergedInto({ count: 1 });
  // @ts-expect-error -- a number of branches
  imported(await playing.run()).toHaveDiverged({ merged: 'one' });
  // @ts-expect-error -- a compensation has a hook
  imported(await playing.run()).toCompensate([{ data: {} }]);
  return [waits, doesNot];
};
