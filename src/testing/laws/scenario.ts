/** Random histories of one saga, played through the engine itself: a trunk, and branches that have left it. */
import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { decodeTagged, type Encoded, encodeTagged } from '../../core/codec.js';
import { taggedError } from '../../core/fault.js';
import { fastForwards, passedOf } from '../../core/saga/fast-forward.js';
import { branchRecord, decide, type Decision, isEmpty, trunkEvents } from '../../core/saga/reacting.js';
import { resolvePending } from '../../core/saga/resolving.js';
import type { Saga } from '../../core/saga/saga.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import type { LogEvent, SagaView } from '../../core/saga/saga-view.js';
import {
  append,
  type Fork,
  instanceOfCheck,
  isStorable,
  logOf,
  type Step,
  type Track,
  type TrunkStep,
} from './play.js';

export interface Scenario {
  readonly trunk: ReadonlyArray<Step>;
  /** Branches of one stage are merged together. */
  readonly branches: ReadonlyArray<Step & { readonly stage: number }>;
}

/** What the steps are: messages, handled as a runtime would; or events, recorded whether or not a handler would. */
export type StepKind = 'messages' | 'events';

const behindAny = fc.nat({ max: 4 });
// A trunk on which a merge has been is a trunk as well; but mostly there is none.
const behindSeldom = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) },
);

const branchesMax = 3;

export const scenarios = (data: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Scenario> => {
  const step = (behind: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
    fc.oneof(
      ...Object.entries(data).map(([type, value]) =>
        fc.record({ type: fc.constant(type), data: value, behind }),
      ),
    );
  const branch = fc.tuple(step(behindAny), fc.nat({ max: 2 })).map(([at, stage]) => ({ ...at, stage }));
  return fc.record({
    trunk: fc.array(step(behindSeldom), { maxLength: 6 }),
    // One more than are used, so that most histories have as many as can be.
    branches: fc.array(branch, { minLength: 1, maxLength: branchesMax + 1 }),
  });
};

/** Data as it comes from a sender. That a codec does not take what an arbitrary gives is a mistake in the test. */
const encoded = (saga: Saga, kind: StepKind, { type, data }: Step): Encoded => {
  const value = encodeTagged(saga[kind], { type, data });
  if (E.isLeft(value))
    throw new TypeError(
      `checkMerger: the arbitrary of ${type} gives what its codec refuses: ${value.left.message}`,
    );
  return value.right;
};

const decideStep = (
  saga: Saga,
  kind: StepKind,
  view: SagaView,
  step: Step,
  id: string,
): Decision | undefined => {
  const message = encoded(saga, kind, step);
  if (kind === 'events')
    return {
      messageId: id,
      messageType: step.type,
      message,
      epoch: view.epoch,
      events: [message],
      messages: [],
      wishes: {},
      completes: false,
      metadata: { causationId: id },
    };
  const decision = decide(saga, instanceOfCheck(saga), view, { id, sagaId: 'checked', ...message });
  return E.isLeft(decision) || isEmpty(decision.right) ? undefined : decision.right;
};

const foldOf = (saga: Saga, from: unknown, decision: Decision): unknown =>
  decision.events.reduce<unknown>((state, event) => {
    const decoded = decodeTagged(saga.events, event);
    if (E.isLeft(decoded)) throw taggedError(decoded.left);
    return saga.evolve(state, decoded.right);
  }, from);

const isFast = (saga: Saga, decision: Decision, base: SagaView, records: ReadonlyArray<LogEvent>): boolean =>
  fastForwards(saga, decision, records.slice(base.version).map(passedOf));

/** The view of one who has not seen the last steps. After its completion a saga handles nothing. */
const viewBehind = (views: ReadonlyArray<SagaView>, behind: number): SagaView => {
  const open = views.filter(({ completed }) => !completed);
  return open[Math.max(0, open.length - 1 - behind)] as SagaView;
};

interface Trunk {
  readonly records: ReadonlyArray<LogEvent>;
  readonly steps: ReadonlyArray<TrunkStep>;
  readonly views: ReadonlyArray<SagaView>;
}

/** Appends what one step comes to, at the tip or by way of a merge; `undefined` where nothing comes of it. */
const advanceBy = (
  saga: Saga,
  log: SagaLog,
  trunk: Trunk,
  base: SagaView,
  decision: Decision,
): { readonly added: ReadonlyArray<LogEvent>; readonly mergedFrom: number | undefined } | undefined => {
  const instance = instanceOfCheck(saga);
  if (isFast(saga, decision, base, trunk.records)) {
    const events = trunkEvents(instance, decision, log.isSent);
    return { added: append(saga, log, events), mergedFrom: undefined };
  }
  const record = branchRecord(saga, instance, base, decision);
  if (E.isLeft(record)) return undefined;
  const branch = append(saga, log, [record.right]);
  const merged = resolvePending(saga, instance, log);
  if (merged._tag !== 'Merged') return undefined;
  return { added: [...branch, ...append(saga, log, merged.events)], mergedFrom: base.version };
};

const layTrunk = (saga: Saga, kind: StepKind, steps: ReadonlyArray<Step>): Trunk => {
  let log = logOf(saga, []);
  let trunk: Trunk = { records: [], steps: [], views: [log.view()] };
  for (const [index, step] of steps.entries()) {
    if (log.view().completed) return trunk;
    const base = viewBehind(trunk.views, step.behind);
    const decision = decideStep(saga, kind, base, step, `t${index + 1}`);
    if (decision === undefined) continue;
    const advanced = advanceBy(saga, log, trunk, base, decision);
    const view = log.view();
    // From a state that cannot be stored no branch can leave.
    if (advanced === undefined || !isStorable(saga, view.state)) log = logOf(saga, trunk.records);
    else
      trunk = {
        records: [...trunk.records, ...advanced.added],
        steps: [...trunk.steps, { version: view.version, step, mergedFrom: advanced.mergedFrom }],
        views: [...trunk.views, view],
      };
  }
  return trunk;
};

const forkFrom = (
  saga: Saga,
  kind: StepKind,
  trunk: Trunk,
  step: Scenario['branches'][number],
  place: number,
): Fork | undefined => {
  const base = viewBehind(trunk.views, step.behind);
  const decision = decideStep(saga, kind, base, step, `b${place}`);
  if (decision === undefined) return undefined;
  const record = branchRecord(saga, instanceOfCheck(saga), base, decision);
  if (E.isLeft(record)) return undefined;
  const commutes = base.version < trunk.records.length && isFast(saga, decision, base, trunk.records);
  const state = foldOf(saga, base.state, decision);
  return { step, place, stage: step.stage, base, decision, record: record.right, state, commutes };
};

/** Lays the trunk and forks the branches. Steps that come to nothing (a handler that decides nothing, or throws) are left out. */
export const layTrack = (saga: Saga, kind: StepKind, scenario: Scenario): Track => {
  const trunk = layTrunk(saga, kind, scenario.trunk);
  const forks: Fork[] = [];
  for (const step of scenario.branches) {
    const fork = forkFrom(saga, kind, trunk, step, forks.length + 1);
    if (fork !== undefined && forks.length < branchesMax) forks.push(fork);
  }
  return { saga, records: trunk.records, steps: trunk.steps, tip: trunk.views.at(-1) as SagaView, forks };
};
