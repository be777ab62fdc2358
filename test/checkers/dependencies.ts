/**
 * What transactions over lists tell about their order. Appends of unique values make it known: a list that is read shows
 * who wrote before whom, whom the reader saw, and whom it did not see.
 */

export type Value = string | number;
export type MicroOperation =
  | { readonly f: 'append'; readonly key: string; readonly value: Value }
  /** `values` is the whole list, oldest first; `undefined` where the answer is not known. */
  | { readonly f: 'read'; readonly key: string; readonly values: ReadonlyArray<Value> | undefined };

/** `ok`: it happened. `fail`: it did not. `info`: nobody knows. */
export type TransactionOutcome = 'ok' | 'fail' | 'info';

export interface Transaction {
  /** For people. */
  readonly name: string;
  readonly process: string;
  readonly outcome: TransactionOutcome;
  readonly operations: ReadonlyArray<MicroOperation>;
  readonly calledAt: number;
  readonly returnedAt: number;
}

/** `ww`: wrote before; `wr`: was seen by; `rw`: did not see; `process`, `realtime`: was over before the other was called. */
export type EdgeKind = 'ww' | 'wr' | 'rw' | 'process' | 'realtime';

export interface Edge {
  /** Index of a transaction. */
  readonly from: number;
  readonly to: number;
  readonly kind: EdgeKind;
  readonly words: string;
}

export type DirectAnomalyKind =
  | 'duplicate append'
  | 'duplicate value'
  | 'unknown value'
  | 'internal'
  | 'incompatible orders'
  | 'G1a'
  | 'G1b';

export interface DirectAnomaly {
  readonly kind: DirectAnomalyKind;
  readonly words: string;
}

interface Read {
  readonly reader: number;
  readonly values: ReadonlyArray<Value>;
}

/** All that is known of one list. */
interface List {
  readonly key: string;
  /** Which transaction appended a value. */
  readonly writers: Map<Value, number>;
  /** A transaction's last value; what others see before it is a state that never was to be seen. */
  readonly lastOf: Map<number, Value>;
  readonly reads: Read[];
}

const isPrefix = (a: ReadonlyArray<Value>, b: ReadonlyArray<Value>): boolean =>
  a.length <= b.length && a.every((value, index) => value === b[index]);

const shown = (values: ReadonlyArray<Value>): string =>
  `[${values.length > 8 ? `.. ${values.slice(-8).join(' ')}` : values.join(' ')}]`;

const collect = (
  transactions: ReadonlyArray<Transaction>,
  anomalies: DirectAnomaly[],
): ReadonlyArray<List> => {
  const lists = new Map<string, List>();
  const listOf = (key: string): List => {
    const list = lists.get(key) ?? { key, writers: new Map(), lastOf: new Map(), reads: [] };
    lists.set(key, list);
    return list;
  };
  transactions.forEach(({ name, outcome, operations }, index) => {
    for (const operation of operations) {
      const list = listOf(operation.key);
      if (operation.f === 'append') {
        const other = list.writers.get(operation.value);
        if (other !== undefined)
          anomalies.push({
            kind: 'duplicate append',
            words: `${transactions[other]?.name} and ${name} both append ${operation.value} to ${operation.key}: this history cannot be judged`,
          });
        list.writers.set(operation.value, index);
        list.lastOf.set(index, operation.value);
      } else if (outcome === 'ok' && operation.values !== undefined)
        list.reads.push({ reader: index, values: operation.values });
    }
  });
  return [...lists.values()];
};

/** A transaction sees what it wrote and read itself. */
const checkInternal = ({ name, operations }: Transaction, anomalies: DirectAnomaly[]): void => {
  const known = new Map<string, { readonly whole: boolean; readonly values: ReadonlyArray<Value> }>();
  for (const operation of operations) {
    const before = known.get(operation.key) ?? { whole: false, values: [] };
    if (operation.f === 'append') {
      known.set(operation.key, { ...before, values: [...before.values, operation.value] });
      continue;
    }
    if (operation.values === undefined) continue;
    const end = operation.values.slice(operation.values.length - before.values.length);
    const from = before.whole ? operation.values : end;
    if (from.length !== before.values.length || !isPrefix(before.values, from))
      anomalies.push({
        kind: 'internal',
        words: `${name} reads ${operation.key} as ${shown(operation.values)}, but its own operations before that leave ${before.whole ? '' : '.. '}${shown(before.values)}`,
      });
    known.set(operation.key, { whole: true, values: operation.values });
  }
};

const checkReads = (
  list: List,
  transactions: ReadonlyArray<Transaction>,
  anomalies: DirectAnomaly[],
): void => {
  const nameOf = (index: number): string => transactions[index]?.name ?? '?';
  const told = new Set<string>();
  const tell = (kind: DirectAnomalyKind, value: Value, words: string): void => {
    if (told.has(`${kind} ${value}`)) return;
    told.add(`${kind} ${value}`);
    anomalies.push({ kind, words });
  };
  for (const { reader, values } of list.reads) {
    const what = `${nameOf(reader)} reads ${list.key} as ${shown(values)}`;
    const seen = new Set<Value>();
    for (const value of values) {
      const writer = list.writers.get(value);
      if (seen.has(value)) tell('duplicate value', value, `${what}, with ${value} twice`);
      seen.add(value);
      if (writer === undefined) tell('unknown value', value, `${what}, but nobody appended ${value}`);
      else if (transactions[writer]?.outcome === 'fail')
        tell('G1a', value, `${what}, but ${nameOf(writer)}, which appended ${value}, did not happen`);
    }
    const last = values.at(-1);
    const writer = last === undefined ? undefined : list.writers.get(last);
    if (last === undefined || writer === undefined || writer === reader) continue;
    const final = list.lastOf.get(writer);
    if (final !== last)
      tell(
        'G1b',
        last,
        `${what}, but ${nameOf(writer)} appended ${final} after ${last}: its middle was seen`,
      );
  }
};

/** The longest read is the list's order; every other read must be its beginning. */
const orderOf = (
  list: List,
  transactions: ReadonlyArray<Transaction>,
  anomalies: DirectAnomaly[],
): ReadonlyArray<Value> => {
  let longest: Read = { reader: -1, values: [] };
  for (const read of list.reads) if (read.values.length > longest.values.length) longest = read;
  const other = list.reads.find((read) => !isPrefix(read.values, longest.values));
  if (other !== undefined)
    anomalies.push({
      kind: 'incompatible orders',
      words: `${transactions[longest.reader]?.name} reads ${list.key} as ${shown(longest.values)}, ${transactions[other.reader]?.name} as ${shown(other.values)}: neither is the beginning of the other`,
    });
  return longest.values;
};

const edgesOf = (
  list: List,
  order: ReadonlyArray<Value>,
  transactions: ReadonlyArray<Transaction>,
): ReadonlyArray<Edge> => {
  const edges: Edge[] = [];
  const nameOf = (index: number): string => transactions[index]?.name ?? '?';
  const observed = new Set(order);
  const { key, writers } = list;
  const add = (from: number | undefined, to: number | undefined, kind: EdgeKind, words: string): void => {
    if (from !== undefined && to !== undefined && from !== to) edges.push({ from, to, kind, words });
  };
  // What happened and is in no read stands behind all that was read.
  const unread = [...writers].filter(
    ([value, writer]) => !observed.has(value) && transactions[writer]?.outcome === 'ok',
  );
  const follow = (value: Value | undefined, next: Value, writer: number | undefined): void => {
    if (value === undefined || writer === undefined) return;
    const from = writers.get(value);
    add(
      from,
      writer,
      'ww',
      `${nameOf(writer)} appended ${next} to ${key} behind ${value} of ${nameOf(from ?? -1)}`,
    );
  };
  order.slice(1).forEach((next, index) => follow(order[index], next, writers.get(next)));
  for (const [next, writer] of unread) follow(order.at(-1), next, writer);

  for (const { reader, values } of list.reads) {
    const last = values.findLast((value) => writers.get(value) !== reader);
    const writer = last === undefined ? undefined : writers.get(last);
    add(
      writer,
      reader,
      'wr',
      `${nameOf(reader)} read ${last} of ${key}, which ${nameOf(writer ?? -1)} appended`,
    );
    if (!isPrefix(values, order)) continue;
    const next = order[values.length];
    const unseen = next === undefined ? unread : [[next, writers.get(next)] as const];
    for (const [value, by] of unseen)
      add(
        reader,
        by,
        'rw',
        `${nameOf(reader)} read ${key} without ${value}, which ${nameOf(by ?? -1)} appended`,
      );
  }
  return edges;
};

export interface Dependencies {
  readonly anomalies: ReadonlyArray<DirectAnomaly>;
  readonly edges: ReadonlyArray<Edge>;
}

/** Edges between transactions that happened, and what is wrong without any cycle. */
export const dependenciesOf = (transactions: ReadonlyArray<Transaction>): Dependencies => {
  const anomalies: DirectAnomaly[] = [];
  const lists = collect(transactions, anomalies);
  for (const transaction of transactions)
    if (transaction.outcome === 'ok') checkInternal(transaction, anomalies);
  const edges = lists.flatMap((list) => {
    checkReads(list, transactions, anomalies);
    return edgesOf(list, orderOf(list, transactions, anomalies), transactions);
  });
  return { anomalies, edges };
};
