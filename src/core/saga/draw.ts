/**
 * A saga's stream as text: the trunk runs down, branches leave it at their base and join it at their merge.
 *
 *     2 * ApplicationMoved {"activity":"A_ACCEPTED"}
 *       |\
 *     3 * | OfferMoved {"activity":"O_CREATED"}
 *     4 | o MergeSagaState from 2
 *       |/
 *     5 * OfferMoved {"activity":"O_SELECTED"}  (from the branch at 4)
 *     6 M SagaMerged
 */
import { afterText, keysText, titled } from './describe-conflict.js';
import type { RecordedEvent } from '../event.js';
import { type Draft, type Walk, walkThrough } from './explain-walk.js';
import { recordTypes } from './saga.js';
import * as records from './saga-records.js';
import { escapeForDisplay } from '../stream.js';

/** How parts of the drawing are coloured; what they say does not depend on it. */
export interface Paint {
  readonly trunk: (text: string) => string;
  readonly branch: (text: string) => string;
  readonly merge: (text: string) => string;
  readonly trouble: (text: string) => string;
  readonly quiet: (text: string) => string;
}

const same = (text: string): string => text;
export const noPaint: Paint = { trunk: same, branch: same, merge: same, trouble: same, quiet: same };

/** More branches at once than this share no lane: they are told by their text alone. */
const lanesMax = 10;

interface Lane {
  readonly draft: Draft;
  /** After the row of this version the lane is open. */
  readonly from: number;
  /** Before the row of this version it joins the trunk; `undefined` where it never does. */
  readonly joins: number | undefined;
  /** Its last row where it does not join: its own for a void one, the stream's end for one that waits. */
  readonly ends: number;
  readonly index: number;
}

const spanOf = (draft: Draft, last: number): Omit<Lane, 'index'> => {
  const from = draft.branch.base;
  if (draft.voided !== undefined) return { draft, from, joins: undefined, ends: draft.event.version };
  const joins = draft.merge?.record === undefined ? undefined : draft.merge.first;
  return { draft, from, joins, ends: joins === undefined ? last : joins - 1 };
};

/** Each branch takes the first lane that is free from its base to its end. */
const lanesOf = ({ drafts }: Walk, last: number): ReadonlyArray<Lane> => {
  const lanes: Lane[] = [];
  const spans = drafts.map((draft) => spanOf(draft, last)).sort((a, b) => a.from - b.from);
  for (const span of spans) {
    const taken = new Set(
      lanes.filter(({ ends, from }) => ends >= span.from && from <= span.ends).map(({ index }) => index),
    );
    let index = 0;
    while (taken.has(index)) index += 1;
    if (index < lanesMax) lanes.push({ ...span, index });
  }
  return lanes;
};

/** A row of the drawing without its text: the trunk's mark, then two columns for each lane. */
const graphRow = (mark: string, cells: ReadonlyMap<number, string>): string => {
  const width = Math.max(-1, ...cells.keys()) + 1;
  let row = mark;
  for (let index = 0; index < width; index += 1) row += ` ${cells.get(index) ?? ' '}`;
  return row;
};

/** The row between two records where lanes leave (`\`) or join (`/`); a line runs to the outermost of them. */
const forkRow = (moving: ReadonlyArray<Lane>, standing: ReadonlyArray<Lane>, mark: '\\' | '/'): string => {
  const columns: string[] = [];
  const outermost = Math.max(...moving.map(({ index }) => 2 * index + 1));
  for (let column = 1; column < outermost; column += 1) columns[column] = '-';
  for (const { index } of moving) columns[2 * index + 1] = mark;
  for (const { index } of standing) columns[2 * index + 2] = '|';
  columns[0] = '|';
  return Array.from(columns, (column) => column ?? ' ').join('');
};

const isOpenAt = ({ from, ends }: Lane, version: number): boolean => version > from && version <= ends;

const markOf = (event: RecordedEvent): string => {
  switch (event.type) {
    case recordTypes.mergeSagaState:
      return '|';
    case recordTypes.sagaMerged:
      return 'M';
    case recordTypes.sagaMergeRefused:
    case recordTypes.compensationFailed:
      return '!';
    case recordTypes.sagaCompleted:
      return '#';
    case recordTypes.compensationApplied:
      return 'C';
    default:
      return '*';
  }
};

const sendsText = (sends: ReadonlyArray<records.OutgoingRecord> | undefined): string => {
  const texts = (sends ?? []).map(({ type, data, cancelled }) =>
    cancelled === undefined ? titled(type, data, 40) : `${titled(type, data, 40)} (cancelled)`,
  );
  return texts.length === 0 ? '' : `  => ${texts.join(', ')}`;
};

/** Timeouts that an append asks for and cancels, as in `  later: Remind after 30 s; no more: deadline`. */
const wishesText = ({ timeouts = [], cancelTimeouts = [] }: records.TimeoutWishes): string => {
  const later = timeouts.map(({ type, data, afterMs }) => `${titled(type, data, 40)} ${afterText(afterMs)}`);
  const texts = [
    ...(later.length > 0 ? [`later: ${later.join(', ')}`] : []),
    ...(cancelTimeouts.length > 0 ? [`no more: ${keysText(cancelTimeouts)}`] : []),
  ];
  return texts.length === 0 ? '' : `  ${texts.join('; ')}`;
};

const branchText = (draft: Draft): string => {
  const { base, events, messages, cause, completes } = draft.branch;
  const wanted = events.map(({ type, data }) => titled(type, data, 40)).join(', ');
  const held =
    messages.length === 0 ? '' : `; holds ${messages.map(({ type }) => escapeForDisplay(type)).join(', ')}`;
  const fate =
    draft.voided !== undefined
      ? ' (void)'
      : draft.merge === undefined
        ? draft.refusals.length > 0
          ? ' (refused, waits)'
          : ' (waits)'
        : '';
  const from = `${escapeForDisplay(cause.messageId, 60)} from ${base}`;
  return `MergeSagaState ${from}: ${wanted || 'no events'}${held}${completes ? '; completes' : ''}${fate}${wishesText(draft.branch)}`;
};

const mergedText = (record: records.SagaMergedRecord): string => {
  const parts = [
    `${record.resolves.length} ${record.resolves.length === 1 ? 'branch' : 'branches'}`,
    `${record.accepted.length} accepted`,
    ...(record.rejected.length > 0 ? [`${record.rejected.length} rejected`] : []),
    ...(record.added > 0 ? [`${record.added} added`] : []),
    ...(['release', 'cancel', 'replace'] as const).flatMap((fate) => {
      const count = record.messages.filter((message) => message.fate === fate).length;
      return count === 0 ? [] : [`${count === 1 ? '1 message' : `${count} messages`} to ${fate}`];
    }),
    ...record.compensations.map(({ hook }) => `compensate: ${escapeForDisplay(hook)}`),
    ...(record.late === 'none' ? [] : [`late: ${record.late}`]),
  ];
  const released = record.timeouts?.fates.filter(({ fate }) => fate === 'release').length ?? 0;
  const cancelled = record.timeouts?.cancels ?? [];
  if (released > 0) parts.push(`${released === 1 ? '1 timeout' : `${released} timeouts`} to wait`);
  if (cancelled.length > 0) parts.push(`no more: ${keysText(cancelled)}`);
  return `SagaMerged ${parts.join(', ')}${sendsText(record.sends)}${wishesText(record.timeouts?.then ?? {})}`;
};

const textOf = (
  event: RecordedEvent,
  drafts: ReadonlyMap<number, Draft>,
  byBranchId: ReadonlyMap<string, Draft>,
): string => {
  const { type, data } = event;
  const draft = drafts.get(event.version);
  if (draft !== undefined) return branchText(draft);
  if (type === recordTypes.sagaMerged && records.sagaMerged.is(data)) return mergedText(data);
  if (type === recordTypes.sagaMergeRefused && records.sagaMergeRefused.is(data))
    return `SagaMergeRefused: ${escapeForDisplay(data.reason, 120)}${data.paths.length > 0 ? ` (${data.paths.map((path) => escapeForDisplay(path)).join(', ')})` : ''}`;
  if (type === recordTypes.compensationApplied && records.compensationApplied.is(data))
    return `CompensationApplied ${escapeForDisplay(data.hook)}${sendsText(data.sends)}`;
  if (type === recordTypes.compensationFailed && records.compensationFailed.is(data))
    return `CompensationFailed ${escapeForDisplay(data.hook)}, attempt ${data.attempt}${data.parked ? ', given up' : ''}: ${escapeForDisplay(data.error, 120)}`;
  if (type === recordTypes.sagaTimeoutIgnored && records.sagaTimeoutIgnored.is(data))
    return `SagaTimeoutIgnored ${escapeForDisplay(data.type)}: epoch ${data.epoch} was over`;
  const header = records.headerOf(event.metadata);
  const from = header?.branchId === undefined ? undefined : byBranchId.get(header.branchId);
  const origin =
    from !== undefined
      ? `  (from the branch at ${from.event.version})`
      : header?.mergeId === undefined
        ? ''
        : '  (by the merge)';
  const shown = type === recordTypes.sagaCompleted ? type : titled(type, data, 60);
  return `${shown}${sendsText(header?.sends)}${wishesText(header ?? {})}${type === recordTypes.sagaCompleted ? '' : origin}`;
};

const paintOf = (paint: Paint, event: RecordedEvent): ((text: string) => string) => {
  switch (event.type) {
    case recordTypes.mergeSagaState:
      return paint.branch;
    case recordTypes.sagaMerged:
    case recordTypes.sagaCompleted:
      return paint.merge;
    case recordTypes.sagaMergeRefused:
    case recordTypes.compensationFailed:
    case recordTypes.compensationApplied:
      return paint.trouble;
    default:
      return paint.trunk;
  }
};

/** The lines of the drawing. `events` is the whole stream from version 1; streams of anything else are a straight trunk. */
export const drawSaga = (
  events: ReadonlyArray<RecordedEvent>,
  paint: Paint = noPaint,
): ReadonlyArray<string> => {
  const last = events.at(-1)?.version ?? 0;
  const walk = walkThrough(events);
  const lanes = lanesOf(walk, last);
  const drafts = new Map(walk.drafts.map((draft) => [draft.event.version as number, draft]));
  const byBranchId = new Map(
    walk.drafts.filter(({ voided }) => voided === undefined).map((draft) => [draft.branch.branchId, draft]),
  );
  const digits = String(last).length;
  const lines: string[] = [];
  const between = (row: string): void => void lines.push(paint.quiet(`${' '.repeat(digits + 1)}${row}`));
  const fork = (version: number): void => {
    const moving = lanes.filter(({ from }) => from === version);
    if (moving.length > 0)
      between(
        forkRow(
          moving,
          lanes.filter((lane) => lane.from < version && lane.ends > version),
          '\\',
        ),
      );
  };
  if (lanes.some(({ from }) => from === 0))
    lines.push(paint.quiet(`${'0'.padStart(digits)} . no events yet`));
  fork(0);
  for (const event of events) {
    const { version } = event;
    const joining = lanes.filter(({ joins }) => joins === version);
    if (joining.length > 0)
      between(
        forkRow(
          joining,
          lanes.filter((lane) => isOpenAt(lane, version)),
          '/',
        ),
      );
    const open = lanes.filter((lane) => isOpenAt(lane, version));
    const cells = new Map(
      open.map((lane) => [
        lane.index,
        lane.draft.event.version !== version ? '|' : lane.draft.voided === undefined ? 'o' : 'x',
      ]),
    );
    const graph = graphRow(markOf(event), cells);
    lines.push(
      `${paint.quiet(String(version).padStart(digits))} ${graph} ${paintOf(paint, event)(textOf(event, drafts, byBranchId))}`,
    );
    fork(version);
  }
  return lines;
};

/** What the marks mean, for below a drawing. */
export const legend =
  '* event   o branch (MergeSagaState)   x void branch   M merge   C compensation   ! trouble   # completed';
