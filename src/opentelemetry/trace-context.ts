/** Where a trace stood, as a header of the W3C: kept with an event or a message, and linked where it is handled. */
import {
  createTraceState,
  isSpanContextValid,
  type Link,
  type Span,
  type SpanContext,
  TraceFlags,
} from '@opentelemetry/api';
import type { EventMetadata } from '../core/event.js';

const form = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** What a record remembers; `undefined` where it remembers nothing, or nothing that can be read. */
export const spanContextOf = (metadata: EventMetadata | undefined): SpanContext | undefined => {
  const header = metadata?.headers?.['traceparent'];
  const parts = typeof header === 'string' ? form.exec(header) : null;
  if (parts === null) return undefined;
  const [, traceId = '', spanId = '', flags = '00'] = parts;
  const state = metadata?.headers?.['tracestate'];
  const context: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
    ...(typeof state === 'string' && { traceState: createTraceState(state) }),
  };
  return isSpanContextValid(context) ? context : undefined;
};

/** Links to where the records come from. Each place once; tools show the first 128. */
export const linksTo = (all: ReadonlyArray<EventMetadata | undefined>): Link[] => {
  const links = new Map<string, Link>();
  for (const metadata of all) {
    const context = spanContextOf(metadata);
    if (context !== undefined && links.size < 128) links.set(context.spanId, { context });
  }
  return [...links.values()];
};

/** The metadata with the place of a span instead of what it remembered before; as it was where nobody records the span. */
export const remembering = <M extends EventMetadata>(metadata: M, span: Span | undefined): M => {
  const context = span?.spanContext();
  if (context === undefined || !isSpanContextValid(context)) return metadata;
  const flags = (context.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0');
  const { tracestate: _, ...others } = metadata.headers ?? {};
  const state = context.traceState?.serialize();
  const headers = {
    ...others,
    traceparent: `00-${context.traceId}-${context.spanId}-${flags}`,
    ...(state !== undefined && state !== '' && { tracestate: state }),
  };
  return { ...metadata, headers };
};
