/** Catch up, then live, over any store that can read its global order: what `subscribe` promises, written once. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { taggedError } from '../core/fault.js';
import { startPosition } from '../core/stream.js';
import type {
  AllPage,
  Checkpoint,
  EventStore,
  HeldBack,
  ReadAllError,
  ReadAllRequest,
  SubscribeError,
  SubscribeRequest,
  SubscriptionItem,
} from './event-store.js';
import { checkCount, pageDefault, pageMax } from './limits.js';
import { realTimers, type Timers } from './timers.js';
import type { Wake } from './wake.js';

/** What a subscription needs of a store. */
export interface SubscriptionSource extends Pick<EventStore, 'readAll' | 'epoch'> {
  /** Woken by appends of this process; appends of others are found by polling. */
  readonly wake: Wake;
  readonly isClosed: () => boolean;
  /** The clock that the alarm is measured by; give the wake the same. Default: the machine's. */
  readonly timers?: Timers;
}

/** How often in a row a store may be unavailable before the subscriber is told; waits double from 100 ms to 5 s. */
const outagesMax = 8;

const outageDelayMs = (attempt: number): number => Math.min(5_000, 100 * 2 ** (attempt - 1));

const fail = (error: SubscribeError): never => {
  throw taggedError(error);
};

interface Settings {
  readonly maxCount: number;
  readonly pollMs: number;
  readonly lagAlarmMs: number;
}

const checkSettings = (request: SubscribeRequest): Settings => {
  const number = (field: string, value: number | undefined, fallback: number, max: number): number => {
    const checked = checkCount(field, value, fallback, 1, max);
    return E.isLeft(checked) ? fail(checked.left) : checked.right;
  };
  return {
    maxCount: number('maxCount', request.maxCount, pageDefault, pageMax),
    pollMs: number('pollMs', request.pollMs, 100, 60_000),
    lagAlarmMs: number('lagAlarmMs', request.lagAlarmMs, 5_000, 3_600_000),
  };
};

/** Asks again through short outages; gives up with the store's own error. */
const patiently = async <A>(
  source: SubscriptionSource,
  signal: AbortSignal | undefined,
  ask: () => TaskEither<ReadAllError, A>,
): Promise<A | undefined> => {
  for (let attempt = 1; ; attempt += 1) {
    const result = await ask()();
    if (E.isRight(result)) return result.right;
    const outage = result.left._tag === 'StoreUnavailable' && attempt < outagesMax;
    if (!outage) return fail(result.left);
    await source.wake.wait(outageDelayMs(attempt), signal);
    if (signal?.aborted === true) return undefined;
  }
};

/** Raises the alarm once for each time the order is held back, when it lasts too long. */
const lagAlarm = (
  lagAlarmMs: number,
  timers: Timers,
): ((heldBack: HeldBack | undefined) => HeldBack | undefined) => {
  let since: number | undefined;
  let raised = false;
  return (heldBack) => {
    if (heldBack === undefined) {
      since = undefined;
      raised = false;
      return undefined;
    }
    const now = timers.now();
    since ??= now;
    const lagMs = Math.max(heldBack.heldBackMs, now - since);
    if (raised || lagMs < lagAlarmMs) return undefined;
    raised = true;
    return { ...heldBack, heldBackMs: Math.round(lagMs) };
  };
};

/** The generic subscription: reads page after page, and waits for news at the end. */
export async function* pollingSubscription(
  source: SubscriptionSource,
  request: SubscribeRequest,
): AsyncGenerator<SubscriptionItem, void, void> {
  const settings = checkSettings(request);
  const { signal } = request;
  const epoch = await patiently(source, signal, source.epoch);
  if (epoch === undefined) return;
  if (request.after !== undefined && request.after.epoch !== epoch)
    return fail({ _tag: 'EpochChanged', checkpointEpoch: request.after.epoch, storeEpoch: epoch });
  const alarm = lagAlarm(settings.lagAlarmMs, source.timers ?? realTimers);
  let last = request.after?.position ?? startPosition;
  let announced = false;
  const checkpoint = (): Checkpoint => ({ position: last, epoch });
  while (signal?.aborted !== true) {
    const ask: ReadAllRequest = {
      after: last,
      maxCount: settings.maxCount,
      ...(request.filter && { filter: request.filter }),
    };
    // Closing the store ends a subscription under way; that is no failure of it.
    if (source.isClosed()) return;
    const page: AllPage | undefined = await patiently(source, signal, () => source.readAll(ask));
    if (page === undefined) return;
    for (const event of page.events) {
      if (signalAborted(signal)) return;
      last = event.position;
      announced = false;
      yield { _tag: 'Event', event, checkpoint: checkpoint() };
    }
    if (last !== page.last) announced = false;
    last = page.last;
    if (!page.isEnd) continue;
    if (!announced) {
      announced = true;
      yield { _tag: 'CaughtUp', checkpoint: checkpoint() };
    }
    const lag = alarm(page.heldBack);
    if (lag !== undefined) yield { _tag: 'Lag', heldBack: lag, checkpoint: checkpoint() };
    await source.wake.wait(settings.pollMs, signal);
    if (source.isClosed()) return;
  }
}

// A function of its own, because the compiler would otherwise hold that `aborted` cannot change inside the loop.
const signalAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;
