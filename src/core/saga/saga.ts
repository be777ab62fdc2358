/** A saga as a value of pure functions: what it receives, records and sends, and its answer to conflict. */
import type * as E from 'fp-ts/lib/Either.js';
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js';
import type { Codec, DataOf, Definitions, TaggedOf } from '../codec.js';
import {
  type AnyEvent,
  type Conflict,
  type MergeAnswer,
  merger,
  type Merger,
  type MergeRefused,
  mergeStates,
  type ReleasedMessage,
  type ThreeWay,
  threeWay,
} from '../merge/merge.js';

/** Types of the records that sagas write about themselves; a saga's own events cannot be called so. */
export const recordTypes = {
  mergeSagaState: 'MergeSagaState',
  sagaMerged: 'SagaMerged',
  sagaMergeRefused: 'SagaMergeRefused',
  sagaCompleted: 'SagaCompleted',
  sagaMessageHandled: 'SagaMessageHandled',
  sagaTimeoutIgnored: 'SagaTimeoutIgnored',
  compensationApplied: 'CompensationApplied',
  compensationFailed: 'CompensationFailed',
} as const;

export const reservedTypes: ReadonlySet<string> = new Set(Object.values(recordTypes));

/** A message a saga sends. At most one message of a `key` leaves per epoch; later ones are cancelled, and recorded so. */
export type SendOf<D extends Definitions> = {
  [K in keyof D & string]: { readonly type: K; readonly data: DataOf<D[K]>; readonly key?: string };
}[keyof D & string];

/** A message that a saga wants to be given later, where its exact type does not matter. */
export interface AnyTimeout extends AnyEvent {
  /** Milliseconds, 0 to 315,360,000,000 (ten years), from when a follower has seen the record that asks for it, by the store's clock. */
  readonly afterMs: number;
  /** Names it, so that it can be cancelled. Of one key one waits: who asks again under it replaces the one before. */
  readonly key?: string;
}

/** A timeout a saga asks for: one of its own messages, later. */
export type TimeoutOf<D extends Definitions> = {
  [K in keyof D & string]: Omit<AnyTimeout, 'type' | 'data'> & {
    readonly type: K;
    readonly data: DataOf<D[K]>;
  };
}[keyof D & string];

/** What a handler decides; it does nothing itself. All parts may be missing. */
export interface Reaction<Ev, Out, Timeout = never> {
  readonly events?: ReadonlyArray<Ev>;
  readonly send?: ReadonlyArray<Out>;
  /** Messages to itself, later: each is delivered once. One that comes after the saga has completed is ignored, and recorded so. */
  readonly timeouts?: ReadonlyArray<Timeout>;
  /** Keys of timeouts that are not wanted any more, also where they are on their way already. */
  readonly cancelTimeouts?: ReadonlyArray<string>;
  /** The saga is done. In a branch this is provisional: `onMerged` decides on the merged state. */
  readonly complete?: boolean;
}

export interface ReactInfo {
  readonly sagaId: string;
  readonly messageId: string;
  readonly epoch: number;
}

/** What `onMerged` and `compensate` see besides the conflict: how it was answered. */
export interface MergedInfo<S, Ev extends AnyEvent> {
  readonly state: S;
  readonly mergeId: string;
  readonly sagaId: string;
  readonly epoch: number;
  readonly conflict: Conflict<S, Ev>;
  /** All messages that have left or leave with this merge (without those that `onMerged` sends). */
  readonly released: ReadonlyArray<ReleasedMessage>;
  /** Whether the saga has completed already, in this epoch. */
  readonly completed: boolean;
}

/** A compensation that a merge asks for. `of` names the message that was wrong; one that never left is not compensated. */
export interface CompensationRequest {
  readonly hook: string;
  readonly of?: string;
  readonly data: unknown;
}

export interface HookInfo {
  /** `comp:<mergeId>:<hook>:<n>`: stable, so that a hook that runs again can know it. */
  readonly id: string;
  readonly sagaId: string;
  readonly mergeId: string;
  /** 1 is the first. */
  readonly attempt: number;
  /** The conversation of the merge, for calls that the hook makes. */
  readonly correlationId?: string;
}

/** Runs after the merge is committed, at least once. What it answers to send rides in the record of its success, hence leaves once. */
export type CompensationHook<Out> = (
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the data is the hook's own business; it comes from JSON
  data: any,
  info: HookInfo,
) => void | { readonly send: ReadonlyArray<Out> } | Promise<void | { readonly send: ReadonlyArray<Out> }>;

export type ConflictAnswer = 'merge' | 'retry' | 'reject';

/* eslint-disable @typescript-eslint/no-explicit-any -- the engine runs sagas whatever their types */
/** A saga, ready for the runtime. Made by `saga`. */
export interface Saga<
  S = any,
  Ev extends AnyEvent = any,
  M extends AnyEvent = any,
  Out extends AnyEvent = any,
> {
  /* eslint-enable @typescript-eslint/no-explicit-any */
  /** Its category: one instance is the stream `<name>-<id>`. */
  readonly name: string;
  readonly messages: Definitions;
  readonly events: Definitions;
  readonly sends: Definitions;
  readonly state: Codec<S>;
  readonly initialState: S;
  readonly evolve: (state: S, event: Ev) => S;
  readonly react: (state: S, message: M, info: ReactInfo) => Reaction<Ev, Out, AnyTimeout>;
  readonly onConflict: ConflictAnswer;
  readonly merger: Merger<S, Ev> | undefined;
  readonly mergerVersion: string;
  readonly commutes: (ours: string, theirs: string) => boolean;
  readonly onMerged: ((merged: MergedInfo<S, Ev>) => Reaction<Ev, Out, AnyTimeout>) | undefined;
  readonly compensate: ((merged: MergedInfo<S, Ev>) => ReadonlyArray<CompensationRequest>) | undefined;
  readonly hooks: Readonly<Record<string, CompensationHook<Out>>>;
  // Phantoms for inference; never set.
  readonly _message?: M;
  readonly _out?: Out;
}

export type StateOfSaga<T> = T extends Saga<infer S, infer _Ev, infer _M, infer _Out> ? S : never;
export type MessageOfSaga<T> = T extends { readonly _message?: infer M } ? NonNullable<M> : never;

/**
 * The forms of a merger: in full; over all states, as Rhino has it; three-way, by a function or by parts; or a `Merger` made
 * elsewhere. The middle ones stand here as objects because a compiler infers through them, but not through a call.
 */
type MergeOption<S, Ev extends AnyEvent> =
  | ((conflict: Conflict<S, Ev>) => E.Either<MergeRefused, MergeAnswer<S, Ev>>)
  | { readonly states: (states: ReadonlyNonEmptyArray<S>) => S }
  | { readonly threeWay: ThreeWay<S> | ((base: S, ours: S, theirs: S) => S) }
  // The event type of ready-made mergers is wider than the saga's own.
  | Merger<S>
  | Merger<S, Ev>;

const mergerOf = <S, Ev extends AnyEvent>(
  merge: MergeOption<S, Ev> | undefined,
): Merger<S, Ev> | undefined => {
  if (merge === undefined) return undefined;
  if (typeof merge === 'function') return merger(merge);
  if ('states' in merge) return mergeStates<S, Ev>(merge.states);
  if ('threeWay' in merge) return threeWay<S, Ev>(merge.threeWay);
  return merge as Merger<S, Ev>;
};

/** `merge` needs a merger; the other answers must not have one. */
type ConflictOptions<S, Ev extends AnyEvent> =
  | {
      /** A conflict becomes `MergeSagaState`; no handler runs again. */
      readonly onConflict: 'merge';
      readonly merge: MergeOption<S, Ev>;
    }
  | {
      /** `retry` reloads and runs the handler again, with backoff; `reject` gives the conflict back to the caller. */
      readonly onConflict: 'retry' | 'reject';
      readonly merge?: never;
    };

interface SagaOptions<
  C extends Codec,
  Es extends Definitions,
  Ms extends Definitions,
  Ss extends Definitions,
> {
  /** The streams' category: letters, digits, `_` and `.`; no `-`. */
  readonly name: string;
  /** Messages that reach the saga. */
  readonly messages: Ms;
  /** Messages that leave it. */
  readonly sends: Ss;
  readonly events: Es;
  /** Codec of the state: merged states are stored as JSON. */
  readonly state: C;
  readonly initialState: DataOf<C>;
  readonly evolve: { readonly [K in keyof Es]: (state: DataOf<C>, data: DataOf<Es[K]>) => DataOf<C> };
  readonly react: {
    readonly [K in keyof Ms]: (
      state: DataOf<C>,
      data: DataOf<Ms[K]>,
      info: ReactInfo,
    ) => Reaction<TaggedOf<Es>, SendOf<Ss>, TimeoutOf<Ms>>;
  };
  /** Part of every `SagaMerged`; change it with the merger, and parked sagas are tried again. Default `1`. */
  readonly mergerVersion?: string;
  /** Which of my events (key) commute with which of theirs (list): an append that lost only to those is appended again as it is. */
  readonly commuting?: { readonly [K in keyof Es]?: ReadonlyArray<keyof Es & string> };
  /**
   * Finishes what no single writer could see. Default: completes if a branch wanted to. Where the branches together are more than one
   * append may hold, they are merged in several, and this is asked with the last, and told as if it had been one.
   */
  readonly onMerged?: (
    merged: MergedInfo<DataOf<C>, TaggedOf<Es>>,
  ) => Reaction<TaggedOf<Es>, SendOf<Ss>, TimeoutOf<Ms>>;
  /** What was done twice or wrongly and must be undone, seen with the merged state. Pure; its answer is stored with the merge. */
  readonly compensate?: (merged: MergedInfo<DataOf<C>, TaggedOf<Es>>) => ReadonlyArray<CompensationRequest>;
  readonly hooks?: Readonly<Record<string, CompensationHook<SendOf<Ss>>>>;
}

const checkDefinition = (name: string, events: Definitions, onConflict: string, merge: unknown): void => {
  if (!/^[A-Za-z0-9_.]{1,100}$/.test(name))
    throw new TypeError(
      `saga: the name ${JSON.stringify(name)} must be 1 to 100 letters, digits, '_' or '.': it is a category`,
    );
  const reserved = Object.keys(events).filter((type) => reservedTypes.has(type));
  if (reserved.length > 0)
    throw new TypeError(`saga ${name}: the event types ${reserved.join(', ')} are kept for the engine`);
  if (onConflict === 'merge' && merge === undefined)
    throw new TypeError(
      `saga ${name}: onConflict 'merge' needs a merger; give \`merge\`, or choose 'retry' or 'reject'`,
    );
};

/** Defines a saga. All types are inferred from the codecs; a missing handler is an error at its key. Throws a TypeError on a definition that cannot work. */
export const saga = <
  C extends Codec,
  const Es extends Definitions,
  const Ms extends Definitions,
  const Ss extends Definitions,
>(
  options: SagaOptions<C, Es, Ms, Ss> & ConflictOptions<DataOf<C>, TaggedOf<Es>>,
): Saga<DataOf<C>, TaggedOf<Es>, TaggedOf<Ms>, SendOf<Ss>> => {
  type S = DataOf<C>;
  const { name, messages, events, sends, state, initialState, onConflict, merge, onMerged, compensate } =
    options;
  checkDefinition(name, events, onConflict, merge);
  const evolve = new Map<string, (state: S, data: unknown) => S>(Object.entries(options.evolve) as never);
  type React = (
    state: S,
    data: unknown,
    info: ReactInfo,
  ) => Reaction<TaggedOf<Es>, SendOf<Ss>, TimeoutOf<Ms>>;
  const react = new Map<string, React>(Object.entries(options.react) as never);
  const commuting = new Map(
    Object.entries(options.commuting ?? {}).map(([type, others]) => [
      type,
      new Set<string>(others as ReadonlyArray<string>),
    ]),
  );
  const handlerFor = <H>(handlers: ReadonlyMap<string, H>, kind: string, type: string): H => {
    const handler = handlers.get(type);
    if (handler === undefined) throw new TypeError(`saga ${name}: no ${kind} for ${type}`);
    return handler;
  };
  return {
    name,
    messages,
    events,
    sends,
    state,
    initialState,
    onConflict,
    evolve: (current, event) => handlerFor(evolve, 'evolve', event.type)(current, event.data),
    react: (current, message, info) => handlerFor(react, 'react', message.type)(current, message.data, info),
    merger: mergerOf<S, TaggedOf<Es>>(merge),
    mergerVersion: options.mergerVersion ?? '1',
    commutes: (ours, theirs) => commuting.get(ours)?.has(theirs) ?? false,
    onMerged,
    compensate,
    hooks: options.hooks ?? {},
  };
};
