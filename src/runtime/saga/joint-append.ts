/**
 * Decisions of one saga that are ready at the same time in this process go in one append: those that are sure to lose are not sent to
 * lose first. Appends and merges of a saga stand in one line, so that they do not refuse each other either.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { type Joint, joinDecisions, type Place } from '../../core/saga/joint.js';
import type { Instance } from '../../core/saga/reacting.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import { exactly, type StreamVersion } from '../../core/stream.js';
import type { AppendError, AppendResult, VersionConflict } from '../../store/event-store.js';
import { realTimers } from '../../store/timers.js';
import type { OneAtATime } from '../one-at-a-time.js';
import {
  appendDecision,
  type AppendReady,
  type Attempted,
  holdsMessage,
  notify,
  type Ready,
  tailMax,
} from './append-decision.js';
import type { HandleError, SagaShell } from './saga-context.js';

type Result = E.Either<HandleError, Attempted>;

export interface JointAppends<S, Ev extends AnyEvent> {
  /** A message of the saga is being handled, until the answer is called. A lone one waits for nobody. */
  readonly begin: (instance: Instance) => () => void;
  readonly append: AppendReady<S, Ev>;
}

/** Decisions in one append: the merge of many is one step, and no store refuses this many for their number. */
const decisionsMax = 64;

interface Waiting<S, Ev extends AnyEvent> {
  readonly ready: Ready<S, Ev>;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface Meeting<S, Ev extends AnyEvent> {
  /** Messages that are being handled. */
  handling: number;
  waiting: Array<Waiting<S, Ev>>;
  isPlanned: boolean;
}

const done = (handled: Extract<Attempted, { _tag: 'Done' }>['handled']): Result =>
  E.right({ _tag: 'Done', handled });

interface Written extends Pick<AppendResult, 'idempotent'> {
  /** The version before it. */
  readonly before: StreamVersion;
  readonly joint: Joint;
  /** The refusal that it came after, where there was one. */
  readonly lost: VersionConflict | undefined;
}

/** What the append came to for one of its decisions. */
const resultOf = <S, Ev extends AnyEvent>(
  { work, view, attempt }: Ready<S, Ev>,
  place: Place,
  { before, joint, lost, idempotent }: Written,
): Result => {
  const at = (count: number) => ({ ...lost, actual: (before + count) as StreamVersion });
  switch (place._tag) {
    case 'Trunk': {
      if (idempotent) return done({ _tag: 'Duplicate' });
      if (place.moved) notify(work, view, at(place.first - 1), 'fastForward');
      const { actual: version } = at(place.last);
      return done({ _tag: 'Appended', version, fastForwards: place.moved ? 1 : 0, attempts: attempt });
    }
    case 'Branch': {
      const { actual: version } = at(joint.events.length);
      return E.right({ _tag: 'Recorded', branchId: place.branchId, lost: at(joint.trunkCount), version });
    }
    case 'Repeated':
      return done({ _tag: 'Duplicate' });
    case 'Failed':
      return E.left(place.error);
  }
};

/** Refusals that one decision may have brought on the others: nothing was written, and each is tried by itself. */
const ownFaults: ReadonlySet<AppendError['_tag']> = new Set([
  'VersionConflict',
  'InvalidEvent',
  'LimitExceeded',
  'InvalidRequest',
]);

const afterRefusal = <S, Ev extends AnyEvent>(
  error: AppendError,
  ready: Ready<S, Ev>,
  place: Place,
): Promise<Result> | Result => {
  if (!ownFaults.has(error._tag)) return E.left(error);
  if (place._tag === 'Failed') return E.left(place.error);
  if (error._tag !== 'VersionConflict' || place._tag !== 'Branch') return appendDecision(ready);
  return holdsMessage(error.tail ?? [], ready.decision.messageId)
    ? done({ _tag: 'Duplicate' })
    : E.right({ _tag: 'Lost', conflict: error });
};

/** What is left to do for each decision: run by its own caller, so that what a hook throws there is told to nobody else. */
type Finish = () => Promise<Result> | Result;

const byItself = <S, Ev extends AnyEvent>(all: ReadonlyArray<Ready<S, Ev>>): ReadonlyArray<Finish> =>
  all.map((ready) => () => appendDecision(ready));

/** `undefined` where something of one of them throws, a codec for instance: each by itself finds out whose it is. */
const joined = <S, Ev extends AnyEvent>(
  saga: SagaShell<S, Ev>['saga'],
  instance: Instance,
  log: SagaLog<S, Ev>,
  all: ReadonlyArray<Ready<S, Ev>>,
): Joint | undefined => {
  try {
    return joinDecisions(saga, instance, log, all);
  } catch {
    return undefined;
  }
};

/** So often others may be first before each decision goes its own way. */
const roundsMax = 8;

const appendJoint = async <S, Ev extends AnyEvent>(
  { saga, loader }: SagaShell<S, Ev>,
  instance: Instance,
  all: ReadonlyArray<Ready<S, Ev>>,
): Promise<ReadonlyArray<Finish>> => {
  let lost: VersionConflict | undefined;
  for (let round = 1; ; round += 1) {
    const loaded = await loader.load(instance);
    if (E.isLeft(loaded)) return all.map(() => () => loaded);
    const before = loaded.right.version();
    const joint = joined(saga, instance, loaded.right, all);
    if (joint === undefined) return byItself(all);
    const { events, places } = joint;
    const appended =
      events.length === 0
        ? E.right({ idempotent: false })
        : await loader.append(instance, exactly(before), events, { tailMax });
    if (E.isRight(appended)) {
      const written = { before, joint, lost, idempotent: appended.right.idempotent };
      return all.map((ready, index) => () => resultOf(ready, places[index] as Place, written));
    }
    const error = appended.left;
    if (error._tag !== 'VersionConflict' || round === roundsMax)
      return all.map((ready, index) => () => afterRefusal(error, ready, places[index] as Place));
    lost = error;
  }
};

const appendAll = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
  batch: ReadonlyArray<Waiting<S, Ev>>,
): Promise<void> => {
  const all = batch.map(({ ready }) => ready);
  const [first] = all;
  const isAlone = all.length === 1 && first !== undefined && first.log.version() === first.view.version;
  try {
    const finishes = isAlone ? byItself(all) : await appendJoint(shell, instance, all);
    await Promise.all(
      batch.map(async ({ resolve, reject }, index) => {
        try {
          resolve(await (finishes[index] as Finish)());
        } catch (error) {
          reject(error);
        }
      }),
    );
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
};

/** `line` is where the saga's merges stand too. */
export const jointAppends = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  line: OneAtATime,
): JointAppends<S, Ev> => {
  const meetings = new Map<string, Meeting<S, Ev>>();
  const { soon } = shell.environment.timers ?? realTimers;
  const meetingOf = ({ key }: Instance): Meeting<S, Ev> => {
    const meeting = meetings.get(key) ?? { handling: 0, waiting: [], isPlanned: false };
    meetings.set(key, meeting);
    return meeting;
  };
  const plan = (instance: Instance, meeting: Meeting<S, Ev>): void => {
    if (meeting.isPlanned) return;
    meeting.isPlanned = true;
    void line(instance.key, async () => {
      // Whoever is about to be ready, too, is waited for; a lone one is not held up.
      if (meeting.handling > meeting.waiting.length) await new Promise<void>((resolve) => soon(resolve));
      meeting.isPlanned = false;
      const batch = meeting.waiting.splice(0, decisionsMax);
      if (meeting.waiting.length > 0) plan(instance, meeting);
      await appendAll(shell, instance, batch);
    });
  };
  return {
    begin: (instance) => {
      const meeting = meetingOf(instance);
      meeting.handling += 1;
      return () => {
        meeting.handling -= 1;
        if (meeting.handling === 0) meetings.delete(instance.key);
      };
    },
    append: (ready) =>
      new Promise((resolve, reject) => {
        const { instance } = ready.work;
        const meeting = meetingOf(instance);
        meeting.waiting.push({ ready, resolve, reject });
        plan(instance, meeting);
      }),
  };
};
