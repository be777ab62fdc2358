/** The store as one simulated process sees it: every call takes time, may fail or die, and what was seen is remembered. */
import * as E from 'fp-ts/lib/Either.js';
import { recordTypes } from '../../core/saga.js';
import type {
  AppendRequest,
  AppendResult,
  EventStore,
  ReadAllRequest,
  ReadStreamRequest,
  StreamPage,
} from '../../store/event-store.js';
import type { Leases } from '../../store/leases.js';
import { pollingSubscription } from '../../store/subscription.js';
import type { Timers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import { type Held, type Stage, type Step, stagedStore } from '../stage.js';
import type { Shape } from './shape.js';
import type { World } from './world.js';

/** Where a process meets the world: it waits there, and may not come back. */
export interface Gate {
  readonly name: string;
  readonly isDead: () => boolean;
  /** Waits for the step to be let go. `undefined`: go on; otherwise that is the answer. */
  readonly enter: Stage['enter'];
}

/** Longer than any lease that the runtime takes. */
const leaseLastsMs = 2_000;

const unavailable = { _tag: 'StoreUnavailable', message: 'made to fail by the simulation' } as const;

const unknown = ({ streamName, events }: AppendRequest) =>
  ({
    _tag: 'OutcomeUnknown',
    streamName,
    eventIds: events.map(({ eventId }) => eventId),
    message: 'made to fail by the simulation',
  }) as const;

const isStoreCall = (operation: string): boolean =>
  operation === 'append' ||
  operation.startsWith('read') ||
  operation.endsWith('Checkpoint') ||
  operation.endsWith('Lease');

/** What the store answers in its own place, where a fault strikes. */
const faultAt = (world: World, step: Step): { readonly instead: unknown } | undefined => {
  const { faults, figures, strikes, random } = world;
  if (!isStoreCall(step.operation)) return undefined;
  const lost = () => (random() < 0.5 ? unknown(step.request as AppendRequest) : unavailable);
  if (step.phase === 'call' && strikes(faults.unavailable)) {
    figures.unavailable += 1;
    return { instead: E.left(step.operation === 'append' ? lost() : unavailable) };
  }
  if (step.phase === 'answer' && step.operation === 'append' && strikes(faults.answerLost)) {
    figures.answersLost += 1;
    return { instead: E.left(lost()) };
  }
  return undefined;
};

const describeRequest = ({ operation, request }: Step): string => {
  if (operation === 'append') {
    const { expected, events } = request as AppendRequest;
    const at = expected._tag === 'exactly' ? `at ${expected.version}` : expected._tag;
    return ` ${at} ${events.map(({ type }) => type).join('+')}`;
  }
  if (operation === 'readStream') return ` from ${(request as ReadStreamRequest).from ?? 1}`;
  if (operation === 'readAll') return ` after ${(request as ReadAllRequest).after ?? 'nothing'}`;
  return typeof request === 'string' ? ` ${request}` : '';
};

const describeResult = (result: unknown): string => {
  const answer = result as E.Either<{ _tag: string }, Partial<AppendResult & StreamPage>> | undefined;
  if (answer === undefined) return '';
  if (E.isLeft(answer)) return ` ${answer.left._tag}`;
  const { version, events, idempotent } = answer.right ?? {};
  return `${idempotent ? ' repeat' : ''}${version === undefined ? '' : ` v${version}`}${events === undefined ? '' : ` ${events.length} events`}`;
};

/** A gate whose steps are let go by the clock. `die` ends the process. */
export const makeGate = (world: World, name: string, isDead: () => boolean, die: () => void): Gate => ({
  name,
  isDead,
  enter: (step) =>
    new Promise((resolve) => {
      if (world.phase === 3) return resolve(undefined);
      world.time.after(world.latency(), () => {
        if (isDead()) return;
        const what = step.phase === 'call' ? describeRequest(step) : describeResult(step.result);
        if (world.strikes(world.faults.crash)) {
          world.note(`${name} dies at ${step.operation} ${step.phase}${what}`);
          return die();
        }
        const fault = faultAt(world, step);
        world.note(`${name} ${step.operation} ${step.phase}${what}${fault === undefined ? '' : ' FAULT'}`);
        resolve(fault);
      });
    }),
});

const stageOf = (gate: Gate): Stage => ({
  enter: gate.enter,
  held: (): ReadonlyArray<Held> => [],
  settled: () => new Promise((resolve) => setImmediate(resolve)),
});

const stagedLeases = (world: World, leases: Leases, gate: Gate): Leases => {
  const held =
    <A extends unknown[], R>(operation: string, call: (...args: A) => () => Promise<R>) =>
    (...args: A) =>
    async (): Promise<R> => {
      if (world.phase !== 1) return call(...args)();
      const step = { process: gate.name, operation };
      const before = await gate.enter({ ...step, phase: 'call' });
      if (before !== undefined) return before.instead as R;
      const result = await call(...args)();
      const after = await gate.enter({ ...step, phase: 'answer', result });
      return after === undefined ? result : (after.instead as R);
    };
  return {
    acquire: held('acquireLease', leases.acquire),
    renew: held('renewLease', leases.renew),
    release: held('releaseLease', leases.release),
    list: held('listLeases', leases.list),
  };
};

/** What a process has seen of the streams, as far as answers have told it. */
export interface Seen {
  readonly versions: Map<string, number>;
  /** Compensations whose success this process recorded, and knows that it did. */
  readonly applied: Set<string>;
}

export const processStore = (
  world: World,
  shape: Shape,
  gate: Gate,
  timers: Timers,
  seen: Seen,
): EventStore => {
  const { heldReads } = shape;
  const staged = stagedStore(world.store, stageOf(gate), gate.name, (operation, phase) => {
    // What an answer of these tells is not acted upon before the next call, so that one step is enough.
    if (operation === 'append') return true;
    if (world.phase !== 1) return false;
    if (operation.endsWith('Checkpoint')) return phase === 'call';
    return phase === 'answer' ? heldReads !== 'none' : heldReads === 'both';
  });
  const wake = makeWake(timers);
  const see = (streamName: string, version: number): void => {
    if (version > (seen.versions.get(streamName) ?? 0)) seen.versions.set(streamName, version);
  };
  return {
    ...staged,
    append: (request) => async () => {
      if (request.fence !== undefined) {
        world.figures.leases += 1;
        if (world.strikes(world.faults.leaseOutlasted))
          await new Promise<void>((resolve) => timers.after(leaseLastsMs * (1 + world.random()), resolve));
      }
      const answer = await staged.append(request)();
      if (E.isLeft(answer)) {
        if (answer.left._tag === 'LeaseLost') world.figures.leasesLost += 1;
        return answer;
      }
      see(request.streamName, answer.right.version);
      for (const event of request.events)
        if (event.type === recordTypes.compensationApplied)
          seen.applied.add((event.data as { compensationId: string }).compensationId);
      wake.notify();
      return answer;
    },
    readStream: (request) => async () => {
      const answer = await staged.readStream(request)();
      if (E.isRight(answer)) see(request.streamName, answer.right.events.at(-1)?.version ?? 0);
      return answer;
    },
    subscribe: (request) =>
      pollingSubscription(
        { readAll: staged.readAll, epoch: world.raw.epoch, wake, isClosed: gate.isDead, timers },
        request,
      ),
    leases: stagedLeases(world, world.store.leases, gate),
  };
};
