// The server as plain JavaScript in a folder, for processes that serve.
import { transformAll, writeCompiled } from '../../../scripts/compile.mjs';

const parts = [
  'src/core',
  'src/store',
  'src/server',
  'src/adapters/memory',
  'src/adapters/pglite',
  'src/adapters/postgres',
];

export const compileInto = (folder) => writeCompiled(folder, transformAll(parts));
