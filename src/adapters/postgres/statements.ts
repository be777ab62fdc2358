/** The statements of one schema: the embedded texts with the checked, quoted schema name filled in. */
import { createHash } from 'node:crypto';
import * as E from 'fp-ts/lib/Either.js';
import type { InvalidRequest } from '../../store/event-store.js';
import type { Statement } from './executor.js';
import { statementTexts } from './sql.generated.js';

export type StatementName = keyof typeof statementTexts;
export type Statements = { readonly [name in StatementName]: Statement };

export const schemaDefault = 'watersmeet';

/** A schema's name: 1 to 63 lower case letters, digits and underscores, not beginning with a digit or `pg_`. */
export const checkSchema = (schema: string): E.Either<InvalidRequest, string> =>
  /^[a-z_][a-z0-9_]{0,62}$/.test(schema) && !schema.startsWith('pg_')
    ? E.right(schema)
    : E.left({
        _tag: 'InvalidRequest',
        field: 'schema',
        reason:
          'must be 1 to 63 lower case letters, digits and underscores, not beginning with a digit or pg_',
      });

export const quoted = (schema: string): string => `"${schema}"`;

/**
 * The schema stands in each statement, not in the session's search path: behind a pooler that hands out connections by
 * the transaction, what a session was told may reach another one.
 */
export const statementsOf = (schema: string): Statements => {
  const filled = Object.entries(statementTexts).map(([name, text]) => {
    const complete = text.replaceAll('__schema__', quoted(schema));
    // A server keeps prepared statements by name, so that another text needs another name; 63 bytes are kept.
    const hash = createHash('sha256').update(complete).digest('hex').slice(0, 12);
    return [name, { name: `watersmeet_${name}_${hash}`, text: complete }];
  });
  return Object.fromEntries(filled) as Statements;
};
