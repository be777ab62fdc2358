/**
 * How our streams are named in EventStoreDB and KurrentDB, which have one space of names and no tenants, and how their names are kept
 * in our stores. Both directions are exact: a name that goes one way comes back the same.
 *
 *     ours                              there
 *     tenant `default`, `order-42`      order-42
 *     tenant `acme`, `order-42`         @acme/order-42
 *     kept by the adapter itself        @/marks
 *     tenant `$system`, `%24%24order-42`  $$order-42        names that ours cannot have, percent-encoded
 */
import * as E from 'fp-ts/lib/Either.js';
import {
  checkName,
  defaultTenant,
  type InvalidName,
  streamName,
  streamNameBytesMax,
  type StreamName,
  tenant,
  tenantBytesMax,
  type Tenant,
} from '../stream.js';

export interface StreamKey {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
}

/** Where a served store keeps streams whose names are none of ours: system streams, and names that we refuse. */
export const systemTenant = '$system' as Tenant;

// A tenant may hold any sign; `/` ends it here, and `%` is what makes that plain.
const tenantText = (owner: Tenant): string => owner.replaceAll('%', '%25').replaceAll('/', '%2F');
const tenantOf = (text: string): string => text.replaceAll('%2F', '/').replaceAll('%25', '%');

// Letters, digits and `-_.!~*'()` stay, and a few more that names are full of. `.` and `..` are no names.
const systemText = (id: string): string =>
  /^\.\.?$/.test(id)
    ? id.replaceAll('.', '%2E')
    : encodeURIComponent(id).replaceAll('%3A', ':').replaceAll('%40', '@').replaceAll('%2F', '/');

const systemIdOf = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    // Nobody but a program of its own writes such a name into this tenant; it is shown as it stands.
    return text;
  }
};

/** The name that the stream has in EventStoreDB. */
export const streamIdOf = ({ tenant: owner, streamName: name }: StreamKey): string => {
  if (owner === systemTenant) return systemIdOf(name);
  return owner === defaultTenant && !name.startsWith('@') ? name : `@${tenantText(owner)}/${name}`;
};

const tenanted = (id: string): StreamKey | undefined => {
  const slash = id.indexOf('/');
  if (!id.startsWith('@') || slash < 0) return undefined;
  const owner = tenant(tenantOf(id.slice(1, slash)));
  const name = streamName(id.slice(slash + 1));
  if (E.isLeft(owner) || E.isLeft(name) || owner.right === systemTenant) return undefined;
  const key = { tenant: owner.right, streamName: name.right };
  // Of several spellings of one stream only the one that we would write ourselves names it.
  return streamIdOf(key) === id ? key : undefined;
};

/**
 * The stream that an EventStoreDB name stands for: every text that is well-formed has one. `InvalidName` where it is empty, holds a lone
 * surrogate, or is too long for a name, percent-encoded if need be.
 */
export const streamKeyOf = (id: string): E.Either<InvalidName, StreamKey> => {
  if (!id.startsWith('@')) {
    const plain = streamName(id);
    if (E.isRight(plain)) return E.right({ tenant: defaultTenant, streamName: plain.right });
  }
  const other = tenanted(id);
  if (other !== undefined) return E.right(other);
  if (id === '' || !id.isWellFormed())
    return checkName('streamName', id, streamNameBytesMax) as E.Left<InvalidName>;
  const name = streamName(systemText(id));
  return E.isLeft(name) ? name : E.right({ tenant: systemTenant, streamName: name.right });
};

/** Longest name there that any tenant and stream of ours can come to: `@`, the tenant with each sign encoded, `/`, the name. */
export const streamIdBytesMax = 2 + 3 * tenantBytesMax + streamNameBytesMax;

/** Streams that the adapter keeps for itself; no stream of a user can have such a name. */
export const ownStreamId = (name: string): string => `@/${name}`;
export const isOwnStreamId = (id: string): boolean => id.startsWith('@/');
