/** A recorded session of several people who wrote one text at once, read as work that was done on what each had seen. */
import { gunzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import type { SequenceEdit } from '../../src/core/merge/merge-sequence.js';

interface Transaction {
  readonly parents: ReadonlyArray<number>;
  readonly agent: number;
  readonly patches: ReadonlyArray<readonly [at: number, removed: number, inserted: string]>;
}

/** What one person wrote between two moments at which somebody's view of it mattered. */
export interface Span {
  readonly agent: number;
  readonly edits: ReadonlyArray<SequenceEdit>;
  /** For each agent, how many of its spans this one was written on. Its own: all before it. */
  readonly seen: ReadonlyArray<number>;
}

export interface EditingTrace {
  readonly spans: ReadonlyArray<Span>;
  readonly endContent: string;
  /** Transactions on which more than one other was written, and those that were written on more than one. */
  readonly forks: number;
  readonly merges: number;
}

interface OpenSpan {
  readonly agent: number;
  readonly edits: SequenceEdit[];
  readonly seen: number[];
  last: number;
}

const editsOf = ({ patches }: Transaction): ReadonlyArray<SequenceEdit> =>
  patches.map(([at, remove, insert]) => ({ at, remove, insert }));

/** A span ends where somebody forks from it, and begins where somebody merges. */
const spansOf = (transactions: ReadonlyArray<Transaction>, children: ReadonlyArray<number>) => {
  const agents = Math.max(...transactions.map(({ agent }) => agent)) + 1;
  const spans: OpenSpan[] = [];
  const spanOf: number[] = [];
  const own = new Array<number>(agents).fill(0);
  for (const [index, transaction] of transactions.entries()) {
    const { agent, parents } = transaction;
    const parent = parents.length === 1 ? spans[spanOf[parents[0] as number] as number] : undefined;
    if (parent?.agent === agent && parent.last === parents[0] && children[parent.last] === 1) {
      parent.edits.push(...editsOf(transaction));
      parent.last = index;
      spanOf.push(spans.indexOf(parent));
      continue;
    }
    const seen = new Array<number>(agents).fill(0);
    for (const written of parents) {
      const on = spans[spanOf[written] as number] as OpenSpan;
      on.seen.forEach((count, of) => {
        seen[of] = Math.max(seen[of] as number, of === on.agent ? count + 1 : count);
      });
    }
    if (seen[agent] !== own[agent])
      throw new Error(`transaction ${index} does not go on from its agent's own`);
    own[agent] = (own[agent] as number) + 1;
    spanOf.push(spans.length);
    spans.push({ agent, edits: [...editsOf(transaction)], seen, last: index });
  }
  return spans;
};

export const readTrace = (path: string): EditingTrace => {
  const { endContent, txns } = JSON.parse(gunzipSync(readFileSync(path)).toString('utf8')) as {
    readonly endContent: string;
    readonly txns: ReadonlyArray<Transaction>;
  };
  const children = new Array<number>(txns.length).fill(0);
  for (const { parents } of txns)
    for (const parent of parents) children[parent] = (children[parent] as number) + 1;
  return {
    spans: spansOf(txns, children),
    endContent,
    forks: children.filter((count) => count > 1).length,
    merges: txns.filter(({ parents }) => parents.length > 1).length,
  };
};
