/** Revisions: what counts as one, what people see of the last, and the header that a save leaves. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { About, aboutAfter, aboutNothing } from '../../src/core/concurrency/about.js';
import type { EventMetadata } from '../../src/core/event.js';
import { saveHeaderOf, type SaveHeader, withSaveHeader } from '../../src/core/concurrency/save-header.js';

const at = (second: number): string => `2026-01-01T00:00:0${second}.000Z`;
const recorded = (second: number, metadata: EventMetadata = {}) => ({ metadata, recordedAt: at(second) });
const save = (id: string, more: Partial<SaveHeader> = {}): SaveHeader => ({
  id,
  strategy: 'retry',
  attempts: 1,
  ...more,
});
const by = (actor: string, header: SaveHeader) => withSaveHeader({ actor }, header);
const aboutOf = (...events: ReadonlyArray<ReturnType<typeof recorded>>) =>
  events.reduce(aboutAfter, aboutNothing);

describe('what people see of an aggregate’s life', () => {
  it('of no events is nothing', () => {
    expect(aboutNothing).toEqual({
      revision: 0,
      lastModified: undefined,
      lastModifiedBy: undefined,
      lastSaveId: undefined,
    });
  });

  it('counts the events of one save as one revision', () => {
    const one = by('ada', save('a'));
    const two = by('bob', save('b'));
    expect(aboutOf(recorded(1, one), recorded(1, one), recorded(2, two))).toEqual({
      revision: 2,
      lastModified: at(2),
      lastModifiedBy: 'bob',
      lastSaveId: 'b',
    });
  });

  it('counts each event without a save as a revision of its own', () => {
    const about = aboutOf(recorded(1, { actor: 'ada' }), recorded(2), recorded(3, { headers: { save: 7 } }));
    expect(about).toMatchObject({ revision: 3, lastModified: at(3), lastSaveId: undefined });
  });

  it('is not changed by the work of the system, which does not part a save either', () => {
    const editor = by('ada', save('a'));
    const system = by('worker', save('s', { work: 'system', operation: 'thumbnail' }));
    expect(aboutOf(recorded(1, editor), recorded(2, system), recorded(3, editor))).toMatchObject({
      revision: 1,
      lastModifiedBy: 'ada',
    });
    expect(aboutOf(recorded(1, system))).toEqual(aboutNothing);
  });

  it.each([
    ['of nothing', aboutNothing],
    ['of a save', { revision: 3, lastModified: at(1), lastModifiedBy: 'ada', lastSaveId: 'a' }],
  ])('is kept as JSON and read back equal: %s', (_, about) => {
    const json = JSON.parse(JSON.stringify(About.encode(about)));
    expect(About.decode(json)).toEqual(E.right(about));
  });

  it.each([undefined, null, {}, { revision: '3' }, { revision: 3 }])('is not read from %p', (value) => {
    expect(E.isLeft(About.decode(value))).toBe(true);
  });
});

describe('the header of a save', () => {
  it('stands beside the headers that are there, and is read back', () => {
    const header = save('a', {
      attempts: 2,
      waitedMs: 3,
      policy: 'busy',
      work: 'system',
      operation: 'index',
    });
    const metadata = withSaveHeader({ actor: 'ada', headers: { trace: 'x' } }, header);
    expect(metadata).toEqual({ actor: 'ada', headers: { trace: 'x', save: header } });
    expect(saveHeaderOf({ metadata })).toEqual(header);
  });

  it.each([
    ['none', {}],
    ['no object', { headers: { save: 'yes' } }],
    ['a list', { headers: { save: ['a'] } }],
    ['of another make', { headers: { save: { id: 'a', strategy: 'guess', attempts: 1 } } }],
  ])('is undefined where there is %s', (_, metadata: EventMetadata) => {
    expect(saveHeaderOf({ metadata })).toBeUndefined();
  });

  it('of a newer make still says which events were saved together', () => {
    const newer = { headers: { save: { id: 'a', strategy: 'guess' } } };
    expect(aboutOf(recorded(1, newer), recorded(2, newer))).toMatchObject({ revision: 1, lastSaveId: 'a' });
  });
});
