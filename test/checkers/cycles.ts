/**
 * Finds what no serial order of transactions over lists can explain, and names it as Adya does: G0, G1a, G1b, G1c,
 * G-single, G2-item; with the order of time or of processes added, the same with that order in the name.
 */
import {
  dependenciesOf,
  type DirectAnomalyKind,
  type Edge,
  type EdgeKind,
  type Transaction,
} from './dependencies.js';
import { cyclicEdges, outOf, shortestWay } from './graph.js';

/** Only writes; writes and what was seen; one read that did not see; several. */
export type CycleKind = 'G0' | 'G1c' | 'G-single' | 'G2-item';
export type Order = 'process' | 'realtime';

export interface Anomaly {
  readonly kind: DirectAnomalyKind | CycleKind | `${CycleKind}-${Order}`;
  /** The anomaly, and for a cycle each of its steps. */
  readonly words: string;
  /** The steps of a cycle: a shortest of its kind. */
  readonly cycle?: ReadonlyArray<Edge>;
}

/** Which edges a cycle of a kind is closed with, and which it goes back along. */
const kinds: ReadonlyArray<readonly [CycleKind, closing: EdgeKind, along: ReadonlyArray<EdgeKind>]> = [
  ['G0', 'ww', ['ww']],
  ['G1c', 'wr', ['ww', 'wr']],
  ['G-single', 'rw', ['ww', 'wr']],
  ['G2-item', 'rw', ['ww', 'wr', 'rw']],
];

/** A shortest cycle through an edge of one kind, back along others. */
const shortestCycle = (
  closing: ReadonlyArray<Edge>,
  along: ReadonlyArray<Edge>,
  isMeant: (cycle: ReadonlyArray<Edge>) => boolean,
): ReadonlyArray<Edge> | undefined => {
  const out = outOf(along);
  let best: ReadonlyArray<Edge> | undefined;
  for (const edge of closing) {
    const back = shortestWay(out, edge.to, edge.from);
    if (back === undefined || (best !== undefined && back.length + 1 >= best.length)) continue;
    const cycle = [edge, ...back];
    if (isMeant(cycle)) best = cycle;
  }
  return best;
};

/**
 * Between two transactions only the edge that weighs most: a cycle along `ww` is one of writes, whatever was read besides.
 */
const heaviest = (edges: ReadonlyArray<Edge>): ReadonlyArray<Edge> => {
  const weight = ['ww', 'wr', 'rw'];
  const pairs = new Map<string, Edge>();
  for (const edge of edges) {
    const pair = `${edge.from} ${edge.to}`;
    const other = pairs.get(pair);
    if (other === undefined || weight.indexOf(edge.kind) < weight.indexOf(other.kind)) pairs.set(pair, edge);
  }
  return [...pairs.values()];
};

const findCycles = (edges: ReadonlyArray<Edge>, order: Order | undefined): ReadonlyArray<Anomaly> => {
  const cyclic = cyclicEdges(edges);
  if (cyclic.length === 0) return [];
  return kinds.flatMap(([kind, closing, along]) => {
    const isMeant = (cycle: ReadonlyArray<Edge>): boolean =>
      kind !== 'G2-item' || cycle.filter((edge) => edge.kind === 'rw').length > 1;
    const cycle = shortestCycle(
      cyclic.filter((edge) => edge.kind === closing),
      cyclic.filter((edge) => edge.kind === order || along.includes(edge.kind)),
      isMeant,
    );
    if (cycle === undefined) return [];
    const name = order === undefined ? kind : (`${kind}-${order}` as const);
    const steps = cycle.map((edge) => `  ${edge.words} (${edge.kind})`);
    return [{ kind: name, words: [`${name}, a cycle of ${cycle.length}:`, ...steps].join('\n'), cycle }];
  });
};

const known = (transactions: ReadonlyArray<Transaction>): ReadonlyArray<readonly [number, Transaction]> =>
  [...transactions.entries()].filter(([, { outcome }]) => outcome !== 'fail');

const before = (transactions: ReadonlyArray<Transaction>, from: number, to: number, kind: Order): Edge => ({
  from,
  to,
  kind,
  words: `${transactions[from]?.name} was answered before ${transactions[to]?.name} was called`,
});

/** From each transaction to those that were called after its answer, without those that follow from others. */
const realtimeEdges = (transactions: ReadonlyArray<Transaction>): ReadonlyArray<Edge> => {
  const moments = known(transactions).flatMap(([index, { calledAt, returnedAt, outcome }]) => [
    { at: calledAt, isCall: true, index },
    // What nobody was told of may still happen later.
    ...(outcome === 'ok' ? [{ at: returnedAt, isCall: false, index }] : []),
  ]);
  moments.sort((a, b) => a.at - b.at || Number(b.isCall) - Number(a.isCall));
  const edges: Edge[] = [];
  let done: ReadonlyArray<number> = [];
  const doneAtCall = new Map<number, ReadonlySet<number>>();
  for (const { isCall, index } of moments) {
    if (isCall) {
      doneAtCall.set(index, new Set(done));
      for (const earlier of done) edges.push(before(transactions, earlier, index, 'realtime'));
    } else done = [...done.filter((other) => !doneAtCall.get(index)?.has(other)), index];
  }
  return edges;
};

/** From each transaction of a process to its next. */
const processEdges = (transactions: ReadonlyArray<Transaction>): ReadonlyArray<Edge> => {
  const last = new Map<string, number>();
  const edges: Edge[] = [];
  for (const [index, { process, outcome }] of known(transactions).toSorted(
    (a, b) => a[1].calledAt - b[1].calledAt,
  )) {
    const earlier = last.get(process);
    if (earlier !== undefined) edges.push(before(transactions, earlier, index, 'process'));
    if (outcome === 'ok') last.set(process, index);
  }
  return edges;
};

/**
 * All anomalies of a history, one of each kind of cycle. With `order` the answer must also agree with the order of each
 * process, or with that of time; asked only where there is no cycle without it.
 */
export const checkCycles = (
  transactions: ReadonlyArray<Transaction>,
  order?: Order,
): ReadonlyArray<Anomaly> => {
  const { anomalies, edges: all } = dependenciesOf(transactions);
  const edges = heaviest(all);
  const cycles = findCycles(edges, undefined);
  if (order === undefined || cycles.length > 0) return [...anomalies, ...cycles];
  const added = order === 'process' ? processEdges(transactions) : realtimeEdges(transactions);
  return [...anomalies, ...findCycles([...edges, ...added], order)];
};
