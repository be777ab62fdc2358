/** Small parts of the server that decide: positions, filters, metadata of streams, links, the ring of newest events. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import fc from 'fast-check';
import {
  comparePositions,
  defaultTenant,
  newId,
  type Position,
  type RecordedEvent,
  startPosition,
  type StreamName,
  type StreamVersion,
} from 'watersmeet';
import { positionOf, versionMax } from '../../src/core/stream.js';
import { checkpointEveryOf, matcherOf } from '../../src/server/filter.js';
import { linkTarget } from '../../src/server/links.js';
import {
  deletedMark,
  firstVisible,
  isDeleted,
  isExpired,
  metadataType,
  rulesOf,
} from '../../src/server/metadata.js';
import { patternTest } from '../../src/server/patterns.js';
import {
  isEndPosition,
  positionAt,
  positionBefore,
  revisionOf,
  versionAt,
  wirePositionOf,
} from '../../src/server/positions.js';
import { growingPages } from '../../src/server/reading.js';
import { makeRing } from '../../src/server/ring.js';
import { serverEventOf, storedFormOf } from '../../src/server/stored-form.js';

const recorded = (
  event: Parameters<typeof serverEventOf>[2],
  marks: Parameters<typeof serverEventOf>[3] = {},
  place = 1,
): RecordedEvent => ({
  ...serverEventOf(newId(), metadataType, event, marks),
  tenant: defaultTenant,
  streamName: 'order-1' as StreamName,
  version: place as StreamVersion,
  position: positionOf(place, place),
  recordedAt: '2026-01-01T00:00:00.000Z',
});

describe('positions', () => {
  const places = fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** 40n }), fc.bigInt({ min: 0n, max: 2n ** 62n }))
    .map(([commit, sequence]) => positionOf(commit, sequence));

  it('come back as they were', () => {
    fc.assert(fc.property(places, (position) => expect(positionAt(wirePositionOf(position))).toBe(position)));
  });

  it('keep their order, and stand right before themselves', () => {
    fc.assert(
      fc.property(places, places, (a, b) => {
        const [left, right] = [wirePositionOf(a), wirePositionOf(b)];
        const order =
          left.commit === right.commit
            ? Number(left.prepare > right.prepare) - Number(left.prepare < right.prepare)
            : left.commit < right.commit
              ? -1
              : 1;
        expect(Math.sign(comparePositions(a, b))).toBe(order);
        const before = positionBefore(left);
        if (a !== startPosition) expect(comparePositions(before, a)).toBeLessThan(0);
        if (comparePositions(b, a) < 0) expect(comparePositions(b, before)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('have a commit that is not before the prepare, as long as a commit holds a million events or less', () => {
    const { commit, prepare } = wirePositionOf(positionOf(7, 7n * 2n ** 20n));
    expect(commit).toBeGreaterThanOrEqual(prepare);
  });

  it('know the end, and bounds of what clients send', () => {
    const most = 2n ** 64n - 1n;
    expect(isEndPosition({ commit: most, prepare: most })).toBe(true);
    expect(positionBefore({ commit: 0n, prepare: 0n })).toBe(startPosition);
    expect(positionAt({ commit: most, prepare: most })).toBe(positionOf(most >> 20n, 2n ** 63n - 1n));
    expect([versionAt(0n), versionAt(41n), versionAt(most)]).toEqual([1, 42, versionMax]);
    expect(revisionOf(1)).toBe('0');
  });
});

describe('filters', () => {
  const matches = (pattern: string, prefixes: ReadonlyArray<string>, text: string): boolean => {
    const matcher = matcherOf(pattern, prefixes);
    if (E.isLeft(matcher)) throw new Error(matcher.left);
    return matcher.right(text);
  };

  it('match by prefixes, or by a pattern', () => {
    expect(matches('', ['order-', 'user-'], 'user-1')).toBe(true);
    expect(matches('', ['order-'], 'border-1')).toBe(false);
    expect(matches('^[^\\$].*', [], 'order-1')).toBe(true);
    expect(matches('^[^\\$].*', [], '$$order-1')).toBe(false);
    expect(matches('^\\p{Lu}', [], 'Érable')).toBe(true);
    // An escape that only the older form of patterns knows.
    expect(matches('^a\\-b$', [], 'a-b')).toBe(true);
  });

  it('refuse a pattern that is none, in words', () => {
    expect(matcherOf('(', [])).toMatchObject(E.left(expect.stringContaining('no regular expression')));
    expect(E.isLeft(matcherOf('a'.repeat(5_000), []))).toBe(true);
  });

  it('judge names under a watch as the pattern itself does, one by one and many at once', () => {
    const names = fc.array(fc.stringMatching(/^(order|user|\$x)-[ab]{0,4}$/), { maxLength: 20 });
    const patterns = ['^(order|user)-(a|b)+$', '^order-', '(a+b)+', '^(?!\\$)', '^(order-a?b?|user-.*)$'];
    fc.assert(
      fc.property(names, fc.constantFrom(...patterns), (texts, pattern) => {
        const { test, foresee } = patternTest(new RegExp(pattern, 'u'));
        foresee(texts.slice(0, 10));
        const expected = texts.map((text) => new RegExp(pattern, 'u').test(text));
        expect(texts.map(test)).toEqual(expected);
      }),
    );
  });

  it('ask for a checkpoint after so many windows', () => {
    expect([checkpointEveryOf(10, 3), checkpointEveryOf(0, 2), checkpointEveryOf(5, 0)]).toEqual([30, 64, 5]);
  });
});

describe('metadata', () => {
  it('rules where reading begins', () => {
    const first = (body: Parameters<typeof recorded>[0], marks = {}) =>
      firstVisible(rulesOf(recorded(body, marks)), 10);
    expect(firstVisible(rulesOf(undefined), 10)).toBe(1);
    expect(first({ $maxCount: 3 })).toBe(8);
    expect(first({ $maxCount: 30 })).toBe(1);
    expect(first({ $tb: 4 })).toBe(5);
    expect(first({ $tb: 4, $maxCount: 2 })).toBe(9);
    expect(first({ colour: 'red' }, { [deletedMark]: 6 })).toBe(7);
    expect(first({ $tb: Number.MAX_SAFE_INTEGER }, { [deletedMark]: 6 })).toBe(7);
    expect(first({ $tb: Number.MAX_SAFE_INTEGER })).toBeGreaterThan(10);
  });

  it('rules nothing by values that make no sense, or in another type of event', () => {
    expect(rulesOf(recorded({ $maxCount: 0, $tb: -1, $maxAge: 'old' }))).toMatchObject({
      maxCount: undefined,
      maxAgeMs: undefined,
      truncateBefore: 0,
    });
    expect(rulesOf({ ...recorded({ $tb: 3 }), type: 'Placed' }).truncateBefore).toBe(0);
    const broken = storedFormOf({
      eventId: newId(),
      type: metadataType,
      contentType: 'application/json',
      data: Buffer.from('{'),
      metadata: new Uint8Array(),
    });
    expect(rulesOf({ ...recorded({}), ...broken }).metadata).toEqual({});
  });

  it('says a stream is deleted until something is appended', () => {
    const rules = rulesOf(recorded({}, { [deletedMark]: 6 }));
    expect([isDeleted(rules, 6), isDeleted(rules, 7)]).toEqual([true, false]);
    expect(isDeleted(rulesOf(recorded({}, { [deletedMark]: 0 })), 0)).toBe(false);
  });

  it('says which events are too old', () => {
    const rules = rulesOf(recorded({ $maxAge: 60 }));
    const event = recorded({});
    expect(isExpired(rules, event, new Date('2026-01-01T00:01:00.000Z'))).toBe(false);
    expect(isExpired(rules, event, new Date('2026-01-01T00:01:00.001Z'))).toBe(true);
  });
});

describe('links', () => {
  it('name a revision and a stream', () => {
    expect(linkTarget('0@order-7')).toEqual({ version: 1, streamId: 'order-7' });
    expect(linkTarget('12@a@b')).toEqual({ version: 13, streamId: 'a@b' });
    for (const text of [undefined, '', '@a', 'x@a', '1@', '-1@a', '9999999999@a'])
      expect(linkTarget(text)).toBeUndefined();
  });
});

describe('the ring of newest events', () => {
  it('keeps the newest, and knows what it begins after', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 60 }), (size, many) => {
        const ring = makeRing({ events: size, bytes: 1e9 }, startPosition);
        const events = Array.from({ length: many }, (_, index) => recorded({}, {}, index + 1));
        for (const event of events) ring.push(event);
        const kept = events.slice(-size);
        expect(ring.end()).toBe(many);
        expect(ring.end() - ring.first()).toBe(kept.length);
        expect(kept).toEqual(
          Array.from({ length: kept.length }, (_, index) => ring.at(ring.first() + index)),
        );
        expect(ring.at(ring.first() - 1)).toBeUndefined();
        expect(ring.at(ring.end())).toBeUndefined();
        expect(ring.start()).toBe(many > size ? events[many - size - 1]?.position : startPosition);
        for (const [index, event] of kept.entries())
          expect(ring.numberAfter(event.position)).toBe(ring.first() + index + 1);
      }),
    );
  });

  it('keeps no more bytes than it may, and one event in any case', () => {
    const ring = makeRing({ events: 100, bytes: 5_000 }, startPosition);
    for (let place = 1; place <= 10; place += 1) ring.push(recorded({ text: 'x'.repeat(200) }, {}, place));
    expect(ring.end() - ring.first()).toBeLessThan(4);
    ring.push(recorded({ text: 'x'.repeat(9_000) }, {}, 11));
    expect(ring.end() - ring.first()).toBe(1);
  });

  it('begins anew after a reset, and no number comes twice', () => {
    const ring = makeRing({ events: 10, bytes: 1e9 }, startPosition);
    ring.push(recorded({}, {}, 1));
    ring.reset('7/7' as Position);
    expect([ring.first(), ring.end(), ring.start()]).toEqual([2, 2, '7/7']);
    expect(ring.at(0)).toBeUndefined();
  });
});

describe('pages', () => {
  it('grow while events are small and shrink where they are large', () => {
    const pages = growingPages();
    expect(pages.size()).toBe(16);
    for (let round = 0; round < 5; round += 1) pages.seen([recorded({})]);
    expect(pages.size()).toBe(512);
    pages.seen([recorded({ text: 'x'.repeat(1_000_000) })]);
    expect(pages.size()).toBe(1);
    pages.seen([]);
    expect(pages.size()).toBe(1);
  });
});
