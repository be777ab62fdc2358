/** `toCommute`: two events come to the same state in either order. */
import type { AnyEvent } from '../../core/merge/merge.js';
import { titled } from '../../core/saga/describe-conflict.js';
import { deepFreeze, type Json } from '../../core/json.js';
import { compared, type MatcherContext, type MatcherResult, plainly } from './context.js';

/** What is asked of an aggregate or a saga. */
interface Evolving {
  readonly initialState: unknown;
  readonly evolve: (state: unknown, event: AnyEvent) => unknown;
}

const isEvolving = (value: unknown): value is Evolving =>
  typeof value === 'object' &&
  value !== null &&
  'initialState' in value &&
  typeof (value as Partial<Evolving>).evolve === 'function';

type Order = { readonly state: unknown } | { readonly thrown: string };

const inOrder = ({ evolve }: Evolving, state: unknown, events: ReadonlyArray<AnyEvent>): Order => {
  try {
    return { state: events.reduce(evolve, state) };
  } catch (thrown) {
    return { thrown: thrown instanceof Error ? thrown.message : String(thrown) };
  }
};

const textOf = ({ type, data }: AnyEvent): string => titled(type, data as Json, 100);

export function toCommute(
  this: MatcherContext,
  received: unknown,
  a: AnyEvent,
  b: AnyEvent,
  options: { readonly over?: ReadonlyArray<unknown> } = {},
): MatcherResult {
  const name = 'toCommute';
  if (!isEvolving(received))
    throw new TypeError(
      `${this.utils.matcherHint(name, 'received', '')}\n\nThe received value must be an aggregate or a saga.\nReceived: ${this.utils.printReceived(received)}`,
    );
  const states = options.over ?? [received.initialState];
  for (const state of states) {
    const base = deepFreeze(state);
    const [first, second] = [inOrder(received, base, [a, b]), inOrder(received, base, [b, a])];
    const of = [
      `Expected: ${textOf(a)}, then ${textOf(b)}`,
      'Received: the other way round',
      `Both over ${this.utils.printReceived(base)}`,
    ].join('\n');
    const differing = compared(this, name, first, second, of);
    if (!differing.pass) return differing;
    if ('thrown' in first)
      return plainly(this, name, false, { yes: '', no: `Both orders throw: ${first.thrown}` }, of);
  }
  const over = options.over === undefined ? '' : ` over each of the ${states.length} given states`;
  const yes = `Expected ${textOf(a)} and ${textOf(b)} not to commute, but both orders come to the same${over}.`;
  return plainly(this, name, true, { yes, no: '' });
}
