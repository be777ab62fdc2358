/** Reads a store's global order to its end, and waits for what is held back there. */
import { toPromise } from '../../core/fault.js';
import { endPosition, type Position, startPosition, type Tenant } from '../../core/stream.js';
import type { AllPage, EventFilter, EventStore, HeldBack } from '../../store/event-store.js';
import type { Environment } from '../environment.js';

/** Which streams are copied or compared. */
export interface CopyScope {
  /** Default: every tenant. */
  readonly tenant?: Tenant;
  /** Only this category: what stands before a stream name's first `-`. Default: all. */
  readonly category?: string;
  /** Default true. */
  readonly includeArchived?: boolean;
}

/** How one store's order is read. */
export interface Reading {
  readonly store: EventStore;
  readonly scope: CopyScope;
  readonly environment: Environment;
  /** Events a page. */
  readonly maxCount: number;
  /** How long the end of the order may be waited for, in milliseconds. */
  readonly heldBackMaxMs: number;
  readonly signal: AbortSignal | undefined;
}

export const filterOf = ({ tenant, category, includeArchived = true }: CopyScope): EventFilter => ({
  includeArchived,
  ...(tenant !== undefined && { tenant }),
  ...(category !== undefined && { categories: [category] }),
});

/** Where the order ends now, as far as it can be read; `startPosition` where nothing is in scope. */
export const endOf = async ({ store, scope }: Reading): Promise<Position> => {
  let after = endPosition;
  // Ends at the beginning of the order.
  for (;;) {
    const request = { direction: 'backwards', after, maxCount: 1, filter: filterOf(scope) } as const;
    const { events, last, isEnd } = await toPromise(store.readAll(request));
    const position = events[0]?.position;
    if (position !== undefined) return position;
    if (isEnd) return startPosition;
    after = last;
  }
};

const lookEveryMs = 50;

/**
 * Pages after `after` to the end; the last says in `heldBack` what was still held back after all patience. Ends early, between
 * pages, once the signal is aborted.
 */
export async function* pagesOf(
  { store, scope, environment, maxCount, heldBackMaxMs, signal }: Reading,
  after: Position,
): AsyncGenerator<AllPage, HeldBack | undefined, undefined> {
  let [from, waitedMs] = [after, 0];
  // Ends at the end of the order, or when all patience is used.
  while (signal?.aborted !== true) {
    const request = { after: from, maxCount, filter: filterOf(scope) };
    const page = await toPromise(store.readAll(request));
    yield page;
    from = page.last;
    if (!page.isEnd) continue;
    if (page.heldBack === undefined || waitedMs >= heldBackMaxMs) return page.heldBack;
    await environment.sleep(lookEveryMs);
    waitedMs += lookEveryMs;
  }
  return undefined;
}
