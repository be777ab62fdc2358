/** Reads by tags in SQL. What a reader has seen is the server's own snapshot, which holds whatever the order of commits. */
import * as E from 'fp-ts/lib/Either.js';
import { startPosition } from '../../core/stream.js';
import { checkQuery, seenOf } from '../../store/condition-checks.js';
import type { MatchingPage, ReadMatchingRequest } from '../../store/conditions.js';
import { checkCount, checkPosition, pageDefault, pageMax } from '../../store/limits.js';
import { ask, type BadRequest, type SqlContext } from './context.js';
import type { Row } from './executor.js';
import { eventsOf, optionalPosition, positionTexts, text } from './rows.js';

export const readMatching = async (
  context: SqlContext,
  request: ReadMatchingRequest,
): Promise<E.Either<BadRequest, MatchingPage>> => {
  const query = checkQuery('query', request.query);
  if (E.isLeft(query)) return query;
  const count = checkCount('maxCount', request.maxCount, pageDefault, 1, pageMax);
  if (E.isLeft(count)) return count;
  const after = checkPosition('after', request.after ?? startPosition);
  if (E.isLeft(after)) return after;
  const { tenant, items } = query.right;
  const parameters = [tenant, JSON.stringify(items), ...positionTexts(after.right), String(count.right)];
  const rows = await ask(context, context.statements.readMatching, parameters);
  const row = rows[0] as Row;
  return E.right({
    events: eventsOf(rows),
    seen: seenOf(text(row, 'epoch'), text(row, 'snapshot')),
    next: optionalPosition(row, 'next_'),
  });
};
