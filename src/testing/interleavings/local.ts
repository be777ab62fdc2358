/**
 * Where one process of an exploration stands. What a process does next is a function of the answers it has had, so that
 * each place is reached once and gone on from as often as there are answers to give.
 */
import type { AppendRequest } from '../../store/event-store.js';
import { expectedAfter } from '../../core/stream.js';
import { recordTypes, type Saga } from '../../core/saga/saga.js';
import type { MergeSagaStateRecord } from '../../core/saga/saga-records.js';
import { type Effect, forkText, type LogNode, type LogTree, tailText } from './log.js';
import type { Part } from './watch.js';
import { type Ended, launch, type Request, type Turn, type Work } from './process.js';

export interface Actor {
  readonly index: number;
  /** How reports call it. */
  readonly name: string;
  readonly isFollower: boolean;
  /** The message it handles; `undefined` for one that does what is owed. */
  readonly messageId: string | undefined;
  readonly work: Work;
}

/** What a call is for, seen from outside. */
export type Phase = 'start' | 'read' | 'decide' | 'branch' | 'merge' | 'compensate' | 'end';

export interface Local {
  readonly id: number;
  readonly actor: Actor;
  readonly phase: Phase;
  /** What the call before was for. */
  readonly before: Phase;
  readonly request: Request | undefined;
  readonly requestId: number;
  readonly ended: Ended | undefined;
  /** The answers that lead here. */
  readonly history: ReadonlyArray<unknown>;
  /** The last version whose records it holds. */
  readonly seen: LogNode | undefined;
  /** The version that the decision in hand was made on. */
  readonly base: LogNode | undefined;
  /** Its work is recorded as a branch. */
  readonly isBranched: boolean;
  /** It has met others: a process reads again once it has. */
  readonly hasMet: boolean;
  readonly next: Map<string, Local>;
  /** By node: what its future looks like from there. */
  readonly outlooks: Map<number, number>;
  turn: Turn | undefined;
}

/** The same number for the same text. */
export const interner = (): ((text: string) => number) => {
  const numbers = new Map<string, number>();
  return (text) => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, numbers.size);
    return numbers.size - 1;
  };
};

const phaseOf = (turn: Turn): Phase => {
  if (turn._tag === 'Ended') return 'end';
  const { operation, request } = turn.request;
  if (operation === 'readStream') return 'read';
  if (request.expected._tag === 'any') return 'branch';
  const types = new Set(request.events.map(({ type }) => type));
  if (types.has(recordTypes.sagaMerged) || types.has(recordTypes.sagaMergeRefused)) return 'merge';
  return types.has(recordTypes.compensationApplied) || types.has(recordTypes.compensationFailed)
    ? 'compensate'
    : 'decide';
};

const appendOf = (request: Request | undefined) =>
  request?.operation === 'append' ? request.request : undefined;

/** The last version that a process holds after an answer: a refusal hands over the tail where it was asked for. */
const seenAfter = (local: Local, from: LogNode, { kind, node }: Effect): LogNode | undefined => {
  if (kind === 'read') return node;
  if (kind === 'written') return local.seen === from ? node : local.seen;
  return kind === 'refused' && (appendOf(local.request)?.tailMax ?? 0) > 0 ? node : local.seen;
};

export interface Locals {
  readonly start: (actor: Actor) => Promise<Local>;
  /** What the process's call comes to at a node. */
  readonly effect: (local: Local, node: LogNode) => Effect;
  readonly advance: (local: Local, node: LogNode) => Promise<Local>;
  /** Equal numbers: from this node on, whatever else happens, the process does the same. */
  readonly outlook: (local: Local, node: LogNode) => number;
  /** How often a process was asked to go on. */
  readonly turns: () => number;
}

const hasEffect = new Set(['Appended', 'Merged', 'Branched']);

export const localsOf = (saga: Saga, tree: LogTree, looked: ReadonlySet<Part>): Locals => {
  const requestIdOf = interner();
  const outlookOf = interner();
  const bodyIdOf = interner();
  const bodies = new Map<number, number>();
  const known = new Map<string, Local>();
  let turns = 0;

  const baseOf = (phase: Phase, turn: Turn, before: Local | undefined, at: LogNode | undefined) => {
    const append = turn._tag === 'Asks' ? appendOf(turn.request) : undefined;
    if (append === undefined || at === undefined) return before?.base;
    if (phase === 'branch')
      return tree.at(at, (append.events[0]?.data as unknown as MergeSagaStateRecord).base);
    // The same decision again at a later version keeps its base.
    if (phase === 'decide' && before?.phase !== 'decide') return tree.at(at, expectedAfter(append.expected));
    return before?.base;
  };

  /** Two ways to the same place are one: the runtime holds nothing but the records, the decision in hand and where it is. */
  const placed = (local: Omit<Local, 'id' | 'next' | 'outlooks'>): Local => {
    const { actor, phase, before, requestId, ended, seen, base, isBranched, hasMet } = local;
    const end = ended === undefined ? '' : JSON.stringify(ended);
    const key = `${actor.index} ${phase} ${before} ${requestId} ${seen?.id} ${base?.id} ${isBranched} ${hasMet} ${end}`;
    const same = known.get(key);
    if (same !== undefined) {
      same.turn ??= local.turn;
      return same;
    }
    const placedHere: Local = { ...local, id: known.size, next: new Map(), outlooks: new Map() };
    known.set(key, placedHere);
    return placedHere;
  };

  const requestId = (turn: Turn): number =>
    turn._tag === 'Asks' ? requestIdOf(JSON.stringify(turn.request)) : -1;

  const parts = (turn: Turn) => ({
    phase: phaseOf(turn),
    request: turn._tag === 'Asks' ? turn.request : undefined,
    requestId: requestId(turn),
    ended: turn._tag === 'Ended' ? turn.ended : undefined,
    turn,
  });

  /** The process itself, waiting at its call: the one that came here, or another that is led the same way. */
  const waiting = async (local: Local): Promise<Extract<Turn, { _tag: 'Asks' }>> => {
    let turn = local.turn ?? (await launch(local.actor.work));
    if (local.turn === undefined)
      for (const answer of local.history) {
        if (turn._tag === 'Ended') break;
        turns += 1;
        turn = await turn.reply(answer);
      }
    local.turn = undefined;
    if (turn._tag === 'Ended' || requestId(turn) !== local.requestId)
      throw new Error(
        `exploreInterleavings: ${local.actor.name} did something else when it was given the same answers again; the saga's functions must be pure`,
      );
    return turn;
  };

  const effect = (local: Local, node: LogNode): Effect =>
    tree.ask(node, local.request as Request, local.requestId);

  /** What an append says, without numbers of versions. */
  const bodyOf = ({ requestId: asks, request }: Local): number => {
    const known = bodies.get(asks);
    if (known !== undefined) return known;
    const events = (appendOf(request)?.events ?? []).map(({ eventId, type, data, metadata }) => {
      const said = type === recordTypes.mergeSagaState ? { ...(data as object), base: 0 } : data;
      return [eventId, type, said, metadata];
    });
    const number = bodyIdOf(JSON.stringify(events));
    bodies.set(asks, number);
    return number;
  };

  /** Whether a decision that others were quicker than can be appended at all, seen from the rules of `fastForwards`. */
  const isLost = (request: AppendRequest, tail: string): boolean => {
    const theirs = tail.split(' ').filter((type) => Object.hasOwn(saga.events, type));
    const ours = request.events.filter(({ type }) => Object.hasOwn(saga.events, type));
    return (
      /\bmerged\b/.test(tail) || ours.some((mine) => theirs.some((type) => !saga.commutes(mine.type, type)))
    );
  };

  const decisionText = (local: Local, node: LogNode, append: AppendRequest): string => {
    const { kind } = effect(local, node);
    const tail = tailText(node, expectedAfter(append.expected), local.actor.messageId);
    const fate = kind === 'refused' && isLost(append, tail) ? 'lost' : `${kind} ${tail}`;
    const isMine = tail.includes(' mine');
    const fork = local.base === undefined ? '' : forkText(saga, node, local.base, looked);
    return `decision ${fate} ${isMine} ${bodyOf(local)} ${fork}`;
  };

  const textOf = (local: Local, node: LogNode): string => {
    const { actor, phase, before, ended } = local;
    if (ended !== undefined)
      return ended._tag === 'Answered' && hasEffect.has(ended.answer)
        ? 'done'
        : `end ${JSON.stringify(ended)}`;
    // Compensations are recorded from an outcome in hand that no request shows: these places stand for themselves.
    if (phase === 'compensate' || before === 'compensate' || (actor.isFollower && before === 'read'))
      return `place ${local.id}`;
    // Its work is a branch, which the stream tells of; to merge is left, and that is the same merge whoever does it.
    if (local.isBranched) return 'done';
    const append = appendOf(local.request);
    if (phase === 'decide' && append !== undefined) return decisionText(local, node, append);
    return phase === 'read' && before !== 'read' && before !== 'merge' ? 'reads' : `place ${local.id}`;
  };

  return {
    start: async (actor) => {
      const turn = await launch(actor.work);
      turns += 1;
      const nothing = { seen: undefined, base: undefined, isBranched: false, hasMet: false };
      return placed({ actor, before: 'start', history: [], ...nothing, ...parts(turn) });
    },
    effect,
    advance: async (local, node) => {
      const effectHere = effect(local, node);
      const step = `${effectHere.kind} ${effectHere.node.id}`;
      const done = local.next.get(step);
      if (done !== undefined) return done;
      const asking = await waiting(local);
      turns += 1;
      const turn = await asking.reply(effectHere.answer);
      const seen = seenAfter(local, node, effectHere);
      const next = placed({
        actor: local.actor,
        before: local.phase,
        history: [...local.history, effectHere.answer],
        seen,
        base: baseOf(phaseOf(turn), turn, local, effectHere.node),
        isBranched: local.isBranched || local.phase === 'branch',
        hasMet:
          local.hasMet ||
          effectHere.kind === 'refused' ||
          (local.phase === 'read' && local.before !== 'start'),
        ...parts(turn),
      });
      local.next.set(step, next);
      return next;
    },
    outlook: (local, node) => {
      // What is looked at only grows, and with it what is told apart.
      const key = node.id * 16 + looked.size;
      const known = local.outlooks.get(key);
      if (known !== undefined) return known;
      const number = outlookOf(`${local.actor.index} ${textOf(local, node)}`);
      local.outlooks.set(key, number);
      return number;
    },
    turns: () => turns,
  };
};
