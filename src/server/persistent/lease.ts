/** Of several servers on one store, one runs a group: it holds the group's lease, and what it writes for the group is fenced with it. */
import * as E from 'fp-ts/lib/Either.js';
import { hostname } from 'node:os';
import { taggedError } from '../../core/fault.js';
import { derivedId } from '../../core/ids.js';
import { checkName } from '../../core/stream.js';
import { type Fence, fenceOf } from '../../store/leases.js';
import type { ServerContext } from '../context.js';
import { type GroupEntry, keyOfGroup } from './config.js';
import { runElsewhere } from './refusals.js';

const ttlMs = 10_000;
const renewMs = 3_000;
const leaseNameBytesMax = 512;

export interface GroupLease {
  /** Undefined where one process alone has the store. */
  readonly fence: Fence | undefined;
  readonly release: () => Promise<void>;
}

export interface LeaseTerms {
  /** It went to another server. */
  readonly onLost: () => void;
  /** It was renewed, as every few seconds. */
  readonly onRenewed: () => void;
}

const nameOf = (entry: Pick<GroupEntry, 'stream' | 'group'>): string => {
  const name = `persistent-subscription:${keyOfGroup(entry)}`;
  if (E.isRight(checkName('lease', name, leaseNameBytesMax))) return name;
  return `persistent-subscription:${derivedId('group', entry.stream, entry.group)}`;
};

/** Takes the lease where the store is shared; throws the refusal for clients where another server has it. */
export const takeLease = async (
  { store, timers, address, onError }: ServerContext,
  entry: GroupEntry,
  { onLost, onRenewed }: LeaseTerms,
): Promise<GroupLease> => {
  const { leases } = store;
  if (leases === undefined || !store.capabilities.multiProcess)
    return { fence: undefined, release: () => Promise.resolve() };
  const holder = `${address.host}:${address.port} on ${hostname()}`;
  const acquired = await leases.acquire({ name: nameOf(entry), holder, ttlMs })();
  if (E.isLeft(acquired)) {
    if (acquired.left._tag === 'LeaseHeld')
      throw taggedError(runElsewhere(entry, acquired.left.holder, acquired.left.expiresInMs));
    throw taggedError(acquired.left);
  }
  const lease = acquired.right;
  let isOver = false;
  let callOff = (): void => undefined;
  const renew = async (): Promise<void> => {
    const renewed = await leases.renew(lease, ttlMs)();
    if (isOver) return;
    if (E.isLeft(renewed) && renewed.left._tag === 'LeaseLost') return onLost();
    // Else the store is away for a moment: what is written meanwhile is fenced.
    if (E.isLeft(renewed)) onError(taggedError(renewed.left));
    else onRenewed();
    if (!isOver) callOff = timers.after(renewMs, () => void renew());
  };
  callOff = timers.after(renewMs, () => void renew());
  return {
    fence: fenceOf(lease),
    release: async () => {
      isOver = true;
      callOff();
      const released = await leases.release(lease)();
      if (E.isLeft(released) && released.left._tag !== 'StoreClosed') onError(taggedError(released.left));
    },
  };
};
