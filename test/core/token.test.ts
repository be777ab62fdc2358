/** Concurrency tokens: they come back as they went out, or are refused by name. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import type { StreamName, StreamVersion, Tenant } from '../../src/core/stream.js';
import { makeToken, readToken } from '../../src/core/concurrency/token.js';

const secret = 'a secret of thirty-two bytes, or more';
const tenant = 'default' as Tenant;
const streamName = 'order-42' as StreamName;
const version = 7 as StreamVersion;
const subject = { tenant, streamName };
const token = makeToken(secret, { ...subject, version });

const reasonOf = (text: string, about = subject): string | undefined => {
  const read = readToken(secret, text, about);
  return E.isLeft(read) ? read.left.reason : undefined;
};

describe('a concurrency token', () => {
  it('comes back with its version, for any stream and tenant', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 });
    fc.assert(
      fc.property(name, name, fc.nat(2 ** 31 - 1), (ofTenant, ofStream, at) => {
        const about = { tenant: ofTenant as Tenant, streamName: ofStream as StreamName };
        const made = makeToken(secret, { ...about, version: at as StreamVersion });
        expect(made).toMatch(/^[A-Za-z0-9._-]+$/);
        expect(readToken(secret, made, about)).toEqual(E.right({ version: at }));
      }),
    );
  });

  it('is the same for the same version, so that caches may compare it', () => {
    expect(makeToken(secret, { ...subject, version })).toBe(token);
  });

  it('is refused as a whole when any one of its characters is another', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ %';
    const others = [...token].flatMap((found, index) =>
      [...alphabet]
        .filter((other) => other !== found)
        .map((other) => token.slice(0, index) + other + token.slice(index + 1)),
    );
    expect(others.length).toBeGreaterThan(5_000);
    expect(others.filter((other) => reasonOf(other) === undefined)).toEqual([]);
  });

  it('is refused when any bit of its signature or its payload is flipped', () => {
    const [head, payload = '', signature = ''] = token.split('.');
    const flipped = (part: string): ReadonlyArray<string> => {
      const bytes = Buffer.from(part, 'base64url');
      return Array.from({ length: bytes.length * 8 }, (_, bit) => {
        const copy = Buffer.from(bytes);
        copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
        return copy.toString('base64url');
      });
    };
    const all = [
      ...flipped(payload).map((other) => [head, other, signature].join('.')),
      ...flipped(signature).map((other) => [head, payload, other].join('.')),
    ];
    expect(new Set(all.map((other) => reasonOf(other)))).toEqual(new Set(['badSignature']));
  });

  it.each([
    ['', 'malformed'],
    ['7', 'malformed'],
    [`${token}.x`, 'malformed'],
    [token.slice(0, token.lastIndexOf('.')), 'malformed'],
    [`w2${token.slice(2)}`, 'otherFormat'],
    [`${token.slice(0, -1)}`, 'badSignature'],
    [`${token}A`, 'badSignature'],
    [`${token}=`, 'badSignature'],
  ])('is told apart from what it is not: %p is %s', (text, reason) => {
    expect(reasonOf(text)).toBe(reason);
  });

  it('is refused for another stream and another tenant, by name, though it is signed well', () => {
    const other = readToken(secret, token, { tenant, streamName: 'order-43' as StreamName });
    expect(other).toEqual(
      E.left({
        _tag: 'TokenNotMine',
        reason: 'otherStream',
        message: 'the token belongs to the stream order-42',
      }),
    );
    expect(reasonOf(token, { tenant: 'acme' as Tenant, streamName })).toBe('otherTenant');
  });

  it('does not name the stream of another tenant', () => {
    const other = readToken(secret, token, { tenant: 'acme' as Tenant, streamName: 'x-1' as StreamName });
    expect(JSON.stringify(other)).not.toContain('order-42');
  });

  it('is accepted under an older secret while the newest signs, and refused when the older one is gone', () => {
    const newer = Buffer.alloc(32, 9);
    expect(readToken([newer, secret], token, subject)).toEqual(E.right({ version }));
    expect(readToken([newer], token, subject)).toMatchObject({ left: { reason: 'badSignature' } });
    const signed = makeToken([newer, secret], { ...subject, version });
    expect(readToken(newer, signed, subject)).toEqual(E.right({ version }));
    expect(readToken(secret, signed, subject)).toMatchObject({ left: { reason: 'badSignature' } });
  });

  it('takes a secret as text or as bytes, and refuses a short one', () => {
    expect(readToken(Buffer.from(secret), token, subject)).toEqual(E.right({ version }));
    const short = 'x'.repeat(31);
    for (const bad of [short, Buffer.alloc(31), [], [secret, short]]) {
      expect(() => makeToken(bad, { ...subject, version })).toThrow(TypeError);
      expect(() => readToken(bad, token, subject)).toThrow(TypeError);
    }
    expect(() => makeToken(short, { ...subject, version })).toThrow(
      'token: a secret must have 32 bytes or more, found 31',
    );
  });

  it('is refused where it is no text at all', () => {
    for (const bad of [undefined, null, 7, {}, ['a.b.c']])
      expect(reasonOf(bad as unknown as string)).toBe('malformed');
  });
});
