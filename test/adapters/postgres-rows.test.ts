/** Rows of a page: what the adapter makes of them whatever order they come in. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { oldestFirst } from '../../src/adapters/postgres/rows.js';

describe('rows of a page of one stream', () => {
  it('stand oldest first, in whatever order a plan of the server gives them', () => {
    const versions = fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { maxLength: 40 });
    fc.assert(
      fc.property(versions, (given) => {
        const rows = oldestFirst(given.map((version) => ({ version: String(version) })));
        expect(rows.map(({ version }) => Number(version))).toEqual(given.toSorted((a, b) => a - b));
      }),
    );
  });

  it('are left as they are where there is no event', () => {
    const rows = [{ version: null, stream_version: '3' }];
    expect(oldestFirst(rows)).toBe(rows);
  });
});
