/**
 * All schedules as a graph: a situation is a stream and where each process stands. Situations with equal futures are one,
 * so that a schedule which comes into a known one need not be run on; and calls that do not touch each other, such as two
 * reads, come to the same situation in either order.
 */
import { listPending } from '../../core/saga/pending-branches.js';
import type { Saga } from '../../core/saga/saga.js';
import { futureText, type LogNode, type LogTree } from './log.js';
import { type Actor, interner, type Local, type Locals } from './local.js';
import { partText } from './outcome.js';
import type { Part } from './watch.js';

export interface Situation {
  readonly node: LogNode;
  readonly locals: ReadonlyArray<Local>;
  /** How it was first reached. */
  readonly before: Situation | undefined;
  /** Who moved to get here; an index of `locals`. */
  readonly moved: number;
  /** By process; `undefined` for one that has ended. */
  readonly next: Array<Situation | undefined>;
  schedules: bigint | undefined;
}

export interface Graph {
  readonly first: Situation;
  readonly step: (
    from: Situation,
    process: number,
  ) => Promise<{ readonly to: Situation; readonly isNew: boolean }>;
  readonly situations: () => number;
}

/**
 * Who can take a step that matters. Of those whose work is recorded as a branch and who are left to merge, one stands for all:
 * it is the same merge whoever does it. When nothing waits they have nothing to do.
 */
export const movable = ({ locals, node }: Situation): ReadonlyArray<number> => {
  const merges = node.fold.pending.byId.size > 0 && node.fold.parked === undefined;
  const merger = merges ? locals.findIndex(({ ended, isBranched }) => ended === undefined && isBranched) : -1;
  return locals.flatMap(({ ended, isBranched }, index) =>
    ended === undefined && (!isBranched || index === merger) ? [index] : [],
  );
};

export const isOver = (situation: Situation): boolean => movable(situation).length === 0;

/** One call of a process, and where it led. */
export interface Move {
  readonly from: Local;
  readonly before: LogNode;
  readonly local: Local;
  readonly node: LogNode;
}

/** Whether others can tell that the call took effect now and not later, or the process itself will be able to. */
const isNoticeable = ({ from, before, local, node }: Move): boolean =>
  node !== before || local.ended !== undefined || (from.phase === 'read' && local.phase === 'decide');

/**
 * The calls that make one step. A refused append and a merge that came too late leave no trace: who is refused does next
 * what it would have done had it been refused later, so that they are part of the step that follows. A merge is
 * computed on what was read just before; with anything in between it is too late.
 */
export const movesOf = async (locals: Locals, process: Local, at: LogNode): Promise<ReadonlyArray<Move>> => {
  const moves: Move[] = [];
  let [from, before] = [process, at];
  // Ends: with nobody in between, a process that is refused succeeds next, or has ended.
  for (;;) {
    const { node } = locals.effect(from, before);
    const move = { from, before, local: await locals.advance(from, before), node };
    moves.push(move);
    if (isNoticeable(move)) return moves;
    [from, before] = [move.local, node];
  }
};

/** A graph of the schedules of these processes from a stream on. `looked` are the parts that somebody has looked at. */
export const graphOf = async (
  context: { readonly saga: Saga; readonly tree: LogTree; readonly locals: Locals },
  actors: ReadonlyArray<Actor>,
  from: LogNode,
  looked: ReadonlySet<Part>,
): Promise<Graph> => {
  const { saga, tree, locals } = context;
  const known = new Map<string, Situation>();
  const classOf = interner();
  const classes = new Map<LogNode, number>();
  const streamClass = (node: LogNode): number => {
    const cached = classes.get(node);
    if (cached !== undefined) return cached;
    const texts = [futureText(saga, tree, node, looked), ...[...looked].map((part) => partText(node, part))];
    const number = classOf(texts.join('\n'));
    classes.set(node, number);
    return number;
  };
  /** The order of the bases of all branches, those in the stream and those that may come: mergers see branches in it. */
  const basesOf = (node: LogNode, all: ReadonlyArray<Local>): string => {
    const bases = [
      ...listPending(node.fold.pending).map(({ base }) => base),
      ...all.map(({ phase, base }) => (phase === 'decide' || phase === 'branch' ? base?.version : undefined)),
    ];
    const order = [...new Set(bases)].sort((a = -1, b = -1) => a - b);
    return bases.map((base) => order.indexOf(base)).join(',');
  };
  const keyOf = (node: LogNode, all: ReadonlyArray<Local>): string =>
    `${streamClass(node)}|${all.map((local) => locals.outlook(local, node)).join(',')}|${basesOf(node, all)}`;
  const place = (
    node: LogNode,
    all: ReadonlyArray<Local>,
    before: Situation | undefined,
    moved: number,
  ): { readonly to: Situation; readonly isNew: boolean } => {
    const key = keyOf(node, all);
    const same = known.get(key);
    if (same !== undefined) return { to: same, isNew: false };
    const to: Situation = { node, locals: all, before, moved, next: [], schedules: undefined };
    known.set(key, to);
    return { to, isNew: true };
  };
  const starts: Local[] = [];
  for (const actor of actors) starts.push(await locals.start(actor));
  return {
    first: place(from, starts, undefined, -1).to,
    step: async (at, process) => {
      const done = at.next[process];
      if (done !== undefined) return { to: done, isNew: false };
      const moves = await movesOf(locals, at.locals[process] as Local, at.node);
      const { local, node } = moves.at(-1) as Move;
      const found = place(node, at.locals.with(process, local), at, process);
      at.next[process] = found.to;
      return found;
    },
    situations: () => known.size,
  };
};

/** How many schedules lead from here to an end: paths, counted once for each situation. */
export const countSchedules = (situation: Situation): bigint => {
  if (situation.schedules !== undefined) return situation.schedules;
  let count = isOver(situation) ? 1n : 0n;
  for (const to of situation.next) if (to !== undefined) count += countSchedules(to);
  situation.schedules = count;
  return count;
};

/** The steps to a situation, oldest first. */
export const pathTo = (situation: Situation): ReadonlyArray<Situation> => {
  const path: Situation[] = [];
  for (let at: Situation | undefined = situation; at !== undefined; at = at.before) path.push(at);
  return path.reverse();
};
