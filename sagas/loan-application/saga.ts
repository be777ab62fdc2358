/**
 * A bank's loan application. Applications, offers and work items report on their own, often within milliseconds; the
 * saga tells the outcome once, and asks for the withdrawal of offers that an outcome leaves open.
 */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { type MergeAnswer, saga, threeWay } from 'watersmeet';
import {
  emptyLoan,
  isAgainst,
  type Loan,
  loan,
  mergeFacts,
  noWork,
  type Offers,
  openOffers,
  outcomeAfter,
  type Outcome,
  settle,
  type WorkItem,
} from './state.js';

const outcome = loan.type.props.outcome;
const activity = t.type({ activity: t.string });
const workItemMoved = t.type({ item: t.string, transition: t.string });

const offerFields: ReadonlyMap<string, keyof Offers> = new Map([
  ['O_SELECTED', 'selected'],
  ['O_CREATED', 'created'],
  ['O_SENT', 'sent'],
  ['O_SENT_BACK', 'sentBack'],
  ['O_ACCEPTED', 'accepted'],
  ['O_DECLINED', 'declined'],
  ['O_CANCELLED', 'cancelled'],
]);

const workFields: ReadonlyMap<string, keyof WorkItem> = new Map([
  ['SCHEDULE', 'scheduled'],
  ['START', 'started'],
]);

const add = (counts: Readonly<Record<string, number>>, key: string): Readonly<Record<string, number>> => ({
  ...counts,
  [key]: (Object.hasOwn(counts, key) ? (counts[key] ?? 0) : 0) + 1,
});

const withOffer = (state: Loan, name: string): Loan => {
  const field = offerFields.get(name);
  return field === undefined
    ? { ...state, milestones: add(state.milestones, name) }
    : settle({ ...state, offers: { ...state.offers, [field]: state.offers[field] + 1 } });
};

const withWork = (state: Loan, item: string, transition: string): Loan => {
  const field = workFields.get(transition.toUpperCase()) ?? 'completed';
  const before = (Object.hasOwn(state.work, item) ? state.work[item] : undefined) ?? noWork;
  return { ...state, work: { ...state.work, [item]: { ...before, [field]: before[field] + 1 } } };
};

const withMilestone = (state: Loan, name: string): Loan => ({
  ...state,
  milestones: add(state.milestones, name),
  outcome: outcomeAfter(state.outcome, name),
});

type Told = { readonly type: 'OutcomeTold'; readonly data: { readonly outcome: Outcome } };
type Asked = { readonly type: 'WithdrawalAsked'; readonly data: { readonly offers: number } };
type Send =
  | { readonly type: 'Decision'; readonly data: { readonly outcome: Outcome }; readonly key: string }
  | { readonly type: 'DecisionCorrected'; readonly data: { readonly outcome: Outcome } }
  | { readonly type: 'WithdrawOffers'; readonly data: { readonly offers: number } };

const telling = (
  state: Loan,
): { readonly events: ReadonlyArray<Told>; readonly send: ReadonlyArray<Send> } => {
  if (state.outcome === 'open' || state.outcome === state.told) return { events: [], send: [] };
  const data = { outcome: state.outcome };
  const send: Send =
    state.told === 'open' ? { type: 'Decision', data, key: 'decision' } : { type: 'DecisionCorrected', data };
  return { events: [{ type: 'OutcomeTold', data }], send: [send] };
};

const asking = (
  state: Loan,
): { readonly events: ReadonlyArray<Asked>; readonly send: ReadonlyArray<Send> } => {
  const left = openOffers(state.offers) - state.withdrawalsAsked;
  if (!isAgainst(state.outcome) || left <= 0) return { events: [], send: [] };
  const data = { offers: left };
  return { events: [{ type: 'WithdrawalAsked', data }], send: [{ type: 'WithdrawOffers', data }] };
};

/** What the facts call for: the one place where decisions are made, for handlers and merges alike. */
const conclude = (state: Loan) => {
  const [told, asked] = [telling(state), asking(state)];
  return { events: [...told.events, ...asked.events], send: [...told.send, ...asked.send] };
};

const facts = threeWay(mergeFacts);
const factTypes: ReadonlySet<string> = new Set(['ApplicationMoved', 'OfferMoved', 'WorkItemMoved']);
const workCommutes = ['WorkItemMoved'] as const;

export const loanApplication = saga({
  name: 'loanApplication',
  messages: { ApplicationReported: activity, OfferReported: activity, WorkItemReported: workItemMoved },
  sends: {
    Decision: t.type({ outcome }),
    DecisionCorrected: t.type({ outcome }),
    WithdrawOffers: t.type({ offers: t.number }),
    WithdrawalRetracted: t.type({ offers: t.number }),
  },
  events: {
    ApplicationMoved: activity,
    OfferMoved: activity,
    WorkItemMoved: workItemMoved,
    OutcomeTold: t.type({ outcome }),
    WithdrawalAsked: t.type({ offers: t.number }),
  },
  state: loan,
  initialState: emptyLoan,
  evolve: {
    ApplicationMoved: (state, { activity: name }) => withMilestone(state, name),
    OfferMoved: (state, { activity: name }) => withOffer(state, name),
    WorkItemMoved: (state, { item, transition }) => withWork(state, item, transition),
    OutcomeTold: (state, { outcome: told }) => ({ ...state, told }),
    WithdrawalAsked: (state, { offers }) => ({ ...state, withdrawalsAsked: state.withdrawalsAsked + offers }),
  },
  react: {
    ApplicationReported: (state, data) => {
      const { events, send } = conclude(withMilestone(state, data.activity));
      return { events: [{ type: 'ApplicationMoved', data }, ...events], send };
    },
    OfferReported: (state, data) => {
      const { events, send } = conclude(withOffer(state, data.activity));
      return { events: [{ type: 'OfferMoved', data }, ...events], send };
    },
    WorkItemReported: (_state, data) => ({ events: [{ type: 'WorkItemMoved', data }] }),
  },
  // Work items touch nothing that applications and offers look at.
  commuting: {
    WorkItemMoved: ['WorkItemMoved', 'ApplicationMoved', 'OfferMoved', 'OutcomeTold', 'WithdrawalAsked'],
    ApplicationMoved: workCommutes,
    OfferMoved: workCommutes,
  },
  onConflict: 'merge',
  // What a branch told or asked for was decided on its own facts only, and is held: decide again on all of them.
  merge: (conflict) =>
    E.map((answer: MergeAnswer<Loan>) => ({
      state: settle(answer.state),
      events: conflict.branches.flatMap(({ events }) => events.filter(({ type }) => factTypes.has(type))),
      messages: () => 'cancel' as const,
      rule: 'the facts of all sides count; outcome and withdrawals are decided again on them',
    }))(facts.merge(conflict)),
  onMerged: ({ state }) => {
    const { events, send } = conclude(state);
    // A decision that has left and is wrong is not sent again here: its compensation corrects it.
    return { events, send: send.filter(({ type }) => type !== 'DecisionCorrected') };
  },
  compensate: ({ state, conflict, released }) => {
    const wasTold = conflict.current.told;
    const decision = released
      .filter(({ type }) => type === 'Decision' || type === 'DecisionCorrected')
      .at(-1);
    const withdrawal = released.filter(({ type }) => type === 'WithdrawOffers').at(-1);
    const needless = conflict.current.withdrawalsAsked - state.withdrawalsAsked;
    return [
      ...(decision !== undefined && wasTold !== 'open' && wasTold !== state.outcome
        ? [{ hook: 'correctDecision', of: decision.id, data: { outcome: state.outcome } }]
        : []),
      ...(withdrawal !== undefined && needless > 0
        ? [{ hook: 'retractWithdrawal', of: withdrawal.id, data: { offers: needless } }]
        : []),
    ];
  },
  hooks: {
    correctDecision: (data: { outcome: Outcome }) => ({ send: [{ type: 'DecisionCorrected', data }] }),
    retractWithdrawal: (data: { offers: number }) => ({ send: [{ type: 'WithdrawalRetracted', data }] }),
  },
});
