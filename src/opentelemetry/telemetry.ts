/** One operation, observed: a span around it, its duration, and how it ended. Written once for everything that is measured. */
import {
  type Attributes,
  context,
  type Histogram,
  type Link,
  type Meter,
  type MeterProvider,
  metrics,
  type Span,
  type SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { taggedOf } from '../core/fault.js';
import { attribute } from './names.js';

export interface TelemetryOptions {
  /** Default: the one that is registered with the API when a span begins. */
  readonly tracerProvider?: TracerProvider;
  /** Default: the one that is registered with the API by now; register it before. */
  readonly meterProvider?: MeterProvider;
  /** Put names of streams, tenants and leases on spans. Never on metrics: they are too many. Default false. */
  readonly streamNames?: boolean;
  /**
   * Keep the place of the active span in `metadata.headers.traceparent` of what is appended, enqueued and dispatched, so that
   * whoever handles it can link to it. Default false: nothing is added to what is stored.
   */
  readonly propagate?: boolean;
}

export interface Telemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
  readonly streamNames: boolean;
  readonly propagate: boolean;
}

const scope = 'watersmeet';

export const telemetryOf = (options: TelemetryOptions = {}): Telemetry => ({
  tracer: (options.tracerProvider ?? trace.getTracerProvider()).getTracer(scope),
  meter: (options.meterProvider ?? metrics.getMeterProvider()).getMeter(scope),
  streamNames: options.streamNames ?? false,
  propagate: options.propagate ?? false,
});

/** Bounds of the semantic conventions for durations, in seconds. */
const secondsBounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

export const secondsOf = (
  { meter }: Telemetry,
  name: string,
  description: string,
  bounds: number[] = secondsBounds,
): Histogram =>
  meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries: bounds } });

export interface Operation {
  readonly name: string;
  readonly kind: SpanKind;
  /** On the span and on its duration: few values. */
  readonly attributes: Attributes;
  /** On the span alone. */
  readonly details?: Attributes;
  readonly links?: Link[];
  /** When it began, in milliseconds since 1970. Default: now. */
  readonly startedAtMs?: number;
  readonly duration: Histogram;
}

/** Ways to end that are answers, and no failures: their spans have an `error.type`, and no status of an error. */
const answers: ReadonlySet<string> = new Set([
  'VersionConflict',
  'ConcurrencyConflict',
  'Rejected',
  'LeaseHeld',
  'QueueFull',
]);

/** What a thrown value is called: never what it says, which may hold data of the user's. */
export const errorTypeOf = (thrown: unknown): string =>
  taggedOf(thrown)?._tag ?? (thrown instanceof Error ? thrown.name : typeof thrown);

/** A `Left` of fp-ts, told apart by its tag, whoever made it. */
const refusalOf = (result: unknown): string | undefined => {
  const either = result as
    | { readonly _tag?: unknown; readonly left?: { readonly _tag?: unknown } }
    | undefined;
  if (either === null || either?._tag !== 'Left') return undefined;
  return typeof either.left?._tag === 'string' ? either.left._tag : 'Left';
};

const end = (
  operation: Operation,
  span: Span,
  startedMs: number,
  error: string | undefined,
  more: Attributes,
): void => {
  if (error !== undefined) {
    span.setAttribute(attribute.errorType, error);
    if (!answers.has(error)) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
  }
  span.end();
  operation.duration.record((performance.now() - startedMs) / 1_000, {
    ...operation.attributes,
    ...more,
    ...(error !== undefined && { [attribute.errorType]: error }),
  });
};

/**
 * Runs the work with its span active. `told` looks at what it came to, may say more of it on the span, and answers what the
 * duration is counted under besides the operation's own attributes.
 */
export const observe = async <A>(
  { tracer }: Telemetry,
  operation: Operation,
  work: (span: Span) => Promise<A> | A,
  told?: (result: A, span: Span) => Attributes | void,
): Promise<A> => {
  const { name, kind, attributes, details, links, startedAtMs } = operation;
  const startedMs = performance.now() - (startedAtMs === undefined ? 0 : Date.now() - startedAtMs);
  const span = tracer.startSpan(name, {
    kind,
    attributes: details === undefined ? attributes : { ...attributes, ...details },
    ...(links !== undefined && links.length > 0 && { links }),
    ...(startedAtMs !== undefined && { startTime: startedAtMs }),
  });
  let result: A;
  try {
    result = await context.with(trace.setSpan(context.active(), span), () => work(span));
  } catch (thrown) {
    end(operation, span, startedMs, errorTypeOf(thrown), {});
    throw thrown;
  }
  end(operation, span, startedMs, refusalOf(result), told?.(result, span) ?? {});
  return result;
};
