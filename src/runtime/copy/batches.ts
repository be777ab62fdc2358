/** How a page of the global order is cut into appends: in which order, and within the limits of the store that takes them. */
import type { RecordedEvent } from '../../core/event.js';
import { keyOf } from '../../core/stream-digest.js';
import type { StreamName, Tenant } from '../../core/stream.js';
import type { StoreLimits } from '../../store/event-store.js';
import { eventBytes } from '../../store/limits.js';

/** Events of one stream that follow each other, as one append takes them; at least one. */
export interface Run {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly events: ReadonlyArray<RecordedEvent>;
  readonly bytes: number;
}

/**
 * `strict`: the order between streams is kept, event by event. `pages`: only within a page; in it each stream's events go together, so
 * that fewer appends are needed.
 */
export type CopyOrder = 'strict' | 'pages';

type Limits = Pick<StoreLimits, 'batchBytesMax' | 'batchEventsMax'>;

const groupsOf = (
  events: ReadonlyArray<RecordedEvent>,
  order: CopyOrder,
): ReadonlyArray<ReadonlyArray<RecordedEvent>> => {
  const groups: RecordedEvent[][] = [];
  const byStream = new Map<string, RecordedEvent[]>();
  let last = '';
  for (const event of events) {
    const key = keyOf(event.tenant, event.streamName);
    const group = order === 'pages' || key === last ? byStream.get(key) : undefined;
    last = key;
    if (group !== undefined) group.push(event);
    else {
      const begun = [event];
      byStream.set(key, begun);
      groups.push(begun);
    }
  }
  return groups;
};

/** Runs of one stream's events that one append can take. An event that is too large alone stays alone, to be refused by name. */
export const runsOfStream = (events: ReadonlyArray<RecordedEvent>, limits: Limits): ReadonlyArray<Run> => {
  const runs: Array<{ events: RecordedEvent[]; bytes: number; ids: Set<string> }> = [];
  for (const event of events) {
    const bytes = eventBytes(event);
    const open = runs.at(-1);
    const fits =
      open !== undefined &&
      open.events.length < limits.batchEventsMax &&
      open.bytes + bytes <= limits.batchBytesMax &&
      // A stream may hold an id twice, one append may not.
      !open.ids.has(event.eventId);
    if (!fits) runs.push({ events: [event], bytes, ids: new Set([event.eventId]) });
    else {
      open.events.push(event);
      open.bytes += bytes;
      open.ids.add(event.eventId);
    }
  }
  return runs.map(({ events: own, bytes }) => {
    const { tenant, streamName } = own[0] as RecordedEvent;
    return { tenant, streamName, events: own, bytes };
  });
};

/** The appends of a page, one after the other. */
export const runsOf = (
  events: ReadonlyArray<RecordedEvent>,
  order: CopyOrder,
  limits: Limits,
): ReadonlyArray<Run> => groupsOf(events, order).flatMap((group) => runsOfStream(group, limits));

/** Runs that one `appendMany` can take, in their order: each of another stream, all together within the limits. */
export const stepsOf = (runs: ReadonlyArray<Run>, limits: Limits): ReadonlyArray<ReadonlyArray<Run>> => {
  const steps: Run[][] = [];
  let [names, bytes, count] = [new Set<string>(), 0, 0];
  for (const run of runs) {
    const key = keyOf(run.tenant, run.streamName);
    const fits =
      steps.length > 0 &&
      !names.has(key) &&
      bytes + run.bytes <= limits.batchBytesMax &&
      count + run.events.length <= limits.batchEventsMax;
    if (!fits) [names, bytes, count] = [new Set(), 0, 0];
    if (fits) steps.at(-1)?.push(run);
    else steps.push([run]);
    names.add(key);
    bytes += run.bytes;
    count += run.events.length;
  }
  return steps;
};
