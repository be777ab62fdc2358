/** Opaque concurrency tokens: a stream's version, signed, so that it survives a round trip through a browser. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import * as E from 'fp-ts/lib/Either.js';
import type { StreamName, StreamVersion, Tenant } from '../stream.js';

/** A secret of 32 bytes or more (a string counts as UTF-8), or several: the first signs, all are accepted. */
export type TokenSecret = string | Uint8Array | ReadonlyArray<string | Uint8Array>;

export interface TokenSubject {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
}

/** Signed with none of our secrets, damaged, or for another stream or tenant. Nothing was written. Load again and use the token of that load. */
export interface TokenNotMine {
  readonly _tag: 'TokenNotMine';
  readonly reason: 'malformed' | 'otherFormat' | 'badSignature' | 'otherStream' | 'otherTenant';
  readonly message: string;
}

/** Others wrote since the token was given out. Nothing was written. Load again, show what changed, and save with the new token. */
export interface TokenStale {
  readonly _tag: 'TokenStale';
  readonly streamName: StreamName;
  /** The version that the token stands for. */
  readonly expected: StreamVersion;
  readonly actual: StreamVersion;
  readonly message: string;
}

export const tokenSecretBytesMin = 32;

const format = 'w1';
const signatureBytes = 32;

const checkedKeys = (secret: TokenSecret): ReadonlyArray<Buffer> => {
  const all = typeof secret === 'string' || secret instanceof Uint8Array ? [secret] : secret;
  if (all.length === 0) throw new TypeError('token: there must be at least one secret');
  return all.map((one) => {
    const key = Buffer.from(one);
    if (key.length < tokenSecretBytesMin)
      throw new TypeError(
        `token: a secret must have ${tokenSecretBytesMin} bytes or more, found ${key.length}`,
      );
    return key;
  });
};

const sign = (key: Buffer, payload: string): Buffer =>
  createHmac('sha256', key).update(`${format}.${payload}`).digest();

/** Throws a `TypeError` where a secret has fewer than 32 bytes. */
export const makeToken = (
  secret: TokenSecret,
  { tenant, streamName, version }: TokenSubject & { readonly version: StreamVersion },
): string => {
  const [key] = checkedKeys(secret) as [Buffer];
  const payload = Buffer.from(JSON.stringify([tenant, streamName, version])).toString('base64url');
  return `${format}.${payload}.${sign(key, payload).toString('base64url')}`;
};

const notMine = (reason: TokenNotMine['reason'], message: string): E.Either<TokenNotMine, never> =>
  E.left({ _tag: 'TokenNotMine', reason, message });

/** The version that a token of this stream stands for. Throws a `TypeError` where a secret has fewer than 32 bytes. */
export const readToken = (
  secret: TokenSecret,
  token: string,
  { tenant, streamName }: TokenSubject,
): E.Either<TokenNotMine, { readonly version: StreamVersion }> => {
  const keys = checkedKeys(secret);
  const [head, payload, signature, ...rest] = (typeof token === 'string' ? token : '').split('.');
  if (payload === undefined || signature === undefined || rest.length > 0)
    return notMine('malformed', 'this is no token of a load');
  if (head !== format) return notMine('otherFormat', `this token is not of the format ${format}`);
  const given = Buffer.from(signature, 'base64url');
  // Every key is tried, so that the time taken does not tell which one signed.
  const isOurs = keys
    .map((key) => given.length === signatureBytes && timingSafeEqual(given, sign(key, payload)))
    .includes(true);
  // One signature has one spelling: the spare bits of the last character would let another text pass.
  if (!isOurs || given.toString('base64url') !== signature)
    return notMine('badSignature', 'the token was changed, or signed with another secret');
  const [forTenant, forStream, version] = JSON.parse(Buffer.from(payload, 'base64url').toString()) as [
    Tenant,
    StreamName,
    StreamVersion,
  ];
  if (forTenant !== tenant) return notMine('otherTenant', 'the token belongs to another tenant');
  if (forStream !== streamName) return notMine('otherStream', `the token belongs to the stream ${forStream}`);
  return E.right({ version });
};
