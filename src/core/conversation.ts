/** What goes on from a message to all that it causes: which conversation it belongs to, and where its trace stood. */
import type { EventMetadata } from './event.js';
import type { JsonObject } from './json.js';

/** Headers of the W3C trace context; they are kept where a writer has put them, and go on with what is sent. */
const traceHeaders = ['traceparent', 'tracestate'] as const;

const traceOf = (headers: JsonObject): JsonObject | undefined => {
  const kept = traceHeaders.flatMap((name) => {
    const value = headers[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
};

/**
 * Metadata of what `causationId` causes, given the metadata of the record that says so. Where no conversation is named, the
 * cause begins one under its own id.
 */
export const carriedOn = (metadata: EventMetadata, causationId: string): EventMetadata => {
  const trace = metadata.headers === undefined ? undefined : traceOf(metadata.headers);
  return {
    correlationId: metadata.correlationId ?? causationId,
    causationId,
    ...(trace !== undefined && { headers: trace }),
  };
};

/** Metadata of a merge: the conversation of its first branch, in the order in which the merger saw them, and that branch as its cause. */
export const conversationOf = (
  branches: ReadonlyArray<{ readonly metadata?: EventMetadata; readonly branchId: string }>,
): EventMetadata => {
  const [first] = branches;
  return first === undefined ? {} : { ...first.metadata, causationId: first.branchId };
};
