/** The loan saga on every store: a slice of a log by many workers ends where the same messages end one after another. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Case,
  type EventStore,
  isSameEnd,
  runCases,
  type SagaEnd,
  sagaRuntime,
  serialEnd,
  survey,
  toPromise,
} from 'watersmeet';
import { loanApplication, loanProgram, messageOf, readCases } from '../../sagas/loan-application/index.js';
import { sharedFile } from '../support/shared-data.js';
import { allSubjects } from '../support/subjects.js';

const sample = 'sagas/loan-application/sample.xes.gz';
const loans = sharedFile('bpic2012/loans.xes.gz');

const firstCases = async (path: string, count: number): Promise<ReadonlyArray<Case>> => {
  const cases: Case[] = [];
  for await (const one of readCases(path)) {
    if (cases.length === count) break;
    cases.push(one);
  }
  return cases;
};

async function* handedOut(cases: ReadonlyArray<Case>): AsyncGenerator<Case> {
  yield* cases;
}

const decidedIn = (cases: ReadonlyArray<Case>, activity: string): number =>
  cases.filter(({ messages }) =>
    messages.some(({ message }) => (message.data as { activity?: string }).activity === activity),
  ).length;

/** Runs the cases and checks every promise against the log and against a serial run. */
const runAndCheck = async (store: EventStore, cases: ReadonlyArray<Case>, seed: number, workers: number) => {
  const counted = { reacted: 0, conflicts: 0 };
  const dispatched = new Set<string>();
  let deliveries = 0;
  const runtime = sagaRuntime(loanApplication, {
    store,
    hooks: { onReacted: () => void (counted.reacted += 1), onConflict: () => void (counted.conflicts += 1) },
  });
  const following = runtime.follow({
    dispatch: ({ id }) => {
      deliveries += 1;
      dispatched.add(id);
    },
  });
  const progress = await runCases(runtime, handedOut(cases), { workers, windowMs: 1_000, seed });
  await following.caughtUp();
  await following.stop();
  const ends = new Map<string, SagaEnd>();
  const facts = await survey(loanProgram, store, (end) => void ends.set(end.sagaId, end));
  const different = cases.filter(({ sagaId, messages }) => {
    const end = ends.get(sagaId);
    return (
      end === undefined ||
      !isSameEnd(
        end,
        serialEnd(
          loanProgram,
          sagaId,
          messages.map(({ message }) => message),
        ),
      )
    );
  });
  const messages = cases.reduce((sum, one) => sum + one.messages.length, 0);
  expect(different.map(({ sagaId }) => sagaId)).toEqual([]);
  expect(progress).toEqual({ cases: cases.length, messages, duplicates: 0, waiting: 0 });
  expect(counted.reacted).toBe(messages);
  expect(facts).toMatchObject({
    sagas: cases.length,
    parked: 0,
    owed: 0,
    outcomes: {
      approved: decidedIn(cases, 'A_APPROVED'),
      declined: decidedIn(cases, 'A_DECLINED'),
      cancelled: decidedIn(cases, 'A_CANCELLED'),
      open: 0,
    },
    decisionsSent: cases.length,
    figures: { openOffersAfterDecision: 0 },
  });
  expect(dispatched.size).toBe(facts.messagesSent);
  expect(deliveries).toBe(facts.messagesSent);
  return { facts, counted };
};

describe.each(allSubjects.map((subject) => [subject.name, subject] as const))(
  'loan applications [%s]',
  (_name, subject) => {
    let opened: Awaited<ReturnType<typeof subject.open>>;
    beforeAll(async () => {
      opened = await subject.open();
    }, 120_000);
    afterAll(() => opened.dispose());

    it('the sample, by 8 workers: real conflicts, all merged, and the end of a serial run; a second run changes nothing', async () => {
      // Each record is a message there and back where the store is a server without a queue.
      const cases = await firstCases(sample, subject.lacks?.queue === undefined ? 300 : 120);
      const { facts, counted } = await runAndCheck(opened.store, cases, 1, 8);
      // The workers are one process: what they join in one append is told as a conflict where it becomes a branch, and only there.
      expect(counted.conflicts).toBeGreaterThan(cases.length / 3);
      expect(facts.branchesMerged).toBeGreaterThan(cases.length / 3);
      expect(facts.compensations).toBeGreaterThan(0);
      const again = sagaRuntime(loanApplication, { store: opened.store });
      const repeat = await runCases(again, handedOut(cases), { workers: 8, windowMs: 1_000, seed: 2 });
      expect(repeat.duplicates).toBe(repeat.messages);
      expect(await survey(loanProgram, opened.store)).toEqual(facts);
    }, 600_000);
  },
);

describe('loan applications in memory', () => {
  const memory = allSubjects.find(({ name }) => name === 'memory') as (typeof allSubjects)[number];

  it.each([
    [1, 1],
    [2, 1],
    [4, 1],
    [8, 2],
  ])('the sample by %i workers, seed %i', async (workers, seed) => {
    const { store, dispose } = await memory.open();
    const { counted } = await runAndCheck(store, await firstCases(sample, 300), seed, workers);
    if (workers === 1) expect(counted.conflicts).toBe(0);
    await dispose();
  });

  (loans.skip === undefined ? it : it.skip)(
    `400 cases of a real log${loans.skip === undefined ? '' : ` (skipped: ${loans.skip})`}`,
    async () => {
      const { store, dispose } = await memory.open();
      await runAndCheck(store, await firstCases(loans.path, 400), 7, 8);
      await dispose();
    },
  );
});

describe('a loan application', () => {
  const start = async () => {
    const { store } = await (
      allSubjects.find(({ name }) => name === 'memory') as (typeof allSubjects)[number]
    ).open();
    const runtime = sagaRuntime(loanApplication, { store });
    let index = 0;
    const report = (name: string) => {
      index += 1;
      const event = {
        name,
        transition: 'COMPLETE',
        timestampMs: 0,
        timestamp: '',
        resource: undefined,
        attributes: new Map<string, string>(),
      };
      return toPromise(runtime.handle(messageOf('1', index, event) as never));
    };
    const sent = async () => {
      const following = runtime.follow({ pollMs: 2 });
      await following.caughtUp();
      await following.stop();
      return (await toPromise(runtime.owed('1'))).messages.map(({ type, data }) => [type, data]);
    };
    return { report, sent, runtime };
  };

  it('that is cancelled with an offer open asks for its withdrawal, and the offer’s cancellation confirms it', async () => {
    const { report, sent, runtime } = await start();
    for (const name of ['A_SUBMITTED', 'O_CREATED', 'A_CANCELLED']) await report(name);
    expect((await toPromise(runtime.load('1'))).state.withdrawalsAsked).toBe(1);
    await report('O_CANCELLED');
    expect((await toPromise(runtime.load('1'))).state.withdrawalsAsked).toBe(0);
    expect(await sent()).toEqual([
      ['Decision', { outcome: 'cancelled' }],
      ['WithdrawOffers', { offers: 1 }],
    ]);
  });

  it('whose offer was cancelled at the same moment retracts the withdrawal that the merge proves needless, once', async () => {
    const { report, sent } = await start();
    for (const name of ['A_SUBMITTED', 'O_CREATED']) await report(name);
    await Promise.all([report('A_CANCELLED'), report('O_CANCELLED')]);
    expect(await sent()).toEqual([
      ['Decision', { outcome: 'cancelled' }],
      ['WithdrawOffers', { offers: 1 }],
      ['WithdrawalRetracted', { offers: 1 }],
    ]);
  });

  it('whose withdrawal was decided in a branch, after the offer was cancelled on the trunk, asks for nothing', async () => {
    const { report, sent } = await start();
    for (const name of ['A_SUBMITTED', 'O_CREATED']) await report(name);
    await Promise.all([report('O_CANCELLED'), report('A_CANCELLED')]);
    expect(await sent()).toEqual([['Decision', { outcome: 'cancelled' }]]);
  });

  it('that was approved and declined at once tells one outcome, and corrects it once', async () => {
    const { report, sent, runtime } = await start();
    await report('A_SUBMITTED');
    await Promise.all([report('A_APPROVED'), report('A_DECLINED')]);
    expect(await sent()).toEqual([
      ['Decision', { outcome: 'approved' }],
      ['DecisionCorrected', { outcome: 'declined' }],
    ]);
    expect((await toPromise(runtime.load('1'))).state).toMatchObject({
      outcome: 'declined',
      told: 'declined',
    });
  });
});
