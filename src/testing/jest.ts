/**
 * `watersmeet/jest`: importing it registers the matchers and the snapshot serializer with Jest's `expect`, in a test file or
 * by `setupFilesAfterEnv`. Both typings of `expect` know them: the global one and that of `@jest/globals`.
 */
import { expect } from '@jest/globals';
import { matchers } from './jest/matchers.js';
import { streamSerializer } from './jest/serializer.js';
import type { WatersmeetMatchers } from './jest/types.js';

export type { StoredStream } from './jest/look.js';
export type { ExpectedEvent, WatersmeetMatchers } from './jest/types.js';
export { matchers, streamSerializer };

/* eslint-disable @typescript-eslint/no-empty-object-type, @typescript-eslint/no-namespace -- what is merged into has this shape */
declare global {
  namespace jest {
    interface Matchers<R, T = {}> extends WatersmeetMatchers<R, T> {}
  }
}

declare module 'expect' {
  interface Matchers<R extends void | Promise<void>, T = unknown> extends WatersmeetMatchers<R, T> {}
}
/* eslint-enable @typescript-eslint/no-empty-object-type, @typescript-eslint/no-namespace */

// Inside Jest this module is there without being installed, and gives the very `expect` that is global.
expect.extend(matchers as never);
expect.addSnapshotSerializer(streamSerializer as never);
