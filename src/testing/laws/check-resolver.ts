/** Tries a resolver against the laws of resolving, over conflicts that the aggregate's own rules make. */
import type { EventOf, StateOf } from '../../core/decider.js';
import type { Resolver } from '../../core/concurrency/resolver.js';
import type { AnyAggregate } from './aggregate-scenario.js';
import {
  type AggregateCounterexample,
  type AggregateTrialOptions,
  tryOnAggregate,
} from './aggregate-trial.js';
import { type LawResult, type ReportWords, reportText } from './report.js';
import { type AnyResolver, resolverInvariant, resolverLaws } from './resolver-laws.js';
import { seedOf } from './try-laws.js';

/** `prototypes`, `deterministic` and `inputUntouched` come first; where one is broken the rest is skipped. The last two only where they are claimed. */
export type ResolverLawName =
  | 'prototypes'
  | 'deterministic'
  | 'inputUntouched'
  | 'answers'
  | 'namesFields'
  | 'unmovedStream'
  | 'unchangedSave'
  | 'commutative'
  | 'idempotent'
  | `invariant ${string}`;

export type ResolverLawResult = LawResult<ResolverLawName, AggregateCounterexample>;

export interface ResolverReport {
  /** Every law was tried and holds; `namesFields` also where nothing was refused. */
  readonly ok: boolean;
  readonly resolver: string;
  readonly seed: number;
  readonly laws: ReadonlyArray<ResolverLawResult>;
  /** For people: a line for each law, then the counterexamples. */
  readonly text: string;
}

export interface CheckResolverOptions<A extends AnyAggregate = AnyAggregate>
  extends AggregateTrialOptions<A> {
  /** Whose conflicts. */
  readonly aggregate: A;
  /** Default: all, those of what the resolver claims, and every invariant. */
  readonly laws?: ReadonlyArray<ResolverLawName>;
  /** What must hold of the state after the answer wherever it holds of both sides, by name. */
  readonly invariants?: Readonly<Record<string, (state: StateOf<A>) => boolean>>;
}

const lawsOf = (resolver: AnyResolver, options: CheckResolverOptions) => {
  const { purity, laws, claims } = resolverLaws(resolver);
  const claimed = (resolver.claims ?? []).map((claim) => claims[claim]);
  const invariants = Object.entries(options.invariants ?? {}).map(([name, holds]) =>
    resolverInvariant(resolver, name, holds),
  );
  return { purity, all: [...purity, ...laws, ...claimed, ...invariants] };
};

const words = (resolver: AnyResolver, { category }: AnyAggregate): ReportWords => ({
  subject: `The resolver "${resolver.description}" on ${category}`,
  untested: 'was not asked enough: a law met no conflict',
  advice: 'Give `arbitraries` with which both sides decide something.',
});

// A resolver that always decides has no refusal in which a field could be named.
const isFine = ({ name, status }: ResolverLawResult): boolean =>
  status === 'holds' || (status === 'untested' && name === 'namesFields');

/**
 * Tries the laws of resolving on random conflicts of the aggregate, without a store. Answers a report; throws a TypeError
 * where the options do not fit, and an `Error` whose `tagged` is `ArbitraryMissing` where no data can be derived for a type.
 *
 * | law | says |
 * |---|---|
 * | `prototypes`, `deterministic`, `inputUntouched` | the resolver is a pure function, whatever names its input holds |
 * | `answers` | its events are taken by the codecs and by `evolve`, or it refuses; it never throws |
 * | `namesFields` | where both sides changed one field, a refusal names a field |
 * | `unmovedStream` | where theirs did nothing, ours stands as it was attempted |
 * | `unchangedSave` | a save of nothing changes nothing |
 * | `commutative` | if claimed: the state is the same whichever side was first |
 * | `idempotent` | if claimed: where both sides did the same, it is done once |
 *
 * A refusal is counted and breaks no law: nothing wrong is written. States count, not the events that lead to them.
 */
export const checkResolver = <A extends AnyAggregate>(
  resolver: Resolver<StateOf<A>, EventOf<A>>,
  options: CheckResolverOptions<A>,
): ResolverReport => {
  const { aggregate } = options;
  const checked = resolver as unknown as AnyResolver;
  const { purity, all } = lawsOf(checked, options as unknown as CheckResolverOptions);
  const seed = seedOf(options);
  const call = 'checkResolver(resolver, { aggregate,';
  const tried = tryOnAggregate(
    aggregate,
    { caller: 'checkResolver', call, purity, laws: all, seed },
    options,
  );
  // Their names are those of the laws that were chosen.
  const laws = tried as ReadonlyArray<ResolverLawResult>;
  const shown = laws.filter((law) => law.status !== 'untested' || !isFine(law));
  const text = reportText(words(checked, aggregate), seed, shown.length === 0 ? laws : shown);
  return { ok: laws.every(isFine), resolver: resolver.description, seed, laws, text };
};

/** As `checkResolver`, but throws an `Error` with the report's text unless every law holds; else it answers the report. */
export const assertResolver = <A extends AnyAggregate>(
  resolver: Resolver<StateOf<A>, EventOf<A>>,
  options: CheckResolverOptions<A>,
): ResolverReport => {
  const report = checkResolver(resolver, options);
  if (!report.ok) throw new Error(report.text);
  return report;
};
