import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newId, type EventMetadata } from 'watersmeet';
import { metadataFormOf } from '../../src/core/eventstoredb/event-form.js';
import { findJsonProblem, type Json } from '../../src/core/json.js';
import {
  markOf,
  serverEventOf,
  storedFormOf,
  wireFormOf,
  type WireEvent,
  withMark,
} from '../../src/server/stored-form.js';
import { metadataProblem } from '../../src/store/checks.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const wire = (data: string | Uint8Array, metadata: string | Uint8Array = '', json = true): WireEvent => ({
  eventId: newId(),
  type: 'Placed',
  contentType: json ? 'application/json' : 'application/octet-stream',
  data: typeof data === 'string' ? bytes(data) : data,
  metadata: typeof metadata === 'string' ? bytes(metadata) : metadata,
});

/** As a store has it: through JSON. */
const throughStore = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const expectSame = (event: WireEvent): void => {
  const { contentType, data, metadata } = wireFormOf(throughStore(storedFormOf(event)));
  expect(contentType).toBe(event.contentType);
  expect(Buffer.from(data)).toEqual(Buffer.from(event.data));
  expect(Buffer.from(metadata)).toEqual(Buffer.from(event.metadata));
};

describe('an event of a client', () => {
  it.each([
    ['spaces', '{ "a": 1 }', '{"b" :2}'],
    ['numbers that JavaScript would change', '{"n":12345678901234567890,"m":1.0}', ''],
    ['a key twice', '{"a":1,"a":2}', ''],
    ['a negative zero', '-0', ''],
    ['no JSON at all', 'plain text', 'more'],
    ['NUL characters', 'a\u0000b', '\u0000'],
    ['a NUL inside JSON', '{"a":"\\u0000"}', ''],
    ['a lone surrogate inside JSON', '"\\ud800"', ''],
    ['a byte order mark', '\ufeff{}', ''],
    ['the key __proto__', '{"__proto__":1}', ''],
    ['nothing', '', ''],
    ['metadata of our own form and data of another text', '{ }', '{"schemaVersion":1}'],
    ['metadata with names of ours and bad values', '{}', '{"tags":["a","a"],"schemaVersion":1}'],
    ['a schema version beyond ours', '{}', '{"schemaVersion":99999}'],
    [
      'metadata of our own form that holds what looks like raw parts',
      '{}',
      '{"headers":{"eventstoredb":{"contentType":"x","deletedAt":7}},"schemaVersion":1}',
    ],
  ])('comes back byte for byte with %s', (_what, data, metadata) => {
    expectSame(wire(data, metadata));
    expectSame(wire(data, metadata, false));
  });

  it('comes back byte for byte, whatever its bytes are, and can be stored', () => {
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: 'grapheme' }).map(bytes),
      fc.json().map(bytes),
    );
    fc.assert(
      fc.property(part, part, fc.boolean(), (data, metadata, json) => {
        const event = wire(data, metadata, json);
        expectSame(event);
        const stored = storedFormOf(event);
        expect(findJsonProblem(stored.data)).toBeUndefined();
        expect(metadataProblem(stored)).toBeUndefined();
      }),
    );
  });

  it('is stored with its data as JSON, and with correlation and causation where they are usable', () => {
    const stored = storedFormOf(wire('{"a": 1}', '{"$correlationId":"c","$causationId":""}'));
    expect(stored.data).toEqual({ a: 1 });
    expect(stored.metadata.correlationId).toBe('c');
    expect(stored.metadata).not.toHaveProperty('causationId');
    expect(storedFormOf(wire(Uint8Array.of(255), '', true)).data).toBeNull();
  });

  it('cannot leave the marks of the server', () => {
    const metadata = '{"headers":{"eventstoredb":{"contentType":"x","deletedAt":7}},"schemaVersion":1}';
    expect(markOf(storedFormOf(wire('{}', metadata)), 'deletedAt')).toBeUndefined();
  });
});

describe('an event of ours', () => {
  const metadata: EventMetadata = {
    correlationId: 'c',
    causationId: 'd',
    actor: 'ann',
    tags: ['order:1'],
    headers: { saga: { x: 1 } },
  };
  const form = metadataFormOf({ schemaVersion: 3, metadata });

  it('is stored as it is when it comes by the protocol', () => {
    const event = wire('{"b":1,"a":[2]}', JSON.stringify(form));
    expect(storedFormOf(event)).toEqual({
      eventId: event.eventId,
      type: 'Placed',
      schemaVersion: 3,
      data: { b: 1, a: [2] },
      metadata,
    });
    expectSame(event);
  });

  it('is shown as JSON with all of its metadata', () => {
    const shown = wireFormOf({ schemaVersion: 3, data: { b: 1 } as Json, metadata });
    expect(shown.contentType).toBe('application/json');
    expect(Buffer.from(shown.data).toString()).toBe('{"b":1}');
    expect(JSON.parse(Buffer.from(shown.metadata).toString())).toEqual(form);
  });
});

describe('an event of the server', () => {
  it('shows its data and not its marks', () => {
    const event = serverEventOf(newId(), '$metadata', { $tb: 3 }, { deletedAt: 3 });
    expect(markOf(event, 'deletedAt')).toBe(3);
    const shown = wireFormOf(event);
    expect(Buffer.from(shown.data).toString()).toBe('{"$tb":3}');
    expect(shown.metadata).toHaveLength(0);
  });

  it('can mark an event of a client, which shows nothing of it', () => {
    const event = wire('{"colour":"red"}', '{"by": 1}');
    const marked = withMark(storedFormOf(event), 'deletedAt', 4);
    expect(markOf(marked, 'deletedAt')).toBe(4);
    expect(Buffer.from(wireFormOf(marked).metadata).toString()).toBe('{"by": 1}');
  });
});
