/** Reads by tags in SQL. What a reader has seen is the server's own snapshot, which holds whatever the order of commits. */
import * as E from 'fp-ts/lib/Either.js';
import { seenOf } from '../../store/condition-checks.js';
import type { MatchingPage, ReadMatchingRequest } from '../../store/conditions.js';
import { checkReadMatching } from '../../store/limits.js';
import { ask, type BadRequest, type SqlContext } from './context.js';
import type { Row } from './executor.js';
import { eventsOf, optionalPosition, positionTexts, text } from './rows.js';

export const readMatching = async (
  context: SqlContext,
  request: ReadMatchingRequest,
): Promise<E.Either<BadRequest, MatchingPage>> => {
  const checked = checkReadMatching(request);
  if (E.isLeft(checked)) return checked;
  const { query, count, after } = checked.right;
  const { tenant, items } = query;
  const parameters = [tenant, JSON.stringify(items), ...positionTexts(after), String(count)];
  const rows = await ask(context, context.statements.readMatching, parameters);
  const row = rows[0] as Row;
  return E.right({
    events: eventsOf(rows),
    seen: seenOf(text(row, 'epoch'), text(row, 'snapshot')),
    next: optionalPosition(row, 'next_'),
  });
};
