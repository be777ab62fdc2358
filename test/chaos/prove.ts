/** What must be so when a round is over, read from the store alone and held against the driver's ledger. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../src/core/fault.js';
import { type EventStore, type RecordedEvent, recordTypes, startPosition } from '../../src/index.js';
import { sagaLog } from '../../src/core/saga/saga-log.js';
import type { SqlStore } from '../../src/adapters/postgres/index.js';
import type { Ledger } from './delivery.js';
import { fenceOf } from './marks.js';
import { chaosQueue } from './queue-side.js';
import { register, tally, type Task } from './workload.js';

export interface Proof {
  /** What is not as it must be; empty where all is. */
  readonly problems: ReadonlyArray<string>;
  readonly figures: Record<string, number>;
}

const right = <A>(result: E.Either<{ readonly _tag: string }, A>): A => {
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

export const everyEvent = async (store: EventStore): Promise<ReadonlyArray<RecordedEvent>> => {
  const all: RecordedEvent[] = [];
  for (let after = startPosition; ; ) {
    const page = right(await store.readAll({ after, maxCount: 4_096 })());
    all.push(...page.events);
    if (page.isEnd) return all;
    after = page.last;
  }
};

const grouped = <A>(
  items: ReadonlyArray<A>,
  keyOf: (item: A) => string,
): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, A[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
};

const effectTypes: ReadonlySet<string> = new Set(['Added', 'Told', ...Object.keys(register.events), 'Done']);

/** The message that an effect is one of; what a queue's handler leaves names it in its data. */
export const causeOf = ({ type, data, metadata }: RecordedEvent): string =>
  (type === 'Done' ? (data as { readonly of: string }).of : metadata.causationId) ?? '';

/** Effects of the messages of one key, in the order of its stream: each once, of all that were sent, in order where order was asked for. */
const checkEffects = (
  tasks: ReadonlyArray<Task>,
  events: ReadonlyArray<RecordedEvent>,
  acknowledged: ReadonlySet<string>,
): ReadonlyArray<string> => {
  const ids = events.filter(({ type }) => effectTypes.has(type)).map(causeOf);
  const problems: string[] = [];
  const times = grouped(ids, (id) => id);
  const withEffect = tasks.filter(({ type }) => type !== 'Close');
  const known = new Set(withEffect.map(({ id }) => id));
  for (const { id } of withEffect) {
    const count = times.get(id)?.length ?? 0;
    if (count === 0)
      problems.push(`${id} ${acknowledged.has(id) ? 'was acknowledged and ' : ''}has no effect`);
    if (count > 1) problems.push(`${id} has ${count} effects`);
  }
  for (const id of times.keys()) if (!known.has(id)) problems.push(`an effect of ${id}, which nobody sent`);
  const orderly = withEffect.filter(({ ordered }) => ordered).map(({ id }) => id);
  const found = ids.filter((id) => orderly.includes(id));
  const last = orderly.length === 0 ? '' : orderly.join();
  if (problems.length === 0 && found.join() !== last)
    problems.push(`${withEffect[0]?.kind}-${withEffect[0]?.key}: handled in the order ${found.join()}`);
  return problems;
};

interface SagaProof {
  readonly problems: ReadonlyArray<string>;
  /** What it released, in order. */
  readonly released: ReadonlyArray<{ readonly id: string; readonly text: string }>;
}

const checkSaga = (
  sagaId: string,
  tasks: ReadonlyArray<Task>,
  events: ReadonlyArray<RecordedEvent>,
): SagaProof => {
  const log = sagaLog(tally);
  right(log.advance(events));
  const view = log.view();
  const owed = log.owed();
  const adds = tasks.filter(({ type }) => type === 'Add');
  const tells = tasks.filter(({ type }) => type === 'Tell');
  const sum = adds.reduce((total, { by }) => total + by, 0);
  const problems: string[] = [];
  const must = (isSo: boolean, what: string): void => void (isSo || problems.push(`saga ${sagaId}: ${what}`));
  must(view.completed, 'is not finished');
  must(view.parked === undefined, 'is parked');
  must(view.pending.length === 0, `${view.pending.length} branches wait`);
  must(owed.merges.length === 0, `${owed.merges.length} merges are owed`);
  must(owed.compensations.length === 0, `${owed.compensations.length} compensations are owed`);
  must(view.state.sum === sum, `the sum is ${view.state.sum}, and its messages add up to ${sum}`);
  const doubled = Object.entries(view.state.seen).filter(([, count]) => count !== 1);
  must(doubled.length === 0, `its state counts ${doubled.map(([id]) => id).join(', ')} more than once`);
  must(owed.timeouts.length === 0, `${owed.timeouts.length} timeouts are owed`);
  const reminded = (id: string): number =>
    events.filter(({ type, data }) => type === 'Reminded' && (data as { of: string }).of === id).length;
  for (const { data, fate } of log.timeouts().byId.values()) {
    const { of } = data as { readonly of: string };
    const count = reminded(of);
    must(
      count === (fate === 'delivered' ? 1 : 0),
      `the timeout of ${of} is ${fate}, and was handled ${count} times`,
    );
    must((view.state.reminded[of] ?? 0) === count, `its state counts the timeout of ${of} wrongly`);
  }
  must(
    log.timeouts().byId.size === tells.length,
    `${log.timeouts().byId.size} timeouts of ${tells.length} messages`,
  );
  const left = (type: string, id?: string): number =>
    owed.messages.filter(
      (one) => one.type === type && (id === undefined || (one.data as { id: string }).id === id),
    ).length;
  must(left('Closed') === 1, `${left('Closed')} messages that it is closed`);
  for (const { id } of tells) must(left('Notice', id) === 1, `${left('Notice', id)} notices of ${id}`);
  const released = owed.messages.map(({ id, type, data }) => ({ id, text: JSON.stringify([type, data]) }));
  return { problems, released };
};

/** What one subscriber was handed: without repeats it is exactly what the sagas released, in each saga's order. */
const checkDispatched = (
  subscriber: string,
  taken: ReadonlyArray<{ readonly id: string; readonly sagaId: string; readonly text: string }>,
  released: ReadonlyMap<string, SagaProof['released']>,
): ReadonlyArray<string> => {
  const problems: string[] = [];
  const bySaga = grouped(taken, ({ sagaId }) => sagaId);
  for (const sagaId of new Set([...bySaga.keys(), ...released.keys()])) {
    const first = new Map<string, string>();
    for (const { id, text } of bySaga.get(sagaId) ?? []) {
      const known = first.get(id);
      if (known === undefined) first.set(id, text);
      else if (known !== text)
        problems.push(`${subscriber}: ${id} of ${sagaId} was ${known} and then ${text}`);
    }
    const got = [...first].map(([id, text]) => `${id} ${text}`);
    const due = (released.get(sagaId) ?? []).map(({ id, text }) => `${id} ${text}`);
    const lost = due.filter((one) => !got.includes(one));
    const more = got.filter((one) => !due.includes(one));
    if (lost.length > 0) problems.push(`${subscriber}: never handed ${lost.join(', ')} of ${sagaId}`);
    if (more.length > 0)
      problems.push(`${subscriber}: handed ${more.join(', ')}, which ${sagaId} never released`);
    if (lost.length + more.length === 0 && got.join() !== due.join())
      problems.push(`${subscriber}: messages of ${sagaId} came in the order ${got.join()}`);
  }
  return problems;
};

/** Events written under a token of a lease, after another was written under a later token of it. */
const staleWrites = (events: ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const newest = new Map<string, number>();
  const stale: string[] = [];
  for (const { metadata, streamName, version } of events) {
    const fence = fenceOf(metadata);
    if (fence === undefined) continue;
    const { lease, token } = fence;
    const last = newest.get(lease) ?? 0;
    if (token < last)
      stale.push(`${streamName} ${version} was written under token ${token} of ${lease}, after ${last}`);
    newest.set(lease, Math.max(last, token));
  }
  return stale;
};

const kindOfStream: Record<string, string> = {
  tally: 'saga',
  register: 'command',
  work: 'queue',
  echo: 'echo',
};

/** What is left in the queue, and may not be. */
const checkQueue = async ({ queue }: SqlStore): Promise<ReadonlyArray<string>> => {
  const depths = right(await queue.depths(chaosQueue, 1)());
  const letters = right(await queue.deadLetters.list({ queue: chaosQueue })());
  return [
    ...depths.filter(({ depth }) => depth > 0).map(({ depth }) => `${depth} messages are left in the queue`),
    ...letters.map(({ id, history }) => `${id} is parked: ${history.at(-1)?.error}`),
  ];
};

/** Reads everything and judges it. */
export const prove = async (
  store: SqlStore,
  tasks: ReadonlyArray<Task>,
  { acknowledged, dispatched, wrong }: Ledger,
  subscribers: ReadonlyArray<string>,
): Promise<Proof> => {
  const all = await everyEvent(store);
  const streams = grouped(all, ({ streamName }) => {
    const dash = streamName.indexOf('-');
    return `${kindOfStream[streamName.slice(0, dash)]}/${streamName.slice(dash + 1)}`;
  });
  const problems = [...wrong];
  const released = new Map<string, SagaProof['released']>();
  for (const [key, group] of grouped(tasks, (task) => `${task.kind}/${task.key}`)) {
    const events = streams.get(key) ?? [];
    problems.push(...checkEffects(group, events, acknowledged));
    const { kind, key: sagaId } = group[0] as Task;
    // What follows each message of a queue must have happened too, once and in the same order.
    if (kind === 'queue')
      problems.push(...checkEffects(group, streams.get(`echo/${sagaId}`) ?? [], acknowledged));
    if (kind !== 'saga') continue;
    const proof = checkSaga(sagaId, group, events);
    problems.push(...proof.problems);
    released.set(sagaId, proof.released);
  }
  for (const subscriber of subscribers)
    problems.push(...checkDispatched(subscriber, dispatched.get(subscriber) ?? [], released));
  problems.push(...(await checkQueue(store)));
  const stale = staleWrites(all);
  problems.push(...stale);
  const count = (type: string): number => all.filter((event) => event.type === type).length;
  const handed = [...dispatched.values()].reduce((total, taken) => total + taken.length, 0);
  const due = [...released.values()].reduce((total, messages) => total + messages.length, 0);
  return {
    problems,
    figures: {
      messages: tasks.length,
      sagas: released.size,
      events: all.length,
      effects: all.filter(({ type }) => effectTypes.has(type)).length,
      branches: count(recordTypes.mergeSagaState),
      merges: count(recordTypes.sagaMerged),
      compensations: count(recordTypes.compensationApplied),
      timeouts: count('Reminded'),
      timeoutsIgnored: count(recordTypes.sagaTimeoutIgnored),
      released: due,
      dispatched: handed,
      dispatchedAgain: handed - due * subscribers.length,
      staleWrites: stale.length,
    },
  };
};
