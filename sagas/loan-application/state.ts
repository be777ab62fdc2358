/** What the saga of a loan application knows: counts of what has happened, which do not depend on the order it is told in. */
import * as t from 'io-ts';
import { counter, map, ownedBy, ranked, record, type ThreeWay } from 'watersmeet';

const outcome = t.keyof({ open: null, approved: null, declined: null, cancelled: null });
export type Outcome = t.TypeOf<typeof outcome>;

const offers = t.readonly(
  t.type({
    selected: t.number,
    created: t.number,
    sent: t.number,
    sentBack: t.number,
    accepted: t.number,
    declined: t.number,
    cancelled: t.number,
  }),
);
export type Offers = t.TypeOf<typeof offers>;

const workItem = t.readonly(t.type({ scheduled: t.number, started: t.number, completed: t.number }));
export type WorkItem = t.TypeOf<typeof workItem>;

export const loan = t.readonly(
  t.type({
    /** How often each `A_*` activity was reported. */
    milestones: t.readonly(t.record(t.string, t.number)),
    offers,
    /** Work items by name; anything that is neither an application's nor an offer's activity counts as one. */
    work: t.readonly(t.record(t.string, workItem)),
    outcome,
    /** The outcome that was told; `open` where none has been. */
    told: outcome,
    /** Offers whose withdrawal was asked for and not yet confirmed; never more than there are open offers. */
    withdrawalsAsked: t.number,
  }),
);
export type Loan = t.TypeOf<typeof loan>;

export const emptyLoan: Loan = {
  milestones: {},
  offers: { selected: 0, created: 0, sent: 0, sentBack: 0, accepted: 0, declined: 0, cancelled: 0 },
  work: {},
  outcome: 'open',
  told: 'open',
  withdrawalsAsked: 0,
};

export const noWork: WorkItem = { scheduled: 0, started: 0, completed: 0 };

/** Where reports contradict each other the later stage stands: a cancelled application is cancelled, whatever else was said. */
export const outcomes: ReadonlyArray<Outcome> = ['open', 'approved', 'declined', 'cancelled'];
const outcomeOfActivity: ReadonlyMap<string, Outcome> = new Map([
  ['A_APPROVED', 'approved'],
  ['A_DECLINED', 'declined'],
  ['A_CANCELLED', 'cancelled'],
]);

const furthest = ranked(outcomes);

export const outcomeAfter = (before: Outcome, activity: string): Outcome => {
  const reported = outcomeOfActivity.get(activity) ?? 'open';
  return outcomes.indexOf(reported) > outcomes.indexOf(before) ? reported : before;
};

export const openOffers = ({ created, accepted, declined, cancelled }: Offers): number =>
  Math.max(0, created - accepted - declined - cancelled);

/** Declined and cancelled applications leave no offer open. */
export const isAgainst = (result: Outcome): boolean => result === 'declined' || result === 'cancelled';

/** A withdrawal that was asked for is over when its offer is: confirmed by its cancellation, or without object. */
export const settle = (state: Loan): Loan => {
  const open = openOffers(state.offers);
  return state.withdrawalsAsked > open ? { ...state, withdrawalsAsked: open } : state;
};

const each = <K extends string>(keys: ReadonlyArray<K>): { readonly [P in K]: ThreeWay<number> } =>
  Object.fromEntries(keys.map((key) => [key, counter])) as { readonly [P in K]: ThreeWay<number> };

/** Facts of both sides count; what was told and asked is what the trunk told and asked. */
export const mergeFacts: ThreeWay<Loan> = record<Loan>({
  milestones: map(counter, 0),
  offers: record<Offers>(
    each(['selected', 'created', 'sent', 'sentBack', 'accepted', 'declined', 'cancelled']),
  ),
  work: map(record<WorkItem>(each(['scheduled', 'started', 'completed'])), noWork),
  outcome: furthest,
  told: ownedBy('trunk'),
  withdrawalsAsked: ownedBy('trunk'),
});
