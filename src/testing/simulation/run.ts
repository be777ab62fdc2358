/** The processes of a simulation and the messages between them: who is handed what, what comes again, who dies and who starts. */
import * as E from 'fp-ts/lib/Either.js';
import type { SagaMessage } from '../../core/saga/reacting.js';
import { checkEnd } from './end-checks.js';
import { type Answer, type AnySaga, type SimulatedProcess, startProcess } from './process.js';
import { isNothingWaiting, makeOperator, waitingTimeouts } from './operator.js';
import { must } from './promises.js';
import { drawShape } from './shape.js';
import type { World } from './world.js';

interface Slot {
  readonly name: string;
  readonly subscriber: string | undefined;
  process: SimulatedProcess | undefined;
}

interface Delivery {
  readonly message: SagaMessage;
  attempt: number;
  /** Which line of its saga it goes into, by the queue; `undefined`: it is handed over. */
  readonly line: number | undefined;
  /** Who is handed it the first time, while it lives; `undefined`: anybody. */
  readonly to: Slot | undefined;
}

const describe = (answer: Answer): string =>
  E.isLeft(answer)
    ? answer.left._tag
    : `${answer.right._tag}${'version' in answer.right ? ` v${answer.right.version}` : ''}`;

/** Answers after which delivering again does not help: the sender is told, and nothing was written. */
const hopeless: ReadonlySet<string> = new Set([
  'ReactionFailed',
  'MessageInvalid',
  'EncodeFailed',
  'InvalidName',
  'DecodeFailed',
]);

/** The saga for those who only read: whatever of it is called besides `evolve` and the codecs breaks a promise. */
const silent = (world: World, saga: AnySaga): AnySaga => {
  const called = (what: string) => (): never => {
    world.broken(`a replay called ${what}`);
    return must(false, () => `a replay called ${what}`) as never;
  };
  return {
    ...saga,
    react: called('the handler'),
    merger: { description: '', merge: called('the merger') },
    onMerged: called('onMerged'),
    compensate: called('compensate'),
    hooks: {},
  };
};

/** The processes and the messages between them. */
export const makeRun = (
  world: World,
  saga: AnySaga,
  mended: AnySaga,
  messages: ReadonlyArray<SagaMessage>,
  { processes: wanted, queue: hasQueue }: { readonly processes?: number; readonly queue?: boolean } = {},
) => {
  const { time, random, faults, figures, strikes, note } = world;
  const shape = drawShape(random, wanted, hasQueue);
  note(`shape ${JSON.stringify(shape)} faults ${JSON.stringify(faults)}`);
  const dispatched = new Map<string, Set<string>>();
  const operator = makeOperator(world, hopeless);
  /** Messages acknowledged with an effect, and their streams. */
  const acknowledged = new Map<string, string>();
  /** Messages that the queue has said it has. */
  const acknowledgedByQueue = new Set<string>();
  const inHand = new Map<SimulatedProcess, Set<Delivery>>();
  let open = 0;
  let isReplaying = false;

  const slots: Slot[] = Array.from({ length: shape.processes }, (_, index) => {
    const follows = shape.followers !== 'one' || index === 0;
    const subscriber = shape.followers === 'each' ? `${saga.name} ${index}` : saga.name;
    return { name: `p${index + 1}`, subscriber: follows ? subscriber : undefined, process: undefined };
  });

  const start = (slot: Slot): void => {
    const isMended = world.phase !== 1 || (mended !== saga && random() < 0.2);
    figures.processes += 1;
    note(`${slot.name} starts${isMended && mended !== saga ? ' mended' : ''}`);
    const process: SimulatedProcess = startProcess(world, {
      name: slot.name,
      saga: isMended ? mended : saga,
      shape,
      subscriber: slot.subscriber,
      dispatched,
      isReplaying: () => isReplaying,
      onDeath: (isCrash) => {
        if (isCrash) figures.crashes += 1;
        slot.process = undefined;
        for (const delivery of inHand.get(process) ?? []) again(delivery);
        inHand.delete(process);
        time.after(isCrash ? 100 * random() : 1, () => start(slot));
      },
    });
    slot.process = process;
    inHand.set(process, new Set());
  };

  const again = (delivery: Delivery): void => {
    delivery.attempt += 1;
    const waitMs = Math.min(400, 5 * 2 ** delivery.attempt) * (0.5 + random());
    time.after(waitMs, () => deliver(delivery));
  };

  const settle = (delivery: Delivery, answer: Answer, streamName: string): void => {
    const { message } = delivery;
    const watch = world.watchOf(streamName);
    if (E.isLeft(answer)) {
      if (hopeless.has(answer.left._tag)) open -= 1;
      else again(delivery);
      return;
    }
    const { _tag } = answer.right;
    if (_tag === 'Duplicate') figures.duplicates += 1;
    if (_tag === 'Completed') {
      if (watch.completions() === 0)
        world.broken(`message ${message.id} was answered Completed by a saga that never was`);
    } else if (_tag !== 'Nothing') {
      if (!watch.holds(message.id))
        world.broken(`message ${message.id} was acknowledged as ${_tag}, and the stream does not hold it`);
      acknowledged.set(message.id, streamName);
    }
    if (strikes(faults.acknowledgementLost)) again(delivery);
    else open -= 1;
  };

  /** A sender asks again under the same id until it is told that the queue has it. */
  const enqueue = (process: SimulatedProcess, delivery: Delivery, line: number): void => {
    const { message } = delivery;
    note(`${process.name} enqueues ${message.id} ${message.type}`);
    void process.enqueue(message, line).then((answer) => {
      if (process.isDead()) return;
      note(`${process.name} is told ${message.id} ${E.isLeft(answer) ? answer.left._tag : 'enqueued'}`);
      inHand.get(process)?.delete(delivery);
      if (E.isLeft(answer) || strikes(faults.acknowledgementLost)) return again(delivery);
      acknowledgedByQueue.add(message.id);
      open -= 1;
    });
  };

  const deliver = (delivery: Delivery): void => {
    const alive = slots.filter(({ process }) => process !== undefined);
    const any = alive[Math.floor(random() * alive.length)]?.process;
    const process = (delivery.attempt === 0 ? delivery.to?.process : undefined) ?? any;
    if (process === undefined) return again(delivery);
    const { message } = delivery;
    const streamName = process.runtime.streamNameOf(message.sagaId);
    inHand.get(process)?.add(delivery);
    if (delivery.line !== undefined) return enqueue(process, delivery, delivery.line);
    figures.deliveries += 1;
    note(`${process.name} is handed ${message.id} ${message.type}`);
    process.handle(message).then(
      (answer) => {
        if (process.isDead()) return;
        note(`${process.name} answers ${message.id} ${describe(answer)}`);
        inHand.get(process)?.delete(delivery);
        settle(delivery, answer, streamName);
      },
      (thrown: unknown) =>
        world.broken(
          `handling ${message.id} threw ${thrown instanceof Error ? thrown.stack : String(thrown)}`,
        ),
    );
  };

  const anySlot = (): Slot | undefined => slots[Math.floor(random() * slots.length)];

  const sendAll = (): void => {
    // Queues take their time: leases must be able to end while messages come.
    const spreadMs = faults.spreadMs * (shape.worker === undefined ? 1 : 6);
    let last = { atMs: spreadMs * random(), to: anySlot() };
    for (const message of messages) {
      const isTogether = random() < shape.together;
      const copies = 1 + (strikes(faults.duplicate) ? 1 : 0);
      const isQueued = shape.worker !== undefined && random() >= shape.worker.byHand;
      const line = isQueued ? Math.floor(random() * (shape.worker?.keysPerSaga ?? 1)) : undefined;
      for (let copy = 0; copy < copies; copy += 1) {
        open += 1;
        const isBeside = copy === 0 && isTogether;
        const atMs = isBeside ? last.atMs : (copy === 0 ? spreadMs : spreadMs + 300) * random();
        const to = isBeside ? last.to : shape.together > 0 ? anySlot() : undefined;
        if (copy === 0) last = { atMs, to };
        time.after(atMs, () => deliver({ message, attempt: 0, line, to }));
      }
    }
  };

  const processes = (): ReadonlyArray<SimulatedProcess> => slots.flatMap(({ process }) => process ?? []);
  return {
    begin: () => {
      for (const slot of slots) start(slot);
      sendAll();
    },
    processes,
    isQuiet: () =>
      open === 0 &&
      isNothingWaiting(world) &&
      slots.every(
        ({ process, subscriber }) =>
          process !== undefined && (subscriber === undefined || process.following() !== undefined),
      ),
    isDelivered: () => open === 0 && isNothingWaiting(world),
    /** Faults are over after so many steps: where leases must end before something happens, more. */
    faultSteps: faults.steps * (shape.worker === undefined ? 1 : 4),
    /** What runs everywhere from now on is the mended saga. What a process alone has parked is tried again by the next one. */
    deploy: () => {
      const keepsTimeouts = shape.timeouts.isKept && waitingTimeouts(world).length > 0;
      if (mended !== saga || keepsTimeouts) for (const process of processes()) process.die();
    },
    /** Once faults are over. */
    lookAfter: operator.look,
    end: () => {
      isReplaying = true;
      return checkEnd(world, {
        saga: silent(world, mended),
        processes: processes(),
        acknowledged,
        acknowledgedByQueue,
        dispatched,
      });
    },
  };
};

export type Run = ReturnType<typeof makeRun>;
