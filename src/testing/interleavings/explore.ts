/** Runs the schedules: all of them, or some by seed, until each has come to an end that can be judged. */
import type { Saga } from '../../core/saga/saga.js';
import { dice } from '../../runtime/dice.js';
import { followerOf } from './actors.js';
import {
  countSchedules,
  type Graph,
  graphOf,
  isOver,
  movable,
  movesOf,
  pathTo,
  type Situation,
} from './graph.js';
import { judge, type Judging, type Verdict, viewOf } from './judge.js';
import type { Actor, Local, Locals } from './local.js';
import type { LogNode, LogTree } from './log.js';
import { outcomeAt } from './outcome.js';
import { describeStep, type ScheduleStep } from './report.js';

export interface Exploring {
  readonly saga: Saga;
  readonly sagaId: string;
  readonly tree: LogTree;
  readonly locals: Locals;
  readonly judging: Judging;
  /** Where the messages meet. */
  readonly from: LogNode;
}

export interface Failing {
  readonly verdict: Verdict;
  readonly steps: ReadonlyArray<ScheduleStep>;
  /** The stream at the end. */
  readonly node: LogNode;
}

export interface Explored {
  readonly complete: boolean;
  readonly schedules: number | undefined;
  readonly ran: number;
  /** Different ends, as far as anybody looks at them. */
  readonly ends: number;
  readonly failing: Failing | undefined;
}

type Context = Pick<Exploring, 'tree' | 'locals'>;

/** Lets one process run to its end with nobody in between. */
export const runAlone = async ({ locals }: Context, actor: Actor, from: LogNode) => {
  let local: Local = await locals.start(actor);
  let node = from;
  const steps: ScheduleStep[] = [];
  // Ends: a process that nobody disturbs ends.
  while (local.ended === undefined) {
    const effect = locals.effect(local, node);
    steps.push({ process: actor.name, did: describeStep(local, node, effect) });
    local = await locals.advance(local, node);
    node = effect.node;
  }
  return { node, local, steps };
};

/** Does what is still owed at the end of a schedule. */
const finisher = ({ saga, sagaId }: Exploring): Actor => followerOf(saga, -1, sagaId, 'in the end');

const isOwing = ({ fold }: LogNode): boolean =>
  (fold.pending.byId.size > 0 && fold.parked === undefined) ||
  [...fold.compensations.values()].some(({ parked }) => !parked);

export const finish = async (exploring: Exploring, node: LogNode) =>
  isOwing(node) ? runAlone(exploring, finisher(exploring), node) : { node, steps: [] };

/** The end that all others must be the same as: the messages in the order given, one after another. */
const referenceOf = async (exploring: Exploring, actors: ReadonlyArray<Actor>) => {
  let node = exploring.from;
  for (const actor of actors) node = (await runAlone(exploring, actor, node)).node;
  const end = await finish(exploring, node);
  const outcome = outcomeAt(end.node, exploring.judging.looked);
  for (const [, invariant] of exploring.judging.invariants)
    try {
      invariant(outcome);
    } catch {
      // Only what it looks at is of interest here; it is judged with all the others.
    }
  return { view: viewOf(exploring.judging, outcome), isParked: outcome.parked !== undefined };
};

const stepsTo = async ({ locals }: Context, situation: Situation): Promise<ReadonlyArray<ScheduleStep>> => {
  const steps: ScheduleStep[] = [];
  for (const { before: at, moved } of pathTo(situation).slice(1)) {
    const { node, locals: all } = at as Situation;
    for (const { from, before } of await movesOf(locals, all[moved] as Local, node))
      steps.push({
        process: from.actor.name,
        did: describeStep(from, before, locals.effect(from, before)),
      });
  }
  return steps;
};

type Reference = { readonly view: unknown } | undefined;

/** Lets those go on to their ends who have nothing left to do but to see so. */
const finishAll = async ({ locals }: Context, situation: Situation) => {
  const steps: ScheduleStep[] = [];
  const all: Local[] = [];
  let { node } = situation;
  for (const start of situation.locals) {
    let local = start;
    // Ends: with nobody in between, a process comes to its end.
    while (local.ended === undefined) {
      const effect = locals.effect(local, node);
      steps.push({ process: local.actor.name, did: describeStep(local, node, effect) });
      local = await locals.advance(local, node);
      node = effect.node;
    }
    all.push(local);
  }
  return { node, locals: all, steps };
};

const judgeEnd = async (
  exploring: Exploring,
  situation: Situation,
  reference: Reference,
): Promise<Failing | undefined> => {
  const rest = await finishAll(exploring, situation);
  const end = await finish(exploring, rest.node);
  const verdict = judge(exploring.judging, end.node, rest.locals, reference);
  return (
    verdict && {
      verdict,
      node: end.node,
      steps: [...(await stepsTo(exploring, situation)), ...rest.steps, ...end.steps],
    }
  );
};

/** A promise of the engine that is broken before the end. */
const judgeStep = async (
  exploring: Exploring,
  situation: Situation,
  node: LogNode,
): Promise<Failing | undefined> =>
  node.problems.length === 0
    ? undefined
    : {
        verdict: { kind: 'engine', what: node.problems.join('\n') },
        node,
        steps: await stepsTo(exploring, situation),
      };

/** All of them, the shortest first. `undefined` where there are more than `runsMax`, or where somebody looked at a new part. */
const exhaust = async (
  exploring: Exploring,
  graph: Graph,
  reference: Reference,
  runsMax: number,
): Promise<Explored | 'tooMany' | 'lookedFurther'> => {
  const parts = exploring.judging.looked.size;
  let waiting: Situation[] = [graph.first];
  let ran = 0;
  let ends = 0;
  let failing: Failing | undefined;
  while (waiting.length > 0) {
    const later: Situation[] = [];
    for (const situation of waiting) {
      for (const process of movable(situation)) {
        const { to, isNew } = await graph.step(situation, process);
        if (isNew) later.push(to);
        else ran += 1;
        failing ??= await judgeStep(exploring, to, to.node);
        if (exploring.judging.looked.size > parts) return 'lookedFurther';
      }
      if (isOver(situation)) {
        ran += 1;
        ends += 1;
        const judged = await judgeEnd(exploring, situation, reference);
        failing ??= judged;
        if (exploring.judging.looked.size > parts) return 'lookedFurther';
      }
      if (ran > runsMax) return 'tooMany';
    }
    waiting = later;
  }
  return { complete: true, schedules: Number(countSchedules(graph.first)), ran, ends, failing };
};

/** Some of them, each chosen step by step with equal chances. */
const sample = async (
  exploring: Exploring,
  graph: Graph,
  reference: Reference,
  { seed, samples }: { readonly seed: number; readonly samples: number },
): Promise<Explored> => {
  const random = dice(seed);
  const judged = new Map<Situation, Failing | undefined>();
  let failing: Failing | undefined;
  let ran = 0;
  for (; ran < samples && failing === undefined; ran += 1) {
    let at = graph.first;
    for (let may = movable(at); may.length > 0; may = movable(at)) {
      at = (await graph.step(at, may[Math.floor(random() * may.length)] as number)).to;
      failing ??= await judgeStep(exploring, at, at.node);
    }
    if (!judged.has(at)) judged.set(at, await judgeEnd(exploring, at, reference));
    failing ??= judged.get(at);
  }
  return { complete: false, schedules: undefined, ran, ends: judged.size, failing };
};

export interface Budget {
  readonly runsMax: number;
  readonly seed: number;
  readonly samples: number;
  /** Do not try all of them. */
  readonly sampleOnly: boolean;
}

export const explore = async (
  exploring: Exploring,
  actors: ReadonlyArray<Actor>,
  budget: Budget,
): Promise<Explored> => {
  const reference = await referenceOf(exploring, actors);
  const common = reference.isParked ? undefined : reference;
  // Ends: each round but the last has found a part that is looked at, and there are few parts.
  for (;;) {
    const graph = await graphOf(exploring, actors, exploring.from, exploring.judging.looked);
    const found = budget.sampleOnly ? 'tooMany' : await exhaust(exploring, graph, common, budget.runsMax);
    if (found === 'tooMany') return sample(exploring, graph, common, budget);
    if (found !== 'lookedFurther') return found;
  }
};
