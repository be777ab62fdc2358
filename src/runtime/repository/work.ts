/** One save as its parts share it: what is fixed before the first try. */
import * as E from 'fp-ts/lib/Either.js';
import type { Definitions } from '../../core/codec.js';
import type { EventData, EventMetadata } from '../../core/event.js';
import { derivedId } from '../../core/ids.js';
import { withSaveHeader } from '../../core/concurrency/save-header.js';
import { checkName, type InvalidName } from '../../core/stream.js';
import { newId } from '../../store/ids.js';
import type { Fence } from '../../store/leases.js';
import { idBytesMax } from '../../store/checks.js';
import type { Source } from '../aggregate/aggregate-context.js';
import type { SystemWork } from '../concurrency/system-work.js';
import type { Choice, Looks } from './choice.js';
import type { RepositoryContext, SaveOptions } from './context.js';
import type { Decided, Rules } from './copy.js';

export interface SaveWork<State> {
  readonly context: RepositoryContext;
  readonly rules: Rules<State, unknown>;
  readonly source: Source<Definitions, State>;
  readonly id: string;
  readonly commands: ReadonlyArray<unknown>;
  readonly choice: Choice;
  readonly looks: Looks;
  readonly identity: Identity;
  readonly actor: string | undefined;
  readonly metadata: EventMetadata;
  readonly system: SystemWork | undefined;
  /** The caller's own. */
  readonly fence: Fence | undefined;
  /** Of the stream's lock, and how long it was waited for. */
  readonly lock: { readonly fence: Fence; readonly waitedMs: number } | undefined;
}

/** By what a save is recognised when it is repeated. */
export interface Identity {
  readonly saveId: string;
  /** By a command's id: another save under it may want to write something else. */
  readonly isCommands: boolean;
  readonly eventId: (index: number) => string;
}

const randomIdentity = (): Identity => {
  const ids: string[] = [];
  return {
    saveId: newId(),
    isCommands: false,
    eventId: (index) => {
      while (ids.length <= index) ids.push(newId());
      return ids[index] as string;
    },
  };
};

// A copy that is saved again, after an unknown outcome for instance, is the same save: so it must have the same ids.
const identities = new WeakMap<object, Identity>();

export const identityOf = (
  { tenant, streamName }: Pick<Source<Definitions, unknown>, 'tenant' | 'streamName'>,
  changed: object | undefined,
  commandId: string | undefined,
): E.Either<InvalidName, Identity> => {
  if (commandId !== undefined) {
    const checked = checkName('commandId', commandId, idBytesMax);
    if (E.isLeft(checked)) return checked;
    return E.right({
      saveId: derivedId(tenant, streamName, commandId, 'save'),
      isCommands: true,
      eventId: (index) => derivedId(tenant, streamName, commandId, index),
    });
  }
  const known = changed === undefined ? undefined : identities.get(changed);
  const identity = known ?? randomIdentity();
  if (changed !== undefined) identities.set(changed, identity);
  return E.right(identity);
};

/** What goes to every event besides the header. */
export const metadataOf = (
  { metadata, commandId }: Pick<SaveOptions, 'metadata' | 'commandId'>,
  actor: string | undefined,
): EventMetadata => ({
  ...(commandId !== undefined && { correlationId: commandId, causationId: commandId }),
  ...metadata,
  ...(actor !== undefined && { actor }),
});

/** The events as they are appended. */
export const eventsOf = (
  {
    identity,
    metadata,
    choice,
    system,
    lock,
  }: Pick<SaveWork<unknown>, 'identity' | 'metadata' | 'choice' | 'system' | 'lock'>,
  { encoded }: Pick<Decided<unknown>, 'encoded'>,
  attempts: number,
): ReadonlyArray<EventData> => {
  const marked = withSaveHeader(metadata, {
    id: identity.saveId,
    strategy: choice.strategy,
    attempts,
    policy: choice.chosenBy,
    ...(lock !== undefined && { waitedMs: Math.round(lock.waitedMs) }),
    ...(system !== undefined && { work: 'system', operation: system.operation }),
  });
  return encoded.map((one, index) => ({ eventId: identity.eventId(index), ...one, metadata: marked }));
};
