// The engine and its simulation as plain JavaScript in a folder, where a file can be changed before it runs.
import { transformAll as transformParts } from '../../scripts/compile.mjs';

export { writeCompiled } from '../../scripts/compile.mjs';
export { root } from '../../scripts/ensure.mjs';

const parts = [
  'src/index.ts',
  'src/core',
  'src/store',
  'src/runtime',
  'src/adapters/memory',
  'src/testing/stage.ts',
  'src/testing/simulation',
  'test/simulation',
];

/** All sources by path, transformed. */
export const transformAll = () => transformParts(parts);
