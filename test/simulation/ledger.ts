/** The saga that the engine is simulated with, in a form drawn from the seed, the messages for it, and what must come of them. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  type Conflict,
  counter,
  map,
  mergeRefused,
  type MergeAnswer,
  type MergeRefused,
  type ConflictBranch,
  type Fate,
  type OutgoingMessage,
  record,
  saga,
  type SagaMessage,
  type ThreeWay,
} from '../../src/index.js';
import { dice } from '../../src/runtime/dice.js';
import { type Simulated, simulate, type SimulatedEnd } from '../../src/testing/simulation/simulate.js';

const ledgerState = t.type({
  sum: t.number,
  /** How often each message has taken effect. */
  seen: t.record(t.string, t.number),
  told: t.number,
  rung: t.number,
  /** Events that were recorded on another state than they were decided on. */
  misplaced: t.number,
  /** What an impure merger leaves behind. */
  stamp: t.number,
});
type Ledger = t.TypeOf<typeof ledgerState>;

const events = {
  Added: t.type({ by: t.number, id: t.string }),
  Told: t.type({ id: t.string, atSum: t.number }),
  Rung: t.type({ id: t.string }),
};
const messages = {
  Add: t.type({ by: t.number }),
  Tell: t.type({ once: t.boolean }),
  Ask: t.type({ once: t.boolean }),
  Close: t.type({}),
  Idle: t.type({}),
  Break: t.type({}),
  /** Asks for a `Ring`, and under a key for one that can be wound up again or called off. */
  Wait: t.type({ forMs: t.number, key: t.string, again: t.number }),
  Unwait: t.type({ key: t.string }),
  /** Comes by timeout; `again` times it asks for the next one. */
  Ring: t.type({ forMs: t.number, key: t.string, again: t.number }),
};
const sends = {
  Notice: t.type({ id: t.string }),
  Instead: t.type({ of: t.string }),
  Question: t.type({ id: t.string }),
  Closed: t.type({ sum: t.number }),
  Undo: t.type({ id: t.string }),
};

type LedgerEvent =
  | { readonly type: 'Added'; readonly data: t.TypeOf<typeof events.Added> }
  | { readonly type: 'Told'; readonly data: t.TypeOf<typeof events.Told> }
  | { readonly type: 'Rung'; readonly data: t.TypeOf<typeof events.Rung> };

const rule = record<Ledger>({
  sum: counter,
  seen: map(counter, 0) as ThreeWay<Ledger['seen']>,
  told: counter,
  rung: counter,
  misplaced: counter,
  stamp: { description: 'ours', merge: (_base, ours) => E.right(ours) },
});

/** What the seed decides about the saga itself. */
export interface Form {
  readonly onConflict: 'merge' | 'retry' | 'reject';
  /** Completes by itself once so much has been added. */
  readonly goal: number | undefined;
  readonly commutes: boolean;
  readonly late: 'absorb' | 'reopen' | 'reject';
  /** The merger decides on held notices itself. */
  readonly decides: boolean;
  readonly compensates: boolean;
  /** How the first version of the merger is broken, until it is mended. */
  readonly fault: 'none' | 'refuses' | 'throws' | 'impure';
  readonly sagas: number;
  readonly count: number;
  /** It asks for timeouts. */
  readonly waits: boolean;
}

/** Share of the seeds whose saga asks for timeouts. */
const waitsShare = 0.2;

const drawForm = (random: () => number): Form => {
  const answer = random();
  const fault = random();
  const waits = random() < waitsShare;
  // A saga that is parked asks its timeouts to come again after a minute: nothing happens until then, in many steps.
  const isSound = fault < 0.7 || (waits && random() < 0.8);
  return {
    onConflict: answer < 0.84 ? 'merge' : answer < 0.92 ? 'retry' : 'reject',
    goal: random() < 0.3 ? 3 + Math.floor(6 * random()) : undefined,
    commutes: random() < 0.4,
    late: (['absorb', 'reopen', 'reject'] as const)[Math.floor(3 * random())] ?? 'absorb',
    decides: random() < 0.4,
    compensates: random() < 0.4,
    fault: isSound ? 'none' : fault < 0.8 ? 'refuses' : fault < 0.9 ? 'throws' : 'impure',
    sagas: random() < 0.8 ? 1 : 2,
    count: 2 + Math.floor(7 * random()),
    waits,
  };
};

const fateOf = ({ type, data }: OutgoingMessage): Fate | undefined => {
  if (type !== 'Notice') return undefined;
  const { id } = data as { id: string };
  const place = Number(id.slice(1)) % 3;
  if (place === 0) return 'cancel';
  return place === 1 ? { replaceWith: { type: 'Instead', data: { of: id } } } : undefined;
};

const mergeLedger =
  (form: Form, isMended: boolean, stamp: () => number) =>
  (conflict: Conflict<Ledger, LedgerEvent>): E.Either<MergeRefused, MergeAnswer<Ledger, LedgerEvent>> => {
    const isOdd = conflict.branches.some(
      ({ cause }: ConflictBranch<Ledger, LedgerEvent>) => cause.type === 'Tell',
    );
    if (!isMended && isOdd && form.fault === 'refuses')
      return E.left(mergeRefused('not before it is mended'));
    if (!isMended && isOdd && form.fault === 'throws') throw new Error('not before it is mended');
    let state = conflict.current;
    for (const branch of conflict.branches) {
      const merged = rule.merge(branch.base, state, branch.state);
      if (E.isLeft(merged)) return E.left(mergeRefused('parts', []));
      state = merged.right;
    }
    if (!isMended && form.fault === 'impure') state = { ...state, stamp: stamp() };
    return E.right({ state, late: form.late, ...(form.decides && { messages: fateOf }) });
  };

/** A timeout; an empty key is none. */
const ring = (forMs: number, key: string, again: number) => {
  const timeout = { type: 'Ring', data: { forMs, key, again }, afterMs: forMs } as const;
  return key === '' ? timeout : { ...timeout, key };
};

const ledgerSaga = (form: Form, isMended: boolean) => {
  const { goal, onConflict } = form;
  let stamps = 0;
  const merge = mergeLedger(form, isMended, () => (stamps += 1));
  const isReached = (sum: number): boolean => goal !== undefined && sum >= goal;
  const closed = (sum: number) => ({ type: 'Closed', data: { sum }, key: 'closed' }) as const;
  return saga({
    name: 'ledger',
    messages,
    events,
    sends,
    state: ledgerState,
    initialState: { sum: 0, seen: {}, told: 0, rung: 0, misplaced: 0, stamp: 0 },
    evolve: {
      Added: (state, { by, id }) => ({
        ...state,
        sum: state.sum + by,
        seen: { ...state.seen, [id]: (state.seen[id] ?? 0) + 1 },
      }),
      Told: (state, { id, atSum }) => ({
        ...state,
        told: state.told + 1,
        seen: { ...state.seen, [id]: (state.seen[id] ?? 0) + 1 },
        misplaced: state.misplaced + (atSum === state.sum ? 0 : 1),
      }),
      Rung: (state, { id }) => ({
        ...state,
        rung: state.rung + 1,
        seen: { ...state.seen, [id]: (state.seen[id] ?? 0) + 1 },
      }),
    },
    react: {
      Add: (state, { by }, { messageId }) => {
        const isDone = isReached(state.sum + by);
        return {
          events: [{ type: 'Added', data: { by, id: messageId } }],
          send: isDone ? [closed(state.sum + by)] : [],
          complete: isDone,
        };
      },
      Tell: (state, { once }, { messageId }) => ({
        events: [{ type: 'Told', data: { id: messageId, atSum: state.sum } }],
        send: [{ type: 'Notice', data: { id: messageId }, ...(once && { key: 'notice' }) }],
      }),
      Ask: (_state, { once }, { messageId }) => ({
        send: [{ type: 'Question', data: { id: messageId }, ...(once && { key: 'question' }) }],
      }),
      Close: (state) => ({ send: [closed(state.sum)], complete: true }),
      Idle: () => ({}),
      Break: () => {
        throw new Error('the handler broke');
      },
      Wait: (_state, { forMs, key, again }) => ({ timeouts: [ring(forMs, key, again)] }),
      Unwait: (_state, { key }) => ({ cancelTimeouts: [key] }),
      Ring: (_state, { forMs, key, again }, { messageId }) => ({
        // One that decides nothing is delivered once all the same.
        events: again === 1 ? [] : [{ type: 'Rung', data: { id: messageId } }],
        timeouts: again > 0 ? [ring(forMs, key, again - 1)] : [],
      }),
    },
    // What an Add decides depends on the sum only where there is a goal.
    commuting: { Added: form.commutes && goal === undefined ? ['Added', 'Told'] : [] },
    ...(onConflict === 'merge' ? { onConflict, merge } : { onConflict }),
    mergerVersion: isMended ? '2' : '1',
    onMerged: ({ state, conflict }) =>
      isReached(state.sum)
        ? { send: [closed(state.sum)], complete: true }
        : { complete: conflict.branches.some(({ completes }) => completes) },
    compensate: ({ released }) =>
      form.compensates
        ? released
            .filter(({ type }) => type === 'Notice')
            .map(({ id, data }) => ({ hook: 'undo', of: id, data }))
        : [],
    hooks: { undo: (data: { id: string }) => ({ send: [{ type: 'Undo', data: { id: data.id } }] }) },
  });
};

const drawMessage = (random: () => number, form: Form, number: number): SagaMessage<never> => {
  const draw = random();
  const at = { id: `m${number}`, sagaId: random() < 1 / form.sagas ? 'a' : 'b' };
  const of = (type: string, data: object = {}) => ({ ...at, type, data }) as unknown as SagaMessage<never>;
  if (form.waits && random() < 0.5) {
    const key = random() < 0.6 ? 'clock' : '';
    if (random() < 0.3) return of('Unwait', { key: 'clock' });
    const again = random() < 0.3 ? Math.floor(3 * random()) : 0;
    return of('Wait', { forMs: Math.floor(250 * random() * random()), key, again });
  }
  if (draw < 0.5) return of('Add', { by: 1 + Math.floor(3 * random()) });
  if (draw < 0.75) return of('Tell', { once: random() < 0.5 });
  if (draw < 0.85) return of('Ask', { once: random() < 0.5 });
  if (draw < 0.92) return form.goal === undefined ? of('Close') : of('Add', { by: 1 });
  return draw < 0.96 ? of('Idle') : of('Break');
};

const must = (isSo: boolean, broken: string): void => {
  if (!isSo) throw new Error(broken);
};

/** What each end must be, whatever the order was. */
const checkEnds =
  (form: Form, sent: ReadonlyArray<SagaMessage<never>>) =>
  (ends: ReadonlyArray<SimulatedEnd<Ledger>>): void => {
    const byId = new Map(sent.map((message) => [message.id, message as unknown as SagaMessage]));
    for (const { sagaId, view, handled, sent: left, completions } of ends) {
      const { sum, seen, told, rung, misplaced } = view.state;
      const typeOf = (id: string): string => byId.get(id)?.type ?? '';
      const ids = Object.keys(seen);
      must(
        ids.every((id) => seen[id] === 1),
        `${sagaId}: a message counts more than once in the state`,
      );
      must(
        ids.every((id) => handled.includes(id)),
        `${sagaId}: the state holds a message that the stream does not`,
      );
      const mayMiss = form.late === 'reject' && completions > 0;
      const lacking = handled.filter((id) => ['Add', 'Tell'].includes(typeOf(id)) && seen[id] === undefined);
      must(mayMiss || lacking.length === 0, `${sagaId}: the state lacks ${lacking.join(', ')}`);
      const added = ids.filter((id) => typeOf(id) === 'Add');
      const expected = added.reduce((total, id) => total + (byId.get(id)?.data as { by: number }).by, 0);
      must(sum === expected, `${sagaId}: the sum is ${sum}, and its messages add up to ${expected}`);
      const tellings = ids.filter((id) => typeOf(id) === 'Tell').length;
      must(told === tellings, `${sagaId}: told ${told} times`);
      const rings = ids.length - added.length - tellings;
      must(rung === rings && (form.waits || rings === 0), `${sagaId}: rung ${rung} times`);
      must(misplaced === 0, `${sagaId}: an event stands on a state that it was not decided on`);
      const isReached = form.goal !== undefined && sum >= form.goal;
      must(
        form.goal === undefined || isReached === view.completed,
        `${sagaId}: the goal is ${isReached ? '' : 'not '}reached, and the saga has ${view.completed ? '' : 'not '}completed`,
      );
      const closings = left.filter(({ type }) => type === 'Closed').length;
      must(closings === completions, `${sagaId}: ${completions} completions sent ${closings} messages`);
      for (const id of ids.filter(
        (id) => typeOf(id) === 'Tell' && !(byId.get(id)?.data as { once: boolean }).once,
      )) {
        const notices = left.filter(
          ({ type, data }) =>
            (type === 'Notice' && (data as { id: string }).id === id) ||
            (type === 'Instead' && (data as { of: string }).of === id),
        ).length;
        must(notices === 1 || (form.decides && notices === 0), `${sagaId}: ${notices} notices of ${id}`);
      }
    }
  };

/** What one seed runs. */
export const ledgerOf = (seed: number) => {
  // Of its own: what the simulation draws later does not change which saga and messages a seed has.
  const random = dice(seed ^ 0x5eed);
  for (let turn = 0; turn < 4; turn += 1) random();
  const form = drawForm(random);
  const first = ledgerSaga(form, false);
  const mended = form.fault === 'none' || form.onConflict !== 'merge' ? first : ledgerSaga(form, true);
  const all = Array.from({ length: form.count }, (_, index) => drawMessage(random, form, index + 1));
  return { form, saga: first, mended, messages: all, check: checkEnds(form, all) };
};

/** Runs one seed. Rejects with `SimulationFailed` where a promise is broken. */
export const simulateLedger = (seed: number): Promise<Simulated<Ledger>> => {
  const { saga: first, mended, messages: all, check } = ledgerOf(seed);
  return simulate(first, {
    messages: all,
    seed,
    mended,
    check,
    replay: (of) => `npm run sim -- --seed ${of}`,
  });
};
