/** The saga of the three bureaus: answers that arrive at once lead to one decision, and a wrong one is corrected once. */
import { describe, expect, it } from '@jest/globals';
import { type Dispatched, memoryStore, type Saga, sagaRuntime, toPromise } from 'watersmeet';
import { acceptableCredit, judge } from '../../sagas/acceptable-credit/index.js';
import { concurrently } from '../cases/support.js';

const start = async () => {
  const store = memoryStore();
  const dispatched: Dispatched[] = [];
  const runtime = sagaRuntime(acceptableCredit, { store });
  const following = runtime.follow({ dispatch: (message) => void dispatched.push(message), pollMs: 5 });
  const request = {
    id: 'request',
    sagaId: 'ada',
    type: 'IsAcceptableAsCustomer',
    data: { customer: 'Ada' },
  } as const;
  await toPromise(runtime.handle(request));
  const scored = (bureau: 'Equifax' | 'Experian' | 'TransUnion', value: number) =>
    ({
      id: `score-${bureau}`,
      sagaId: 'ada',
      type: 'CreditCardScore',
      data: { bureau, score: value },
    }) as const;
  const score = (...answer: Parameters<typeof scored>) => runtime.handle(scored(...answer));
  const settled = async () => {
    await following.caughtUp();
    await following.stop();
    const view = await toPromise(runtime.load('ada'));
    return {
      view,
      sent: dispatched
        .map(({ type, data }) => ({ type, data }))
        .filter(({ type }) => type !== 'CheckCreditFor'),
    };
  };
  return { store, runtime, scored, score, settled };
};

describe('acceptable credit', () => {
  it('asks all three bureaus, once, however often it is asked', async () => {
    const { runtime, settled, store } = await start();
    const again = {
      id: 'request',
      sagaId: 'ada',
      type: 'IsAcceptableAsCustomer',
      data: { customer: 'Ada' },
    } as const;
    expect(await toPromise(runtime.handle(again))).toEqual({ _tag: 'Duplicate' });
    await settled();
    const page = await toPromise(store.readStream({ streamName: runtime.streamNameOf('ada') }));
    expect(page.events.map(({ type }) => type)).toEqual(['CreditRequested']);
  });

  it('two scores that arrive at once lead to one decision, made by the merge', async () => {
    const { score, settled } = await start();
    const handled = await Promise.all([toPromise(score('Equifax', 720)), toPromise(score('Experian', 700))]);
    expect(handled.map(({ _tag }) => _tag).sort()).toEqual(['Appended', 'Merged']);
    const { view, sent } = await settled();
    expect(sent).toEqual([{ type: 'CreditDecision', data: { customer: 'Ada', acceptable: true } }]);
    expect(view).toMatchObject({
      completed: true,
      pending: [],
      state: { decision: 'accepted', scores: { Equifax: 720, Experian: 700 } },
    });
  });

  it('three scores at once: one decision, on all of them', async () => {
    const { score, settled } = await start();
    await Promise.all([
      toPromise(score('Equifax', 900)),
      toPromise(score('Experian', 690)),
      toPromise(score('TransUnion', 500)),
    ]);
    const { view, sent } = await settled();
    expect(sent).toEqual([{ type: 'CreditDecision', data: { customer: 'Ada', acceptable: false } }]);
    expect(Object.keys(view.state.scores)).toHaveLength(3);
  });

  it('a score that comes to the same process as the one that would decide is heard before the decision: it is right at once', async () => {
    const { score, settled } = await start();
    await toPromise(score('Equifax', 720));
    await Promise.all([toPromise(score('Experian', 720)), toPromise(score('TransUnion', 300))]);
    const { view, sent } = await settled();
    expect(sent).toEqual([{ type: 'CreditDecision', data: { customer: 'Ada', acceptable: false } }]);
    expect(view).toMatchObject({ completed: true, pending: [], state: { decision: 'refused' } });
    expect(Object.keys(view.state.scores)).toHaveLength(3);
  });

  it('a score that raced the decision from another process and proves it wrong is absorbed after completion, and the decision corrected once', async () => {
    const { store, score, scored, settled } = await start();
    await toPromise(score('Equifax', 720));
    // Both see one score. The first to append decides `accepted` and completes; the other comes as a branch.
    const racing = [scored('Experian', 720), scored('TransUnion', 300)];
    await concurrently({ store, second: store }, racing as never, acceptableCredit as unknown as Saga);
    const { view, sent } = await settled();
    expect(sent).toEqual([
      { type: 'CreditDecision', data: { customer: 'Ada', acceptable: true } },
      { type: 'CreditDecisionCorrected', data: { customer: 'Ada', acceptable: false } },
    ]);
    expect(view.state.decision).toBe('refused');
  });

  it('needs two bureaus, and an average over 700', () => {
    expect(judge({ Equifax: 800 })).toBe('undecided');
    expect(judge({ Equifax: 700, Experian: 700 })).toBe('refused');
    expect(judge({ Equifax: 700, Experian: 702 })).toBe('accepted');
  });
});
