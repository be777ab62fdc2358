/** What clients are told about persistent subscriptions, in the words that their libraries make errors of. */
import { type Refused, refused } from '../status.js';

/** A group, as clients name it. */
export interface GroupName {
  /** `$all` for all streams. */
  readonly stream: string;
  readonly group: string;
}

const trailersOf = ({ stream, group }: GroupName) => ({ 'stream-name': stream, 'group-name': group });

export const doesNotExist = (name: GroupName): Refused =>
  refused(
    'NOT_FOUND',
    `Subscription group ${name.group} on stream ${name.stream} does not exist.`,
    'persistent-subscription-does-not-exist',
    trailersOf(name),
  );

export const exists = (name: GroupName): Refused =>
  refused(
    'ALREADY_EXISTS',
    `Subscription group ${name.group} on stream ${name.stream} exists.`,
    'persistent-subscription-exists',
    trailersOf(name),
  );

export const subscribersReached = (name: GroupName): Refused =>
  refused(
    'FAILED_PRECONDITION',
    `Maximum subscriptions reached for subscription group ${name.group} on stream ${name.stream}.`,
    'maximum-subscribers-reached',
    trailersOf(name),
  );

/** The group was updated, deleted or restarted, or the consumer asked to stop. */
export const dropped = (name: GroupName): Refused =>
  refused(
    'CANCELLED',
    `Subscription group ${name.group} on stream ${name.stream} was dropped.`,
    'persistent-subscription-dropped',
    trailersOf(name),
  );

/** Settings that cannot work. */
export const failed = (name: GroupName, reason: string): Refused =>
  refused(
    'INVALID_ARGUMENT',
    `Subscription group ${name.group} on stream ${name.stream} failed: ${reason}`,
    'persistent-subscription-failed',
    { ...trailersOf(name), reason },
  );

/** Of servers on one store one runs a group; this is not it. */
export const runElsewhere = (name: GroupName, holder: string, expiresInMs: number): Refused => {
  const reason = `it is run by another server on the same store, ${holder}: connect to that one, or come back when nobody reads from the group there (held for another ${Math.ceil(expiresInMs / 1_000)} s unless renewed)`;
  return refused(
    'FAILED_PRECONDITION',
    `Subscription group ${name.group} on stream ${name.stream}: ${reason}.`,
    'persistent-subscription-failed',
    { ...trailersOf(name), reason },
  );
};
