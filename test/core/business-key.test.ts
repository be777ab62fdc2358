/** Business keys say what is meant, and no two lists of parts make the same one. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { businessKey } from '../../src/core/business-key.js';

const part = fc.string({ minLength: 1, unit: fc.constantFrom('a', ':', '\\', '\u{1f9ea}') });

describe('a business key', () => {
  it('reads as its parts', () => {
    expect(businessKey('redeem', 'cust_123', 'ord_789', 500)).toBe('redeem:cust_123:ord_789:500');
    expect(businessKey('a:b', 'c')).toBe('a\\:b:c');
  });

  it('is the same for the same parts only', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), fc.array(part, { minLength: 1 }), (one, two) => {
        expect(businessKey(...one) === businessKey(...two)).toBe(JSON.stringify(one) === JSON.stringify(two));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused where a part says nothing', () => {
    for (const bad of ['', ' ', Number.NaN, Infinity, undefined, null, {}])
      expect(() => businessKey('redeem', bad as string)).toThrow(/part 2 is/);
    expect(() => businessKey()).toThrow(TypeError);
  });
});
