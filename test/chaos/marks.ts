/** What a fenced append is marked with, so that the proof can tell under which token it was written. */
import type { EventData, EventMetadata, Fence } from '../../src/index.js';

/** The event with the mark of its own append, and without one that came along from a record it was made of. */
export const withMark = (event: EventData, fence: Fence | undefined): EventData => {
  const { fence: _, ...headers } = event.metadata.headers ?? {};
  const mark = fence === undefined ? {} : { fence: { lease: fence.lease, token: fence.token } };
  const all = { ...headers, ...mark };
  const { headers: __, ...rest } = event.metadata;
  return { ...event, metadata: Object.keys(all).length === 0 ? rest : { ...rest, headers: all } };
};

export const fenceOf = ({ headers }: EventMetadata): Fence | undefined =>
  headers?.['fence'] as unknown as Fence | undefined;
