// What the measuring scripts share: today's sources as plain JavaScript, and the stores that are measured.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createDatabase, dropDatabase, startPostgres } from '../test/support/embedded-postgres.mjs';
import { transformAll, writeCompiled } from './compile.mjs';
import { root } from './ensure.mjs';

/**
 * The sources of today as plain JavaScript, in a folder where they find themselves by the package's name, and which goes with this
 * process. Answers how a part is loaded from there.
 */
export const compiled = (name, parts, exports = {}) => {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, `${name}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  const all = { '.': './src/index.js', './postgres': './src/adapters/postgres/index.js', ...exports };
  writeCompiled(folder, transformAll(['src', ...parts]), { manifest: { name: 'watersmeet', exports: all } });
  return (path) => import(pathToFileURL(join(folder, path)).href);
};

/** How a store in memory and one on a PostgreSQL of its own are opened, the latter with a warmed pool. */
export const storeOpeners = async (load, poolMax) => {
  const { memoryStore, toPromise } = await load('src/index.js');
  const { openPostgres } = await load('src/adapters/postgres/index.js');
  const openMemory = async () => {
    const store = memoryStore();
    return { name: 'memory', store, close: () => store.close() };
  };
  const openServer = async () => {
    const server = await startPostgres();
    const url = await createDatabase(server.url);
    const store = await toPromise(openPostgres({ connectionString: url, poolMax, migrate: true }));
    // A cold pool starts its writers one after another.
    await Promise.all(Array.from({ length: poolMax }, () => toPromise(store.readAll({}))));
    return {
      ...{ name: 'postgres', store },
      close: async () => {
        await store.close();
        await dropDatabase(server.url, url);
        await server.stop();
      },
    };
  };
  return { openMemory, openServer };
};
