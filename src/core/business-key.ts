/** Keys that say which operation is meant: who, what, when; so that the same operation has the same key wherever it is asked for. */

/**
 * Joins the parts of a key with `:`, so that no two lists of parts make the same key: `businessKey('redeem', 'cust_123', 'ord_789',
 * 500)` is `redeem:cust_123:ord_789:500`; a `:` or `\` inside a part is written `\:` or `\\`. A number and its text are the same part.
 *
 * Throws a `TypeError` where a part is missing or empty, or a number is not finite: such a key would stand for other operations
 * too. A key has 512 bytes at most, which the store checks.
 */
export const businessKey = (...parts: ReadonlyArray<string | number>): string => {
  if (parts.length === 0) throw new TypeError('businessKey: a key has at least one part');
  return parts
    .map((part, index) => {
      const isGood = typeof part === 'string' ? part.trim() !== '' : Number.isFinite(part);
      if (!isGood)
        throw new TypeError(`businessKey: part ${index + 1} is ${JSON.stringify(part) ?? 'undefined'}`);
      return String(part).replace(/[\\:]/g, '\\$&');
    })
    .join(':');
};
