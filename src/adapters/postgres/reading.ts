/** Reads: pages of a stream, pages of the global order, and the list of streams. */
import * as E from 'fp-ts/lib/Either.js';
import {
  comparePositions,
  defaultTenant,
  endPosition,
  escapeForDisplay,
  noEvents,
  type Position,
  startPosition,
  type StreamVersion,
} from '../../core/stream.js';
import type {
  AllPage,
  EventFilter,
  HeldBack,
  ListStreamsRequest,
  ReadAllRequest,
  ReadError,
  ReadStreamRequest,
  StreamPage,
  StreamSummary,
} from '../../store/event-store.js';
import { checkCount, checkPosition, pageDefault, pageMax } from '../../store/limits.js';
import { type CheckedRead, checkReadStream } from '../../store/read-checks.js';
import { ask, type BadRequest, type SqlContext } from './context.js';
import { faultOf, type Parameters, type Row, type Statement } from './executor.js';
import type { ReadRows } from './read-line.js';
import {
  eventsOf,
  eventsOfStream,
  oldestFirst,
  optionalPosition,
  positionTexts,
  summaryOf,
  text,
  versionOf,
} from './rows.js';

const nextOf = (
  backwards: boolean,
  events: StreamPage['events'],
  version: StreamVersion,
): StreamVersion | undefined => {
  const last = events.at(-1)?.version;
  if (last === undefined) return undefined;
  if (backwards) return last > 1 ? ((last - 1) as StreamVersion) : undefined;
  return last < version ? ((last + 1) as StreamVersion) : undefined;
};

/** What the replica answers, where it is asked and far enough; undefined where the store itself must be asked. */
const replicaRows = async (
  { replica }: SqlContext,
  { streamName, atLeast }: ReadStreamRequest,
  statement: Statement,
  parameters: Parameters,
): Promise<ReadonlyArray<Row> | undefined> => {
  if (replica === undefined || atLeast === undefined) return undefined;
  const { executor, onFallback } = replica;
  try {
    const rows = await executor.query(statement, parameters);
    const version = rows[0] === undefined ? noEvents : versionOf(rows[0], 'stream_version');
    if (version >= atLeast) return rows;
    onFallback?.({ reason: 'behind', streamName, atLeast, version });
  } catch (error) {
    const fault = faultOf(error);
    const message = fault._tag === 'StoreClosed' ? 'it is closed' : fault.message;
    onFallback?.({ reason: 'unavailable', streamName, message });
  }
  return undefined;
};

const rowsOf = async (
  context: SqlContext,
  readForwards: ReadRows,
  request: ReadStreamRequest,
  read: CheckedRead,
): Promise<ReadonlyArray<Row>> => {
  const { key, count, backwards, from } = read;
  const { readStreamBackwards, readStreamForwards } = context.statements;
  const statement = backwards ? readStreamBackwards : readStreamForwards;
  const parameters = [key.tenant, key.streamName, String(from), String(count)];
  const ofStore = () => (backwards ? ask(context, statement, parameters) : readForwards(read));
  // Begun in the turn in which it is called, so that a store that is closed next still answers it.
  if (context.replica === undefined) return ofStore();
  const rows = await replicaRows(context, request, statement, parameters);
  if (rows === undefined) return ofStore();
  return backwards ? rows : oldestFirst(rows);
};

/** `readForwards` asks the store itself for a page oldest first. */
export const readStream = async (
  context: SqlContext,
  readForwards: ReadRows,
  request: ReadStreamRequest,
): Promise<E.Either<ReadError, StreamPage>> => {
  const checked = checkReadStream(request);
  if (E.isLeft(checked)) return checked;
  const { key, backwards } = checked.right;
  const rows = await rowsOf(context, readForwards, request, checked.right);
  const [row] = rows;
  if (row === undefined) return E.right({ events: [], version: noEvents, next: undefined });
  const state = text(row, 'stream_state');
  if (state === 'tombstoned') return E.left({ _tag: 'StreamTombstoned', ...key });
  if (state === 'archived' && request.includeArchived !== true)
    return E.left({ _tag: 'StreamArchived', ...key });
  const version = versionOf(row, 'stream_version');
  const events = eventsOfStream(rows, key);
  return E.right({ events, version, next: nextOf(backwards, events, version) });
};

/** Rows looked at for one page: bounds what a filter that matches little costs. */
const examineMax = 20_000;

const isStorable = (value: string): boolean => value.isWellFormed() && !value.includes('\u0000');

/** A filter as the statement takes it. What can be in no name matches nothing, and need not travel. */
const filterText = (filter: EventFilter): string => {
  const list = (values: ReadonlyArray<string> | undefined) => values?.filter(isStorable) ?? null;
  const tenantFits = filter.tenant === undefined || isStorable(filter.tenant);
  return JSON.stringify({
    tenant: tenantFits ? (filter.tenant ?? null) : null,
    categories: list(filter.categories),
    types: tenantFits ? list(filter.types) : [],
    streamPrefixes: list(filter.streamPrefixes),
    includeArchived: filter.includeArchived === true,
  });
};

const later = (a: Position, b: Position | undefined): Position =>
  b === undefined || comparePositions(a, b) >= 0 ? a : b;

/** Who holds the order back. Where the role may not look, the answer says at least that somebody does. */
const heldBackBy = async (context: SqlContext): Promise<HeldBack> => {
  const unseen: HeldBack = { heldBackMs: 0, by: 'a transaction that this role may not see' };
  try {
    const [row] = await ask(context, context.statements.heldBackBy, []);
    if (row === undefined) return unseen;
    const heldBackMs = Number(row['age_ms'] ?? 0);
    const application = escapeForDisplay(row['application_name'] ?? '');
    const who = application === '' ? '' : ` (${application})`;
    return {
      heldBackMs,
      by: `process ${text(row, 'pid')}${who}, its transaction is open for ${heldBackMs} ms`,
    };
  } catch (error) {
    if (faultOf(error)._tag === 'SqlRefused') return unseen;
    throw error;
  }
};

const endOfPage = (after: Position, row: Row, isFull: boolean, events: AllPage['events']): Position => {
  if (isFull) return (events.at(-1) as AllPage['events'][number]).position;
  return later(after, optionalPosition(row, 'examined_') ?? optionalPosition(row, 'safe_'));
};

const forwardsPage = async (
  context: SqlContext,
  after: Position,
  rows: ReadonlyArray<Row>,
  count: number,
): Promise<AllPage> => {
  const row = rows[0] as Row;
  const events = eventsOf(rows);
  const last = endOfPage(after, row, events.length === count, events);
  const isEnd = comparePositions(last, optionalPosition(row, 'safe_') ?? startPosition) >= 0;
  const heldBack = isEnd && text(row, 'is_held_back') === 'true' ? await heldBackBy(context) : undefined;
  return { events, last, isEnd, heldBack };
};

const backwardsPage = async (
  context: SqlContext,
  rows: ReadonlyArray<Row>,
  count: number,
): Promise<AllPage> => {
  const row = rows[0] as Row;
  const events = eventsOf(rows);
  const reached = events.length === count ? events.at(-1)?.position : optionalPosition(row, 'examined_');
  const beginning = optionalPosition(row, 'beginning_');
  const isEnd = reached === undefined || beginning === undefined || comparePositions(reached, beginning) <= 0;
  const heldBack = text(row, 'is_held_back') === 'true' ? await heldBackBy(context) : undefined;
  return { events, last: reached ?? startPosition, isEnd, heldBack };
};

export const readAll = async (
  context: SqlContext,
  request: ReadAllRequest,
): Promise<E.Either<BadRequest, AllPage>> => {
  const count = checkCount('maxCount', request.maxCount, pageDefault, 1, pageMax);
  if (E.isLeft(count)) return count;
  const backwards = request.direction === 'backwards';
  const checked = checkPosition('after', request.after ?? (backwards ? endPosition : startPosition));
  if (E.isLeft(checked)) return checked;
  const after = checked.right;
  const limits = [String(count.right), String(Math.max(count.right, examineMax))];
  const parameters = [...positionTexts(after), ...limits, filterText(request.filter ?? {})];
  const { readAll: forwardsStatement, readAllBackwards } = context.statements;
  const rows = await ask(context, backwards ? readAllBackwards : forwardsStatement, parameters);
  const page = backwards
    ? await backwardsPage(context, rows, count.right)
    : await forwardsPage(context, after, rows, count.right);
  return E.right(page);
};

// No name holds a NUL, so what follows one in `after` decides nothing.
const afterText = (after: string | undefined): string =>
  ((after ?? '').split('\u0000')[0] as string).toWellFormed();

export const listStreams = async (
  context: SqlContext,
  request: ListStreamsRequest,
): Promise<E.Either<BadRequest, ReadonlyArray<StreamSummary>>> => {
  const count = checkCount('maxCount', request.maxCount, pageDefault, 1, pageMax);
  if (E.isLeft(count)) return count;
  const { category } = request;
  const tenant = request.tenant ?? defaultTenant;
  if (!isStorable(tenant) || (category !== undefined && !isStorable(category))) return E.right([]);
  const includeArchived = String(request.includeArchived === true);
  const parameters = [tenant, afterText(request.after), String(count.right), includeArchived];
  const rows =
    category === undefined
      ? await ask(context, context.statements.listStreams, parameters)
      : await ask(context, context.statements.listCategory, [...parameters, category]);
  return E.right(rows.map(summaryOf));
};
