/** Which strategy a save uses, by rules over its context: later rules override earlier ones, field by field. */
import * as E from 'fp-ts/lib/Either.js';
import { checkSettings, type ConcurrencySettings, defaultSettings } from './concurrency-settings.js';
import { thrownMessage } from '../fault.js';
import type { SaveContext, SavePredicate } from './policy-predicates.js';
import { explanationText } from './policy-text.js';

export type { ConcurrencySettings } from './concurrency-settings.js';
export type { ConcurrencyStrategy } from './concurrency-strategy.js';
export type { SaveContext, SavePredicate } from './policy-predicates.js';

/** A rule's predicate threw, or answered neither true nor false. Nothing was written. Mend the predicate; until then save with `bypassPolicies`. */
export interface PolicyFailed {
  readonly _tag: 'PolicyFailed';
  /** Name of the rule. */
  readonly rule: string;
  readonly message: string;
}

export interface PolicyRule {
  /** Default, among others: `rule` and its place, from 1. */
  readonly name: string | undefined;
  readonly predicate: SavePredicate;
  readonly settings: Partial<ConcurrencySettings>;
  /** The same rule with more settings. Throws a `TypeError` on a value that cannot work. */
  readonly and: (settings: Partial<ConcurrencySettings>) => PolicyRule;
}

/** What is set for one call: it overrides every rule, or stands instead of all of them. */
export interface PolicyOverride {
  readonly settings?: Partial<ConcurrencySettings>;
  /** Do not ask the rules. Default false. */
  readonly bypassPolicies?: boolean;
}

export interface ResolvedPolicy {
  readonly settings: ConcurrencySettings;
  /** Name of the rule that set `strategy`; `the call` where the call did, and `default` where nobody did. */
  readonly chosenBy: string;
}

/** What one rule had to say. */
export interface RuleExplanation {
  readonly name: string;
  readonly fired: boolean;
  /** What it sets, whether it fired or not. */
  readonly sets: Partial<ConcurrencySettings>;
  /** By field: the last rule that fired later and set it too. Empty where the rule did not fire. */
  readonly overriddenBy: Readonly<Partial<Record<keyof ConcurrencySettings, string>>>;
}

export interface PolicyExplanation extends ResolvedPolicy {
  readonly rules: ReadonlyArray<RuleExplanation>;
  /** A rule that could not be asked: a save in this context fails with it, and the rest is told as if the rule had said no. */
  readonly failed?: PolicyFailed;
  /** A table for people. */
  readonly text: string;
}

export interface Policies {
  readonly rules: ReadonlyArray<PolicyRule>;
  /** What a save in this context uses. Throws a `TypeError` where the call's own settings cannot work. */
  readonly resolve: (
    context: SaveContext,
    override?: PolicyOverride,
  ) => E.Either<PolicyFailed, ResolvedPolicy>;
  /** The same, with what every rule had to say. */
  readonly explain: (context: SaveContext, override?: PolicyOverride) => PolicyExplanation;
}

const rule = (
  name: string | undefined,
  predicate: SavePredicate,
  settings: Partial<ConcurrencySettings>,
): PolicyRule => ({
  name,
  predicate,
  settings,
  and: (more) => rule(name, predicate, Object.freeze({ ...settings, ...checkSettings(labelOf(name), more) })),
});

const labelOf = (name: string | undefined): string => `policy${name === undefined ? '' : ` ${name}`}`;

/**
 * A rule: `when(hasTag('high-volume'), 'busy').then({ strategy: 'retry' }).and({ attemptsMax: 5 })`. Throws a `TypeError` on
 * settings that cannot work.
 */
// What it answers has a `then` and is no promise: never await it.
export const when = (
  predicate: SavePredicate,
  name?: string,
): { readonly then: (settings: Partial<ConcurrencySettings>) => PolicyRule } => {
  if (typeof predicate !== 'function')
    throw new TypeError(`${labelOf(name)}: when must be given a function, found ${typeof predicate}`);
  return { then: (settings) => rule(name, predicate, checkSettings(labelOf(name), settings)) };
};

interface NamedRule extends PolicyRule {
  readonly name: string;
}

const theCall = 'the call';

const named = (rules: ReadonlyArray<PolicyRule>): ReadonlyArray<NamedRule> => {
  const all = rules.map((one, index) => ({ ...one, name: one.name ?? `rule ${index + 1}` }));
  const names = new Set<string>([theCall, 'default']);
  for (const { name } of all) {
    if (name === '' || names.has(name))
      throw new TypeError(`policies: the name '${name}' is empty, in use, or stands for something else`);
    names.add(name);
  }
  return all;
};

const asked = ({ name, predicate }: NamedRule, context: SaveContext): E.Either<PolicyFailed, boolean> => {
  const failed = (message: string) => E.left<PolicyFailed>({ _tag: 'PolicyFailed', rule: name, message });
  try {
    const answer: unknown = predicate(context);
    // A promise would count as yes, whatever it comes to.
    return typeof answer === 'boolean'
      ? E.right(answer)
      : failed(`its predicate must answer true or false, and answered ${typeof answer}`);
  } catch (thrown) {
    return failed(`its predicate threw: ${thrownMessage(thrown)}`);
  }
};

interface Part {
  readonly name: string;
  readonly fired: boolean;
  readonly sets: Partial<ConcurrencySettings>;
}

const fold = (parts: ReadonlyArray<Part>): ResolvedPolicy => {
  let settings = defaultSettings;
  let chosenBy = 'default';
  for (const { name, fired, sets } of parts) {
    if (!fired) continue;
    settings = { ...settings, ...sets };
    if (sets.strategy !== undefined) chosenBy = name;
  }
  return { settings: Object.freeze(settings), chosenBy };
};

const ownPart = ({ settings }: PolicyOverride): ReadonlyArray<Part> =>
  settings === undefined ? [] : [{ name: theCall, fired: true, sets: checkSettings(theCall, settings) }];

const overriddenBy = (parts: ReadonlyArray<Part>, index: number): RuleExplanation['overriddenBy'] => {
  const { fired, sets } = parts[index] as Part;
  if (!fired) return {};
  const later = parts.slice(index + 1).filter((part) => part.fired);
  const over = Object.keys(sets).flatMap((field) => {
    const by = later.findLast((part) => Object.hasOwn(part.sets, field));
    return by === undefined ? [] : [[field, by.name]];
  });
  return Object.fromEntries(over) as RuleExplanation['overriddenBy'];
};

const resolve = (
  rules: ReadonlyArray<NamedRule>,
  context: SaveContext,
  override: PolicyOverride,
): E.Either<PolicyFailed, ResolvedPolicy> => {
  const parts: Part[] = [];
  for (const one of override.bypassPolicies === true ? [] : rules) {
    const fired = asked(one, context);
    if (E.isLeft(fired)) return fired;
    parts.push({ name: one.name, fired: fired.right, sets: one.settings });
  }
  return E.right(fold([...parts, ...ownPart(override)]));
};

const explain = (
  rules: ReadonlyArray<NamedRule>,
  context: SaveContext,
  override: PolicyOverride,
): PolicyExplanation => {
  const isBypassed = override.bypassPolicies === true;
  let failed: PolicyFailed | undefined;
  const parts = rules.map((one): Part => {
    const fired = isBypassed ? E.right(false) : asked(one, context);
    if (E.isLeft(fired)) failed ??= fired.left;
    return { name: one.name, fired: E.isRight(fired) && fired.right, sets: one.settings };
  });
  const all = [...parts, ...ownPart(override)];
  const explained = {
    ...fold(all),
    rules: all.map((part, index) => ({ ...part, overriddenBy: overriddenBy(all, index) })),
    ...(failed !== undefined && { failed }),
  };
  return { ...explained, text: explanationText(context, explained, isBypassed) };
};

/**
 * Rules in their order: each that fires overrides those before it, field by field; where none sets a field its default
 * stands. Throws a `TypeError` where two rules have one name.
 */
export const policies = (...rules: ReadonlyArray<PolicyRule>): Policies => {
  const all = named(rules);
  return {
    rules: all,
    resolve: (context, override = {}) => resolve(all, context, override),
    explain: (context, override = {}) => explain(all, context, override),
  };
};

/** No rule: every save uses the defaults, and what its call sets. */
export const noPolicies: Policies = policies();

/** Which rules fire in a context, what each of them sets, and which settings come of it. Never throws on a predicate that does. */
export const explainPolicy = (
  rules: Policies,
  context: SaveContext,
  override: PolicyOverride = {},
): PolicyExplanation => rules.explain(context, override);
