/** Queues and leases as one simulated process sees them: calls take time and may fail, and what it has been told it must heed. */
import * as E from 'fp-ts/lib/Either.js';
import type { Fence, Leases } from '../../store/leases.js';
import type { MessageQueue, TakenMessage } from '../../store/message-queue.js';
import type { Gate } from './gate.js';
import type { Shape } from './shape.js';
import type { World } from './world.js';

/** What a process has been told of leases. */
export interface ToldOfLeases {
  /** Takes in an answer of the store. */
  readonly hear: (answer: unknown) => void;
  /** Whether it knew before this step that the lease is lost. */
  readonly knowsLost: (fence: Fence) => boolean;
}

export const toldOfLeases = (world: World): ToldOfLeases => {
  const heardAt = new Map<string, number>();
  const nameOf = ({ lease, token }: Fence): string => `${lease} ${token}`;
  return {
    hear: (answer) => {
      const { left } = answer as { readonly left?: Fence & { readonly _tag: string } };
      if (left?._tag !== 'LeaseLost' || heardAt.has(nameOf(left))) return;
      heardAt.set(nameOf(left), world.figures.steps);
    },
    // What moves in the same step may not have come to hear of it.
    knowsLost: (fence) => (heardAt.get(nameOf(fence)) ?? Infinity) < world.figures.steps,
  };
};

type Call<A extends ReadonlyArray<unknown>, R> = (...args: A) => () => Promise<R>;

const holder =
  (world: World, gate: Gate, told: ToldOfLeases, holdsAnswers: boolean) =>
  <A extends ReadonlyArray<unknown>, R>(operation: string, call: Call<A, R>): Call<A, R> =>
  (...args) =>
  async () => {
    const isHeld = world.phase === 1;
    const step = { process: gate.name, operation, request: args[0] };
    const before = isHeld ? await gate.enter({ ...step, phase: 'call' }) : undefined;
    if (before !== undefined) return before.instead as R;
    const result = await call(...args)();
    const after = isHeld && holdsAnswers ? await gate.enter({ ...step, phase: 'answer', result }) : undefined;
    const answer = after === undefined ? result : (after.instead as R);
    told.hear(answer);
    return answer;
  };

export const stagedLeases = (world: World, leases: Leases, gate: Gate, told: ToldOfLeases): Leases => {
  const held = holder(world, gate, told, true);
  return {
    acquire: held('acquireLease', leases.acquire),
    renew: held('renewLease', leases.renew),
    release: held('releaseLease', leases.release),
    list: held('listLeases', leases.list),
  };
};

/** `onTaken` is told before the process is what the store has given it. */
export const stagedQueue = (
  world: World,
  { heldReads }: Shape,
  gate: Gate,
  told: ToldOfLeases,
  onTaken: (messages: ReadonlyArray<TakenMessage>) => void,
): MessageQueue => {
  const { queue } = world.store;
  const held = holder(world, gate, told, heldReads !== 'none');
  const taken: MessageQueue['take'] = (request) => async () => {
    const answer = await queue.take(request)();
    if (E.isRight(answer)) onTaken(answer.right);
    return answer;
  };
  const take = held('queueTake', taken);
  return {
    ...queue,
    enqueue: held('queueEnqueue', queue.enqueue),
    take: (request) => () => {
      const { fence, partition } = request;
      if (fence !== undefined && told.knowsLost(fence))
        world.broken(
          `${gate.name} asks for messages of ${partition.queue} under a lease that it knows is lost`,
        );
      return take(request)();
    },
    done: held('queueDone', queue.done),
    failed: held('queueFailed', queue.failed),
    cancel: held('queueCancel', queue.cancel),
  };
};
