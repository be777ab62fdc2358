/**
 * A customer's credit is acceptable when at least two of three bureaus have answered and their average is over 700. The
 * bureaus answer at once, so each handler may see only its own score; the merge sees them all.
 */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  flag,
  map,
  max,
  type MergeAnswer,
  ownedBy,
  record,
  saga,
  threeWay,
  unlessBothChanged,
} from 'watersmeet';

export const bureaus = ['Equifax', 'Experian', 'TransUnion'] as const;
const bureau = t.keyof({ Equifax: null, Experian: null, TransUnion: null });

const credit = t.readonly(
  t.type({
    customer: t.string,
    asked: t.boolean,
    /** Each bureau's highest score: a bureau that answers twice counts once. */
    scores: t.readonly(t.record(t.string, t.number)),
    /** What the scores led to, as far as it has been told. */
    decision: t.keyof({ undecided: null, refused: null, accepted: null }),
  }),
);
export type Credit = t.TypeOf<typeof credit>;

const answersWanted = 2;
const acceptableOver = 700;

/** What these scores allow. */
export const judge = (scores: Credit['scores']): Credit['decision'] => {
  const values = Object.values(scores);
  if (values.length < answersWanted) return 'undecided';
  const average = values.reduce((sum, score) => sum + score, 0) / values.length;
  return average > acceptableOver ? 'accepted' : 'refused';
};

const withScore = (scores: Credit['scores'], from: string, score: number): Credit['scores'] => ({
  ...scores,
  [from]: Math.max(score, scores[from] ?? 0),
});

/** Scores of both sides count; what was told is what the trunk told. */
const facts = threeWay<Credit>(
  record<Credit>({
    customer: unlessBothChanged(),
    asked: flag,
    // No answer is less than any score, also than a score of 0.
    scores: map(max, -1),
    decision: ownedBy('trunk'),
  }),
);

const decided = (decision: Credit['decision']) => ({ type: 'Decided' as const, data: { decision } });
const tell = (customer: string, decision: Credit['decision']) => ({
  type: 'CreditDecision' as const,
  data: { customer, acceptable: decision === 'accepted' },
  key: 'decision',
});

export const acceptableCredit = saga({
  name: 'acceptableCredit',
  messages: {
    IsAcceptableAsCustomer: t.type({ customer: t.string }),
    CreditCardScore: t.type({ bureau, score: t.number }),
  },
  sends: {
    CheckCreditFor: t.type({ bureau, customer: t.string }),
    CreditDecision: t.type({ customer: t.string, acceptable: t.boolean }),
    CreditDecisionCorrected: t.type({ customer: t.string, acceptable: t.boolean }),
  },
  events: {
    CreditRequested: t.type({ customer: t.string }),
    ScoreRecorded: t.type({ bureau, score: t.number }),
    Decided: t.type({ decision: credit.type.props.decision }),
  },
  state: credit,
  initialState: { customer: '', asked: false, scores: {}, decision: 'undecided' },
  evolve: {
    CreditRequested: (state, { customer }) => ({ ...state, customer, asked: true }),
    ScoreRecorded: (state, { bureau: from, score }) => ({
      ...state,
      scores: withScore(state.scores, from, score),
    }),
    Decided: (state, { decision }) => ({ ...state, decision }),
  },
  react: {
    IsAcceptableAsCustomer: (state, { customer }) =>
      state.asked
        ? {}
        : {
            events: [{ type: 'CreditRequested', data: { customer } }],
            send: bureaus.map((name) => ({
              type: 'CheckCreditFor' as const,
              data: { bureau: name, customer },
            })),
          },
    CreditCardScore: (state, { bureau: from, score }) => {
      const recorded = { type: 'ScoreRecorded' as const, data: { bureau: from, score } };
      const decision = judge(withScore(state.scores, from, score));
      return decision === 'undecided'
        ? { events: [recorded] }
        : { events: [recorded, decided(decision)], send: [tell(state.customer, decision)], complete: true };
    },
  },
  onConflict: 'merge',
  // A branch decided on its own scores only: its facts stand, its decision is made again on all of them.
  merge: (conflict) =>
    E.map((answer: MergeAnswer<Credit>) => ({
      state: answer.state,
      events: conflict.branches.flatMap(({ events }) => events.filter(({ type }) => type !== 'Decided')),
      messages: ({ type }: { readonly type: string }) =>
        type === 'CreditDecision' ? ('cancel' as const) : undefined,
      rule: 'the scores of all sides, the highest of each bureau; decide again on them',
    }))(facts.merge(conflict)),
  onMerged: ({ state, released }) => {
    const decision = judge(state.scores);
    if (decision === 'undecided' || decision === state.decision) return {};
    const isTold = released.some(({ type }) => type === 'CreditDecision');
    return {
      events: [decided(decision)],
      send: isTold ? [] : [tell(state.customer, decision)],
      complete: true,
    };
  },
  compensate: ({ state, released }) => {
    const acceptable = judge(state.scores) === 'accepted';
    // Messages come from the store as JSON; both types carry the same data.
    const told = released.filter(({ type }) => type !== 'CheckCreditFor').at(-1);
    const isWrong = told !== undefined && (told.data as { acceptable: boolean }).acceptable !== acceptable;
    return isWrong
      ? [{ hook: 'correctDecision', of: told.id, data: { customer: state.customer, acceptable } }]
      : [];
  },
  hooks: {
    correctDecision: (data: { customer: string; acceptable: boolean }) => ({
      send: [{ type: 'CreditDecisionCorrected', data }],
    }),
  },
});
