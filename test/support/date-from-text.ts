/** A codec whose values and texts differ. */
import * as t from 'io-ts';

export const DateFromText = new t.Type<Date, string, unknown>(
  'DateFromText',
  (value): value is Date => value instanceof Date,
  (value, context) => (typeof value === 'string' ? t.success(new Date(value)) : t.failure(value, context)),
  (value) => value.toISOString(),
);
