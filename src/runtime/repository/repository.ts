/** A repository of aggregates: load a copy, change it, save it, with the answer to other writers chosen by policy, call or check. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { type CommandInput, decodeCommand } from '../../core/aggregate-codec.js';
import type { DecodeFailed, Definitions, EncodeFailed, TaggedOf } from '../../core/codec.js';
import type { Aggregate } from '../../core/decider.js';
import { toPromise } from '../../core/fault.js';
import { deepFreeze } from '../../core/json.js';
import type { PolicyExplanation } from '../../core/concurrency/policy.js';
import type { Resolver, ResolverConflict, ResolverRefused } from '../../core/concurrency/resolver.js';
import { makeToken } from '../../core/concurrency/token.js';
import { realTimers } from '../../store/timers.js';
import { type Source, sourceOf } from '../aggregate/aggregate-context.js';
import type { Rejected } from '../aggregate/command-request.js';
import { load as loadFold, type LoadAggregateError, readOn, shownOf } from '../aggregate/load-aggregate.js';
import { invalid } from './check.js';
import { overrideOf, policiesFor, saveContextOf } from './choice.js';
import type {
  LoadOptions,
  RepositoryContext,
  RepositoryOptions,
  Saved,
  SaveError,
  SaveOptions,
} from './context.js';
import { type AggregateCopy, type Changed, changeCopy } from './copy.js';
import { type FoldCache, foldCache, type Look } from './fold-cache.js';
import {
  type HistoryPage,
  type HistoryRequest,
  type Operation,
  operationsOf,
  type Revision,
  revisionsOf,
} from './history.js';
import { orderOf, saveChanged, type Shop, updateOne } from './run.js';
import { type SaveAllError, type SaveItem, saveTogether } from './save-all.js';

/** Aggregates of one kind. */
export interface Repository<Commands extends Definitions, Events extends Definitions, State, Rejection> {
  /** A copy to look at and to change. Nothing is written. */
  readonly load: (id: string, options?: LoadOptions) => TaskEither<LoadAggregateError, AggregateCopy<State>>;
  /** The same with a token that stands for its version: signed, so that it can go through a browser and come back as a check. */
  readonly loadWithToken: (
    id: string,
  ) => TaskEither<LoadAggregateError, AggregateCopy<State> & { readonly token: string }>;
  /** Decides a command on a copy, or on a changed one. Pure: nothing is written before it is saved. */
  readonly change: (
    copy: AggregateCopy<State> | Changed<State, TaggedOf<Commands>, TaggedOf<Events>>,
    command: CommandInput<Commands>,
  ) => E.Either<
    Rejected<Rejection> | DecodeFailed | EncodeFailed,
    Changed<State, TaggedOf<Commands>, TaggedOf<Events>>
  >;
  /** `trySave` for those who prefer to catch: rejects with a `TaggedError` of `SaveError`. */
  readonly save: (
    changed: Changed<State, TaggedOf<Commands>, TaggedOf<Events>>,
    options?: SaveOptions<State>,
  ) => Promise<Saved<State, TaggedOf<Events>>>;
  /** Saves a changed copy: all of its events or none. Saving the very same copy again is recognised and adds nothing. */
  readonly trySave: (
    changed: Changed<State, TaggedOf<Commands>, TaggedOf<Events>>,
    options?: SaveOptions<State>,
  ) => TaskEither<SaveError<Rejection>, Saved<State, TaggedOf<Events>>>;
  /** Loads, decides one or more commands, and saves. Under `pessimistic` the lock is taken before the load. */
  readonly update: (
    id: string,
    commands: CommandInput<Commands> | ReadonlyArray<CommandInput<Commands>>,
    options?: SaveOptions<State>,
  ) => TaskEither<SaveError<Rejection>, Saved<State, TaggedOf<Events>>>;
  /** All of the changed copies or none, each as it was loaded. `NotSupported` where the store cannot. */
  readonly saveAll: (
    items: ReadonlyArray<SaveItem<State, TaggedOf<Commands>, TaggedOf<Events>>>,
  ) => TaskEither<SaveAllError, ReadonlyArray<Saved<State, TaggedOf<Events>>>>;
  /** Asks a resolver about two sides, as `merge` does; for those who resolve by hand. Pure. */
  readonly resolveConflict: (
    conflict: Omit<ResolverConflict<State, TaggedOf<Events>>, 'rules'>,
    resolver: Resolver<State, TaggedOf<Events>>,
  ) => E.Either<ResolverRefused, ResolvedConflict<State, TaggedOf<Events>>>;
  /** Which rules a save in this context would be under, and what each of them sets. */
  readonly explainPolicy: (
    options?: SaveOptions<State> & { readonly commands?: ReadonlyArray<keyof Commands & string> },
  ) => PolicyExplanation;
  /** What editors did, revision by revision. */
  readonly history: (
    id: string,
    page?: HistoryRequest,
  ) => TaskEither<LoadAggregateError, HistoryPage<Revision>>;
  /** What the system did, which adds no revision. */
  readonly operationLog: (
    id: string,
    page?: HistoryRequest,
  ) => TaskEither<LoadAggregateError, HistoryPage<Operation>>;
}

/** What a resolver made of two sides. */
export interface ResolvedConflict<State, Event> {
  /** To be appended on `current`. */
  readonly events: ReadonlyArray<Event>;
  /** `current` and then `events`. */
  readonly state: State;
  /** How it was decided, in words. */
  readonly rule: string;
}

/** A repository's parts that its loads share. */
interface Loading<State> extends Shop<State> {
  readonly cache: FoldCache<State> | undefined;
}

type Loaded<State> = Promise<E.Either<LoadAggregateError, AggregateCopy<State>>>;

const sourceFor = <State>(
  { context, rules }: Shop<State>,
  id: string,
): E.Either<LoadAggregateError, Source<Definitions, State>> =>
  sourceOf<Definitions, State>(context, rules, id);

/** Reads, and keeps what was read. */
const lookedAt = async <State>(
  look: Look<State> | undefined,
  read: () => ReturnType<typeof readOn<Definitions, State>>,
): ReturnType<typeof readOn<Definitions, State>> => {
  try {
    const loaded = await read();
    if (E.isRight(loaded)) look?.keep({ ...loaded.right, isKnown: false });
    return loaded;
  } finally {
    look?.end();
  }
};

const loadCopy = async <State>(
  loading: Loading<State>,
  id: string,
  { allowStaleMs = 0, atLeast }: LoadOptions,
  knownId: string | undefined,
): Loaded<State> => {
  const { cache, rules } = loading;
  const source = sourceFor(loading, id);
  if (E.isLeft(source)) return source;
  const { streamName } = source.right;
  // What the cache has folded is not looked through for an id: then the whole stream is.
  const found = knownId === undefined ? cache?.find(streamName) : undefined;
  const kept = { source: source.right, rules, token: undefined };
  if (found !== undefined && !found.isBehind && allowStaleMs > 0 && found.ageMs <= allowStaleMs) {
    const { loaded, ageMs } = found;
    const shown = shownOf(streamName, loaded);
    return E.right({ ...shown, id, fromCache: true, ageMs, stale: true, kept: { ...kept, loaded } });
  }
  const reading = { ...source.right, ...(atLeast !== undefined && { atLeast }) };
  const read = (): ReturnType<typeof readOn<Definitions, State>> =>
    found === undefined ? loadFold(reading, knownId) : readOn(reading, found.loaded, undefined);
  const loaded = await lookedAt(cache?.look(streamName, atLeast !== undefined), read);
  if (E.isLeft(loaded)) return loaded;
  const shown = shownOf(streamName, loaded.right);
  const fromCache = found !== undefined;
  return E.right({
    ...{ ...shown, id, fromCache, ageMs: 0, stale: false },
    kept: { ...kept, loaded: loaded.right },
  });
};

const loadSigned = async <State>(loading: Loading<State>, id: string) => {
  const { tokenSecret } = loading.context;
  if (tokenSecret === undefined)
    return E.left(invalid('tokenSecret', 'the repository has none, so that it can sign no token'));
  const copy = await loadCopy(loading, id, {}, undefined);
  if (E.isLeft(copy)) return copy;
  const { kept, version, streamName } = copy.right;
  const token = makeToken(tokenSecret, { tenant: kept.source.tenant, streamName, version });
  return E.right({ ...copy.right, token, kept: { ...kept, token } });
};

/** A copy of another store or tenant would be written where nobody looks for it: a bug of the caller's. */
const checkOurs = (
  { context, rules }: Shop<never>,
  { original: { streamName, kept } }: Changed<never>,
): void => {
  const { source } = kept;
  const isOurs = source.context.store === context.store && source.context.tenant === context.tenant;
  if (!isOurs || (source.rules as { readonly category: string }).category !== rules.category)
    throw new TypeError(`repository: ${streamName} was loaded from another store, tenant or category`);
};

const decodeAll = <Commands extends Definitions>(
  commands: Commands,
  inputs: ReadonlyArray<CommandInput<Commands>>,
): E.Either<DecodeFailed, ReadonlyArray<TaggedOf<Commands>>> => {
  const all: TaggedOf<Commands>[] = [];
  for (const input of inputs) {
    const decoded = decodeCommand(commands, input);
    if (E.isLeft(decoded)) return decoded;
    all.push(decoded.right);
  }
  return E.right(all);
};

/** Loads, decides and saves by the repository's own loader. */
const updateWith =
  <Commands extends Definitions, State>(loading: Loading<State>, definitions: Commands) =>
  async (
    id: string,
    inputs: CommandInput<Commands> | ReadonlyArray<CommandInput<Commands>>,
    options: SaveOptions<State>,
  ) => {
    const list = Array.isArray(inputs) ? inputs : [inputs];
    const commands = decodeAll(definitions, list as ReadonlyArray<CommandInput<Commands>>);
    if (E.isLeft(commands)) return commands;
    const source = sourceFor(loading, id);
    if (E.isLeft(source)) return source;
    const order = orderOf(loading, source.right, { id, commands: commands.right, options });
    if (E.isLeft(order)) return order;
    const saved = await updateOne(order.right, (knownId) => loadCopy(loading, id, {}, knownId));
    loading.cache?.wrote(source.right.streamName);
    return saved;
  };

/**
 * Makes a repository of one kind of aggregate.
 *
 * ```ts
 * const orders = repository({ store, policies: policies(when(hasTag('bulk')).then({ strategy: 'retry' })) })(order);
 * const loaded = await toPromise(orders.load('42'));
 * const changed = orders.change(loaded, { type: 'Rename', data: { name: 'Blue' } });
 * if (E.isRight(changed)) await orders.save(changed.right, { tags: ['bulk'] });
 * ```
 * Without a policy a save expects the version that was loaded (`expectedVersion`). Every save is written all or none, appended at
 * exactly the version that its check was looked at on. Events carry the save's header (`metadata.headers.save`) and its actor.
 * What `decide`, `evolve`, a condition or a resolver throws is a bug: it rejects the promise as it is, and nothing was written.
 */
export const repository =
  (context: RepositoryContext) =>
  <Commands extends Definitions, Events extends Definitions, State, Rejection>(
    rules: Aggregate<Commands, Events, State, Rejection>,
    options: RepositoryOptions = {},
  ): Repository<Commands, Events, State, Rejection> => {
    const timers = context.environment?.timers ?? realTimers;
    const policies = policiesFor(context, rules);
    const cache = foldCache<State>(options.cache, timers);
    const loading: Loading<State> = { context, rules, policies, cache };
    const update = updateWith(loading, rules.commands);
    type Repo = Repository<Commands, Events, State, Rejection>;
    const trySave: Repo['trySave'] =
      (changed, said = {}) =>
      async () => {
        checkOurs(loading as unknown as Shop<never>, changed as unknown as Changed<never>);
        const saved = await saveChanged(loading, changed, said);
        cache?.wrote(changed.original.streamName);
        return saved as Awaited<ReturnType<ReturnType<Repo['trySave']>>>;
      };
    const onSource =
      <Page>(
        read: (
          source: Source<Definitions, unknown>,
          page: HistoryRequest,
        ) => Promise<E.Either<LoadAggregateError, Page>>,
      ) =>
      (id: string, page: HistoryRequest = {}): TaskEither<LoadAggregateError, Page> =>
      async () => {
        const source = sourceFor(loading, id);
        return E.isLeft(source)
          ? source
          : read(source.right as unknown as Source<Definitions, unknown>, page);
      };
    return {
      load:
        (id, said = {}) =>
        () =>
          loadCopy(loading, id, said, undefined),
      loadWithToken: (id) => () => loadSigned(loading, id),
      change: (copy, command) => changeCopy(rules, copy, command),
      trySave,
      save: (changed, said) => toPromise(trySave(changed, said)),
      update:
        (id, commands, said = {}) =>
        () =>
          update(id, commands, said) as never,
      saveAll: (items) => async () => {
        for (const { changed } of items)
          checkOurs(loading as unknown as Shop<never>, changed as unknown as Changed<never>);
        const saved = await saveTogether(loading, items as ReadonlyArray<SaveItem<State>>);
        for (const { changed } of items) cache?.wrote(changed.original.streamName);
        return saved as Awaited<ReturnType<ReturnType<Repo['saveAll']>>>;
      },
      resolveConflict: (conflict, resolver) => {
        const answer = resolver.resolve({ ...conflict, rules });
        if (E.isLeft(answer)) return answer;
        const { events, rule = resolver.description } = answer.right;
        const state = events.reduce((folded, event) => rules.evolve(folded, event), conflict.current);
        return E.right({ events, state: deepFreeze(state), rule });
      },
      explainPolicy: ({ commands = [], ...said } = {}) =>
        policies.explain(saveContextOf(context, rules, commands, said), overrideOf(said)),
      history: onSource(revisionsOf),
      operationLog: onSource(operationsOf),
    };
  };
