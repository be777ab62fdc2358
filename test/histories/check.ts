/** Checks a recorded history: each stream for linearizability, all of them for cycles, and what readers of all streams saw. */
import { comparePositions, type Position } from '../../src/core/stream.js';
import { checkCycles } from '../checkers/cycles.js';
import type { MicroOperation, Transaction } from '../checkers/dependencies.js';
import { byKey, checkLinearizability, explainVerdict, type Operation } from '../checkers/linearizability.js';
import { type StreamInput, streamModel, type StreamOutput } from '../checkers/models.js';
import type { Answer, Batch, History, Reader, Recorded, Seen } from './history.js';

export interface Finding {
  readonly by: 'linearizability' | 'cycles' | 'order';
  readonly words: string;
}

type StreamOperation = Operation<StreamInput & { readonly stream: string }, StreamOutput>;

const outputOf = (answer: Answer, batch: Batch, index: number): StreamOutput | 'nothing' | undefined => {
  switch (answer.f) {
    case 'unknown':
      return undefined;
    case 'appended': {
      const result = answer.results[index];
      return result === undefined
        ? 'nothing'
        : { f: 'appended', version: result.version, idempotent: result.idempotent };
    }
    case 'refused':
      // The other streams of a refused appendMany were left as they were, and nothing is known of them.
      return answer.stream === batch.stream
        ? { f: 'refused', actual: answer.actual, tail: answer.tail }
        : 'nothing';
    case 'failed':
    case 'page':
      return 'nothing';
  }
};

const streamOperations = ({
  call,
  answer,
  calledAt,
  returnedAt,
}: Recorded): ReadonlyArray<StreamOperation> => {
  const times = { calledAt, returnedAt };
  if (call.f === 'append')
    return call.batches.flatMap((batch, index) => {
      const output = outputOf(answer, batch, index);
      const { stream, ids, expected } = batch;
      return output === 'nothing'
        ? []
        : [{ input: { f: 'append', stream, ids, expected }, output, ...times }];
    });
  if (call.f !== 'read' || answer.f !== 'page') return [];
  const output: StreamOutput = { f: 'page', ids: answer.events.map(({ id }) => id), version: answer.version };
  return [{ input: call, output, ...times }];
};

const checkStreams = ({ operations }: History): ReadonlyArray<Finding> =>
  [...byKey(operations.flatMap(streamOperations), ({ stream }) => stream)].flatMap(([stream, own]) => {
    const words = explainVerdict(checkLinearizability(streamModel, own));
    return words === '' ? [] : [{ by: 'linearizability' as const, words: `${stream} is ${words}` }];
  });

/**
 * Each append is a transaction that saw its streams as they stood before it, where it was told a version, and a refused
 * one read the stream that refused it. A repeat and what it repeats are one, from the first call to the last answer.
 */
const transactionsOf = ({ operations, order }: History): ReadonlyArray<Transaction> => {
  const contents = new Map<string, string[]>();
  for (const { stream, id } of order) contents.set(stream, [...(contents.get(stream) ?? []), id]);
  const first = (stream: string, count: number): MicroOperation => ({
    f: 'read',
    key: stream,
    values: (contents.get(stream) ?? []).slice(0, count),
  });
  const attempts = new Map<string, Recorded[]>();
  const reads: Transaction[] = [];
  operations.forEach((recorded, index) => {
    const { process, call, answer, calledAt, returnedAt } = recorded;
    const rest = { process, outcome: 'ok' as const, calledAt, returnedAt };
    if (call.f === 'append') {
      const id = call.batches[0]?.ids[0] ?? '';
      attempts.set(id, [...(attempts.get(id) ?? []), recorded]);
      if (answer.f === 'refused')
        reads.push({
          ...rest,
          name: `refusal ${index} of ${process}`,
          operations: [first(answer.stream, answer.actual)],
        });
    } else if (call.f === 'read' && answer.f === 'page' && answer.events.length === answer.version) {
      const { stream, direction } = call;
      const ids = answer.events.map(({ id }) => id);
      const values = direction === 'forwards' ? ids : ids.reverse();
      reads.push({
        ...rest,
        name: `read ${index} of ${process}`,
        operations: [{ f: 'read', key: stream, values }],
      });
    }
  });
  return [...reads, ...[...attempts.values()].map((some, index) => appendOf(some, index, first))];
};

const appendOf = (
  attempts: ReadonlyArray<Recorded>,
  index: number,
  first: (stream: string, count: number) => MicroOperation,
): Transaction => {
  const [{ call, process, calledAt }] = attempts as readonly [Recorded, ...Recorded[]];
  const batches = call.f === 'append' ? call.batches : [];
  const last = attempts.at(-1) as Recorded;
  const done = attempts.find(({ answer }) => answer.f === 'appended');
  const isOpen = attempts.some(({ answer }) => answer.f === 'unknown');
  const results = done?.answer.f === 'appended' ? done.answer.results : [];
  const operations = batches.flatMap(({ stream, ids }, place): ReadonlyArray<MicroOperation> => {
    const result = results[place];
    const appends = ids.map((value): MicroOperation => ({ f: 'append', key: stream, value }));
    return result === undefined ? appends : [first(stream, result.version - ids.length), ...appends];
  });
  const outcome = done !== undefined ? 'ok' : isOpen ? 'info' : 'fail';
  return {
    name: `append ${index} of ${process}`,
    process,
    outcome,
    operations,
    calledAt,
    returnedAt: (done ?? last).returnedAt,
  };
};

const checkTransactions = (history: History): ReadonlyArray<Finding> =>
  checkCycles(transactionsOf(history), 'realtime').map(({ kind, words }) => ({
    by: 'cycles',
    words: words.startsWith(kind) ? words : `${kind}: ${words}`,
  }));

const shown = ({ stream, version, position, id }: Seen): string =>
  `${stream}@${version} at ${position} (${id})`;

const checkReader = (order: ReadonlyArray<Seen>, { name, seen, toTheEnd }: Reader): ReadonlyArray<string> => {
  const wrong = seen.findIndex(({ id, position }, index) => {
    const other = order[index];
    return other === undefined || other.id !== id || other.position !== position;
  });
  if (wrong >= 0) {
    const other = order[wrong];
    const expected = other === undefined ? 'nothing more' : shown(other);
    return [
      `${name} saw ${shown(seen[wrong] as Seen)} as its event ${wrong + 1}, but the order there has ${expected}`,
    ];
  }
  const missing = order.length - seen.length;
  return toTheEnd && missing > 0
    ? [`${name} missed ${missing} events at the end, ${shown(order[seen.length] as Seen)} first`]
    : [];
};

const checkOrder = (order: ReadonlyArray<Seen>): ReadonlyArray<string> => {
  const versions = new Map<string, number>();
  return order.flatMap((event, index) => {
    const before = order[index - 1];
    const version = (versions.get(event.stream) ?? 0) + 1;
    versions.set(event.stream, event.version);
    const goesBack =
      before !== undefined && comparePositions(before.position as Position, event.position as Position) >= 0;
    return [
      ...(goesBack ? [`${shown(event)} stands behind ${shown(before)}`] : []),
      ...(event.version === version
        ? []
        : [`the order has ${shown(event)} where version ${version} comes next`]),
    ];
  });
};

/** Every acknowledged event is in the order once, where the answer said. */
const checkAcknowledged = ({ operations, order }: History): ReadonlyArray<string> => {
  const places = new Map<string, Seen[]>();
  for (const event of order) places.set(event.id, [...(places.get(event.id) ?? []), event]);
  return operations.flatMap(({ call, answer, process }) => {
    if (call.f !== 'append' || answer.f !== 'appended') return [];
    return call.batches.flatMap(({ ids, stream }, index) => {
      const result = answer.results[index];
      if (result === undefined) return [`${process} got no result for ${stream}`];
      return ids.flatMap((id, place) => {
        const [event, ...others] = places.get(id) ?? [];
        const version = result.version - ids.length + 1 + place;
        if (event === undefined) return [`${id}, acknowledged as ${stream}@${version}, is not in the order`];
        const isAt = event.stream === stream && event.version === version && others.length === 0;
        const isLast = place === ids.length - 1;
        const isPlaced = !isLast || event.position === result.position;
        return isAt && isPlaced
          ? []
          : [
              `${id}, acknowledged as ${stream}@${version} (its batch through ${result.position}), is ${[event, ...others].map(shown).join(' and ')}`,
            ];
      });
    });
  });
};

/** What was acknowledged before another append was called stands before that one's events. */
const checkTime = ({ operations, order }: History): ReadonlyArray<string> => {
  const places = new Map(order.map(({ id }, place) => [id, place]));
  const done = operations.flatMap(({ call, answer, calledAt, returnedAt, process }) => {
    if (call.f !== 'append' || answer.f !== 'appended' || answer.results.some(({ idempotent }) => idempotent))
      return [];
    const own = call.batches.flatMap(({ ids }) => ids.flatMap((id) => places.get(id) ?? []));
    return own.length === 0
      ? []
      : [{ process, calledAt, returnedAt, first: Math.min(...own), last: Math.max(...own) }];
  });
  const byAnswer = done.toSorted((a, b) => a.returnedAt - b.returnedAt);
  let [passed, furthest] = [0, -1];
  return done
    .toSorted((a, b) => a.calledAt - b.calledAt)
    .flatMap(({ process, calledAt, first }) => {
      for (; (byAnswer[passed]?.returnedAt ?? Infinity) < calledAt; passed += 1)
        furthest = Math.max(furthest, byAnswer[passed]?.last ?? -1);
      return furthest > first
        ? [
            `${shown(order[first] as Seen)}, appended by ${process} at ${calledAt}, stands before ${shown(order[furthest] as Seen)}, which was acknowledged by then`,
          ]
        : [];
    });
};

/** Who has read all that there is has seen each `appendMany` as a whole or not at all. */
const checkWhole = ({ operations, order, readers }: History): ReadonlyArray<string> => {
  const places = new Map(order.map(({ id }, place) => [id, place]));
  return operations.flatMap(({ call, answer, process }) => {
    if (call.f !== 'append' || call.batches.length < 2 || answer.f !== 'appended') return [];
    const own = call.batches.flatMap(({ ids }) => ids.flatMap((id) => places.get(id) ?? []));
    const [first, last] = [Math.min(...own), Math.max(...own)];
    const reader = readers.find(({ ends }) => ends.some((end) => first < end && end <= last));
    return reader === undefined
      ? []
      : [
          `${reader.name} had read all there was and seen ${shown(order[first] as Seen)}, but not ${shown(order[last] as Seen)} of the same appendMany of ${process}`,
        ];
  });
};

/** A page has no more events than were asked for, and their versions are those of their places. */
const checkPages = ({ operations }: History): ReadonlyArray<string> =>
  operations.flatMap(({ call, answer, process }) => {
    if (call.f === 'append' || answer.f !== 'page') return [];
    if (answer.events.length > call.maxCount)
      return [`${process} asked for ${call.maxCount} events and got ${answer.events.length}`];
    if (call.f === 'readAll') return [];
    const step = call.direction === 'forwards' ? 1 : -1;
    const start = step === 1 ? (call.from ?? 1) : Math.min(call.from ?? answer.version, answer.version);
    const isWrong = answer.events.some(({ version }, index) => version !== start + index * step);
    return isWrong
      ? [`${process} read ${call.stream} from ${start} and got ${answer.events.map(shown).join(', ')}`]
      : [];
  });

/** The same with events named e1, e2, ... in the order in which they turn up: people have to read what is found. */
const withShortIds = (history: History): History => {
  const names = new Map<string, string>();
  const nameOf = (id: string): string => {
    const name = names.get(id) ?? `e${names.size + 1}`;
    names.set(id, name);
    return name;
  };
  const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
  return JSON.parse(JSON.stringify(history).replaceAll(uuid, nameOf)) as History;
};

export interface Promises {
  /** Readers of the global order see all streams of an `appendMany` at once, as far as pages go. Default true. */
  readonly wholeAppends?: boolean;
}

/** Everything that is wrong with the history; nothing where it is as the port promises. */
export const checkHistory = (
  recorded: History,
  { wholeAppends = true }: Promises = {},
): ReadonlyArray<Finding> => {
  const history = withShortIds(recorded);
  const order = [
    ...checkOrder(history.order),
    ...history.readers.flatMap((reader) => checkReader(history.order, reader)),
    ...checkAcknowledged(history),
    ...checkTime(history),
    ...(wholeAppends ? checkWhole(history) : []),
    ...checkPages(history),
  ];
  return [
    ...checkStreams(history),
    ...checkTransactions(history),
    ...order.map((words): Finding => ({ by: 'order', words })),
  ];
};

/** The findings as one text, at most `max` of each checker. */
export const shownFindings = (findings: ReadonlyArray<Finding>, max = 3): string =>
  (['linearizability', 'cycles', 'order'] as const)
    .flatMap((by) => findings.filter((finding) => finding.by === by).slice(0, max))
    .map(({ by, words }) => `${by}: ${words}`)
    .join('\n');
