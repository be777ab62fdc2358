/** How one save meets other writers: what policies, the call and the check make of it, and what `adaptive` chooses. */
import * as E from 'fp-ts/lib/Either.js';
import type { AdaptiveStrategy } from '../../core/concurrency/adaptive.js';
import type { Definitions } from '../../core/codec.js';
import type { ConcurrencyStrategy } from '../../core/concurrency/concurrency-strategy.js';
import {
  type ConcurrencySettings,
  noPolicies,
  type Policies,
  policies,
  type SaveContext,
  when,
} from '../../core/concurrency/policy.js';
import { categoryOf, defaultTenant, type StreamName } from '../../core/stream.js';
import { realTimers } from '../../store/timers.js';
import type { Source } from '../aggregate/aggregate-context.js';
import { invalid, type Look, ownLook, readCheck, strategyOf } from './check.js';
import type { RepositoryContext, SaveError, SaveOptions } from './context.js';
import type { AggregateCopy, Rules } from './copy.js';

/** What `adaptive` stands for is known. */
export type Concrete = Exclude<ConcurrencyStrategy, 'adaptive'>;

/** How one save goes about it. */
export interface Choice {
  readonly strategy: Concrete;
  readonly settings: ConcurrencySettings;
  /** Names of the rules that chose it. */
  readonly chosenBy: string;
  /** The same for people: with the reason, where `adaptive` was asked. */
  readonly policy: string;
  /** Is told how it went. */
  readonly adaptive: AdaptiveStrategy | undefined;
}

/** The rules of the repository: what the aggregate itself says about retries comes before all of them. */
export const policiesFor = (
  context: RepositoryContext,
  rules: Pick<Rules<unknown, unknown>, 'category' | 'retry'>,
): Policies => {
  const own = context.policies ?? noPolicies;
  return Object.keys(rules.retry).length === 0
    ? own
    : policies(when(() => true, `retry of ${rules.category}`).then(rules.retry), ...own.rules);
};

/** What policies are asked about. */
export const saveContextOf = (
  context: RepositoryContext,
  rules: Pick<Rules<unknown, unknown>, 'category'>,
  commandTypes: ReadonlyArray<string>,
  options: SaveOptions,
): SaveContext => {
  const environment = options.environment ?? context.environmentName;
  const actor = options.actor ?? context.actor;
  return {
    aggregateType: rules.category,
    commandTypes,
    tags: new Set(options.tags),
    flags: new Set([...(context.flags ?? []), ...(options.flags ?? [])]),
    tenant: context.tenant ?? defaultTenant,
    ...(environment !== undefined && { environment }),
    ...(actor !== undefined && { actor }),
  };
};

export const overrideOf = ({ settings, bypassPolicies = false }: SaveOptions) => ({
  bypassPolicies,
  ...(settings !== undefined && { settings }),
});

/** What is measured by stream is measured by tenant too: one collector may serve several. */
export const measuredKey = ({ tenant = defaultTenant }: RepositoryContext, streamName: StreamName): string =>
  tenant === defaultTenant ? streamName : `${tenant}/${streamName}`;

const adaptiveChoice = (
  context: RepositoryContext,
  { streamName }: Pick<Source<Definitions, unknown>, 'streamName'>,
  settings: ConcurrencySettings,
  chosenBy: string,
): E.Either<SaveError<never>, Choice> => {
  const { adaptive, resolver } = settings;
  if (adaptive === undefined)
    return E.left(invalid('settings.adaptive', 'the strategy is adaptive, and nobody is there to choose'));
  const { strategy, reason } = adaptive.decide({
    aggregateType: categoryOf(streamName),
    key: measuredKey(context, streamName),
    hasResolver: resolver !== undefined,
    nowMs: (context.environment?.timers ?? realTimers).now(),
  });
  return E.right({ strategy, settings, chosenBy, policy: `${chosenBy} (adaptive: ${reason})`, adaptive });
};

/** What a strategy cannot do without. */
const lackOf = (
  { store }: RepositoryContext,
  { strategy, settings }: Choice,
): SaveError<never> | undefined => {
  if (strategy === 'pessimistic' && store.leases === undefined)
    return { _tag: 'NotSupported', capability: 'leases' };
  if (strategy === 'merge' && settings.resolver === undefined)
    return invalid('settings.resolver', 'the strategy is merge, and there is no resolver');
  return undefined;
};

/** Chooses the strategy of one save. */
export const choose = (
  context: RepositoryContext,
  rules: Policies,
  about: SaveContext,
  source: Pick<Source<Definitions, unknown>, 'streamName'>,
  options: SaveOptions,
): E.Either<SaveError<never>, Choice> => {
  const resolved = rules.resolve(about, overrideOf(options));
  if (E.isLeft(resolved)) return resolved;
  const { settings, chosenBy } = resolved.right;
  const { check } = options;
  // A check says by itself what the save is about, unless somebody said more.
  const isChecks = check !== undefined && chosenBy === 'default';
  const strategy = isChecks ? strategyOf(check) : settings.strategy;
  const by = isChecks ? 'the check' : chosenBy;
  const choice: E.Either<SaveError<never>, Choice> = strategy === 'adaptive'
    ? adaptiveChoice(context, source, settings, by)
    : E.right({ strategy, settings, chosenBy: by, policy: by, adaptive: undefined });
  if (E.isLeft(choice)) return choice;
  const lack = lackOf(context, choice.right);
  return lack === undefined ? choice : E.left(lack);
};

/** All that is looked at: what the caller asks for, and what the strategy makes of the copy by itself. */
export interface Looks {
  readonly given: Look | undefined;
  readonly own: Look | undefined;
}

/** Reads the checks of a save. */
export const looksOf = <State>(
  context: RepositoryContext,
  { strategy, settings }: Choice,
  { check }: SaveOptions,
  copy: AggregateCopy<State>,
): E.Either<SaveError<never>, Looks> => {
  const given = check === undefined ? E.right(undefined) : readCheck(context, check, copy);
  if (E.isLeft(given)) return given;
  if (given.right !== undefined && given.right._tag === strategy)
    return E.right({ given: given.right, own: undefined });
  const own = ownLook(context, { ...settings, strategy }, copy);
  return E.isLeft(own) ? own : E.right({ given: given.right, own: own.right });
};
