/** An aggregate's snapshots: what they hold, when they fit, and how they are kept. They are shortcuts: none ever fails a call. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { About, aboutAfter } from '../../core/concurrency/about.js';
import { decodeWith, type Definitions, encodeWith } from '../../core/codec.js';
import { describeTagged } from '../../core/fault.js';
import { deepFreeze, type Json } from '../../core/json.js';
import type { StreamVersion } from '../../core/stream.js';
import type { ReadError } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import type { Snapshot } from '../../store/snapshots.js';
import type { Loaded, SnapshotIgnored, Source } from './aggregate-context.js';

/**
 * What is stored: the state, the ids by which a repeated command is still recognised, and what people see of the stream's life.
 * Those of before that was kept lack it: they are passed over once and replaced.
 */
const Content = t.type({ state: t.unknown, ids: t.array(t.string), about: About });

/** What a snapshot that fits gives the fold to begin with. */
export type SnapshotStart<State> = Pick<Loaded<State>, 'version' | 'state' | 'ids' | 'about'>;

type Reason = SnapshotIgnored['reason'];

const contentOf = <Events extends Definitions, State>(
  { rules }: Source<Events, State>,
  snapshot: Snapshot,
): E.Either<readonly [Reason, string], SnapshotStart<State>> => {
  const { codecVersion, version, state: stored } = snapshot;
  const wanted = rules.snapshot?.codecVersion;
  if (codecVersion !== wanted)
    return E.left(['otherCodecVersion', `it is of codec version ${codecVersion}, wanted ${wanted}`]);
  const content = decodeWith('snapshot', Content, stored);
  if (E.isLeft(content)) return E.left(['unreadable', content.left.message]);
  const state = decodeWith('state', rules.state, content.right.state as Json);
  if (E.isLeft(state)) return E.left(['unreadable', state.left.message]);
  // Frozen, because a store in memory hands out the very object it keeps.
  const { ids, about } = content.right;
  return E.right({ version, state: deepFreeze(state.right), ids, about });
};

/** The newest snapshot, where there is one that fits. A version beyond the stream is found out when the stream is read. */
export const readSnapshot = async <Events extends Definitions, State>(
  source: Source<Events, State>,
): Promise<SnapshotStart<State> | undefined> => {
  const { context, rules, tenant, streamName } = source;
  if (rules.snapshot === undefined || context.snapshots === undefined) return undefined;
  const ignore = (reason: Reason, message: string) =>
    context.hooks?.onSnapshotIgnored?.({ streamName, reason, message });
  const found = await context.snapshots.load({ tenant, streamName })();
  if (E.isLeft(found)) {
    ignore('unavailable', describeTagged(found.left));
    return undefined;
  }
  if (found.right === undefined) return undefined;
  const start = contentOf(source, found.right);
  if (E.isRight(start)) return start.right;
  ignore(...start.left);
  return undefined;
};

/** What stands in the stream after `before` up to `version` says when it was recorded; the append did not. */
const aboutAt = async (
  { context, tenant, streamName }: Source<Definitions, unknown>,
  before: Pick<Loaded<unknown>, 'version' | 'about'>,
  version: StreamVersion,
): Promise<E.Either<ReadError, About>> => {
  let { about } = before;
  for (let from: number = before.version + 1; from <= version; ) {
    const maxCount = Math.min(pageMax, version - from + 1);
    const page = await context.store.readStream({ tenant, streamName, from, maxCount })();
    if (E.isLeft(page)) return page;
    about = page.right.events.reduce(aboutAfter, about);
    from = page.right.next ?? version + 1;
  }
  return E.right(about);
};

const saveState = async <Events extends Definitions, State>(
  source: Source<Events, State>,
  before: Pick<Loaded<State>, 'version' | 'about'>,
  { version, state, ids }: Pick<Loaded<State>, 'version' | 'state' | 'ids'>,
): Promise<E.Either<unknown, About | undefined>> => {
  const { context, rules, tenant, streamName } = source;
  if (rules.snapshot === undefined || context.snapshots === undefined) return E.right(undefined);
  const encoded = encodeWith('state', rules.state, state);
  if (E.isLeft(encoded)) return encoded;
  const read = await aboutAt(source as unknown as Source<Definitions, unknown>, before, version);
  if (E.isLeft(read)) return read;
  const about = encodeWith('about', About, read.right);
  if (E.isLeft(about)) return about;
  const { codecVersion } = rules.snapshot;
  const saved = await context.snapshots.save(
    { tenant, streamName },
    { version, codecVersion, state: { state: encoded.right, ids, about: about.right } },
  )();
  return E.isLeft(saved) ? saved : read;
};

/**
 * Keeps `after` where the policy asks for it: when so many events were folded since the snapshot that `before` began with. Answers
 * what people see at that version where it is kept, else undefined.
 */
export const saveSnapshot = async <Events extends Definitions, State>(
  source: Source<Events, State>,
  before: Pick<Loaded<State>, 'snapshotVersion' | 'version' | 'about'>,
  after: Pick<Loaded<State>, 'version' | 'state' | 'ids'>,
): Promise<About | undefined> => {
  const every = source.rules.snapshot?.everyEvents;
  if (every === undefined || after.version - before.snapshotVersion < every) return undefined;
  try {
    const saved = await saveState(source, before, after).catch((thrown: unknown) => E.left(thrown));
    if (E.isRight(saved)) return saved.right;
    const { streamName } = source;
    source.context.hooks?.onSnapshotNotSaved?.({ streamName, version: after.version, error: saved.left });
  } catch {
    // A hook that throws: the command's events are written, so the command is handled all the same.
  }
  return undefined;
};
