/** Traces and events as this project uses them, and what each of them must have. */
import { xesError } from './xes-failure.js';
import { parseTimestampMs } from './xes-timestamp.js';

export interface XesEvent {
  /** `concept:name`: what happened. */
  readonly name: string;
  /** `lifecycle:transition`, for example `START`. */
  readonly transition: string | undefined;
  /** `time:timestamp` in milliseconds since 1970 UTC. */
  readonly timestampMs: number;
  /** `time:timestamp` as it stands in the file. */
  readonly timestamp: string;
  /** `org:resource`: who did it. */
  readonly resource: string | undefined;
  /** Every attribute of the event itself by key, as text; a list or container as ''. A key given twice: the last. */
  readonly attributes: ReadonlyMap<string, string>;
}

export interface XesTrace {
  /** `concept:name`: the case. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly events: ReadonlyArray<XesEvent>;
}

/** Collects what the document's structure announces: an element opens, has attributes, closes. */
export interface XesTraceBuilder {
  readonly open: (role: 'trace' | 'event', line: number) => void;
  /** An attribute of the element that was opened last and is still open. */
  readonly attribute: (key: string, value: string) => void;
  /** Throws an `XesError` when the element is not what it should be. */
  readonly close: (role: 'trace' | 'event') => void;
  /** The traces that were closed since it was asked last. */
  readonly take: () => ReadonlyArray<XesTrace>;
}

interface Draft {
  /** Where the element begins. */
  readonly line: number;
  readonly attributes: Map<string, string>;
}

interface TraceDraft extends Draft {
  readonly number: number;
  readonly events: XesEvent[];
}

export function traceBuilder(file: string): XesTraceBuilder {
  let traceNumber = 0;
  let trace: TraceDraft | undefined;
  let event: Draft | undefined;
  let finished: XesTrace[] = [];
  return {
    open: (role, line) => {
      if (role === 'trace') {
        traceNumber += 1;
        trace = { line, number: traceNumber, attributes: new Map(), events: [] };
      } else {
        event = { line, attributes: new Map() };
      }
    },
    attribute: (key, value) => {
      (event ?? trace)?.attributes.set(key, value);
    },
    close: (role) => {
      if (role === 'event' && trace !== undefined && event !== undefined) {
        trace.events.push(finishEvent(event, trace, file));
        event = undefined;
      } else if (role === 'trace' && trace !== undefined) {
        finished.push(finishTrace(trace, file));
        trace = undefined;
      }
    },
    take: () => {
      const taken = finished;
      finished = [];
      return taken;
    },
  };
}

function finishTrace(trace: TraceDraft, file: string): XesTrace {
  const name = nameOf(trace);
  if (name === undefined) {
    throw xesError({ _tag: 'XesTraceWithoutName', file, line: trace.line, traceNumber: trace.number });
  }
  return { name, attributes: trace.attributes, events: trace.events };
}

function finishEvent(event: Draft, trace: TraceDraft, file: string): XesEvent {
  const { line, attributes } = event;
  const name = nameOf(event);
  const where = {
    file,
    line,
    trace: nameOf(trace) ?? `#${trace.number}`,
    eventNumber: trace.events.length + 1,
  };
  if (name === undefined) throw xesError({ _tag: 'XesEventWithoutName', ...where });
  const timestamp = attributes.get('time:timestamp');
  const timestampMs = timestamp === undefined ? undefined : parseTimestampMs(timestamp);
  if (timestamp === undefined || timestampMs === undefined) {
    throw xesError({ _tag: 'XesTimestampInvalid', ...where, value: timestamp });
  }
  return {
    name,
    transition: attributes.get('lifecycle:transition'),
    timestampMs,
    timestamp,
    resource: attributes.get('org:resource'),
    attributes,
  };
}

/** A name of nothing but blanks names nothing. */
function nameOf({ attributes }: Draft): string | undefined {
  const name = attributes.get('concept:name');
  return name === undefined || name.trim() === '' ? undefined : name;
}
