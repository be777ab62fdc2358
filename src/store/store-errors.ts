/** Errors that every port of a store shares. */
import type { InvalidName } from '../core/stream.js';

/** A request that no store can serve: a page of 0 events, a position that is none. Nothing was written. Mend the request. */
export interface InvalidRequest {
  readonly _tag: 'InvalidRequest';
  readonly field: string;
  readonly reason: string;
}

/** The store cannot be reached or refuses to work. Nothing was written. Retry later; see `message`. */
export interface StoreUnavailable {
  readonly _tag: 'StoreUnavailable';
  readonly message: string;
}

/** More than the store's limits allow. Nothing was written. Write smaller events, batches or results, or raise the limit. */
export interface LimitExceeded {
  readonly _tag: 'LimitExceeded';
  readonly limit: 'eventBytesMax' | 'batchEventsMax' | 'batchBytesMax' | 'versionMax' | 'resultBytesMax';
  readonly max: number;
  readonly found: number;
}

/** The store's schema is missing or older than this program. Nothing was written. Run `watersmeet migrate`. */
export interface MigrationMissing {
  readonly _tag: 'MigrationMissing';
  readonly message: string;
}

/** The store was closed by this process. Nothing was written. Open it again. */
export interface StoreClosed {
  readonly _tag: 'StoreClosed';
}

/** The driver is an optional peer and is not installed. Nothing was written. Install it with the command in `message`. */
export interface DriverMissing {
  readonly _tag: 'DriverMissing';
  readonly driver: string;
  readonly message: string;
}

/** The store could not be asked at all. */
export type Unreachable = StoreUnavailable | MigrationMissing | StoreClosed;
/** The request is at fault, whatever the store. */
export type BadRequest = InvalidName | InvalidRequest;
