/** How one save meets other writers: its strategy and the numbers and functions that go with it. */
import type { AdaptiveStrategy } from './adaptive.js';
import { concurrencyStrategies, type ConcurrencyStrategy } from './concurrency-strategy.js';
import type { AnyEvent } from '../merge/merge.js';
import type { Resolver } from './resolver.js';
import { defaultRetry, type RetryPolicy } from '../retry.js';

/** Settings as they are resolved. The fields of `RetryPolicy` count for `retry`, and for all that looks again. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- one list of rules holds resolvers and conditions of every aggregate
export interface ConcurrencySettings<S = any, Ev extends AnyEvent = any> extends RetryPolicy {
  /** Default `expectedVersion`. */
  readonly strategy: ConcurrencyStrategy;
  /** How long `pessimistic` waits for the row's lock, in milliseconds, 0 or more. Default 5,000. */
  readonly lockWaitMaxMs: number;
  /** Whom `merge` asks. */
  readonly resolver?: Resolver<S, Ev>;
  /** What `condition` looks at the current state with; the events are appended to the very state that it held on. */
  readonly condition?: (state: S) => boolean;
  /** Who chooses under `adaptive`. */
  readonly adaptive?: AdaptiveStrategy;
}

export const defaultSettings: ConcurrencySettings = Object.freeze({
  strategy: 'expectedVersion',
  ...defaultRetry,
  lockWaitMaxMs: 5_000,
});

type Check = (value: unknown) => string | undefined;

const wholeFrom =
  (min: number, max: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `must be a whole number from ${min} to ${max}`;

const numberFrom =
  (min: number, max: number): Check =>
  (value) =>
    typeof value === 'number' && value >= min && value <= max
      ? undefined
      : `must be a number from ${min} to ${max}`;

const having =
  (...methods: ReadonlyArray<string>): Check =>
  (value) =>
    methods.every((method) => typeof (value as Record<string, unknown> | null)?.[method] === 'function')
      ? undefined
      : `must have the function ${methods.join(' and ')}`;

/** A timer of Node and a `lock_timeout` of PostgreSQL take no more. */
const msMax = 2 ** 31 - 1;

const checks: Readonly<Record<keyof ConcurrencySettings, Check>> = {
  strategy: (value) =>
    concurrencyStrategies.some((strategy) => strategy === value)
      ? undefined
      : `must be one of ${concurrencyStrategies.join(', ')}`,
  attemptsMax: wholeFrom(1, Number.MAX_SAFE_INTEGER),
  delayMs: numberFrom(0, msMax),
  delayMaxMs: numberFrom(0, msMax),
  multiplier: numberFrom(1, Number.MAX_VALUE),
  jitter: numberFrom(0, 1),
  lockWaitMaxMs: wholeFrom(0, msMax),
  resolver: having('resolve'),
  condition: (value) => (typeof value === 'function' ? undefined : 'must be a function'),
  adaptive: having('decide', 'observe'),
};

const found = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value) : typeof value === 'object' ? 'an object' : String(value);

/** The fields that are set, frozen. Throws a `TypeError` on a value that cannot work, and on a field that there is none of. */
export const checkSettings = (
  where: string,
  settings: Partial<ConcurrencySettings>,
): Partial<ConcurrencySettings> => {
  if (typeof settings !== 'object' || settings === null)
    throw new TypeError(`${where}: settings must be an object, found ${String(settings)}`);
  const set = Object.entries(settings).filter(([, value]) => value !== undefined);
  for (const [field, value] of set) {
    if (!Object.hasOwn(checks, field)) throw new TypeError(`${where}: there is no setting ${field}`);
    const problem = checks[field as keyof ConcurrencySettings](value);
    if (problem !== undefined) throw new TypeError(`${where}: ${field} ${problem}, found ${found(value)}`);
  }
  return Object.freeze(Object.fromEntries(set));
};
