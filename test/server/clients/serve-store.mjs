// Our server over one store, in a process of its own, for as long as its parent is there.
//
//     fork('serve-store.mjs', [<folder of compiled sources>, 'memory' | 'pglite' | 'postgres', <directory or url>])
//
// It tells its parent { port } when it serves, and { fault } for each fault that the server tells of. Told 'restart' it closes the
// server, serves again at the same port, and answers { restarted: true }; told 'stop' it ends.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, kind, where] = process.argv.slice(2);
const compiled = (path) => import(pathToFileURL(join(folder, path)).href);

const opens = {
  memory: async () => (await compiled('src/adapters/memory/index.js')).memoryStore(),
  pglite: async () => {
    const { openPGlite } = await compiled('src/adapters/pglite/index.js');
    return toPromise(openPGlite({ directory: where }));
  },
  postgres: async () => {
    const { openPostgres } = await compiled('src/adapters/postgres/index.js');
    return toPromise(openPostgres({ connectionString: where, poolMax: 16 }));
  },
};

const { toPromise } = await compiled('src/core/fault.js');
const { serve } = await compiled('src/server/index.js');
const store = await opens[kind]();
const onError = (fault) => process.send({ fault: String(fault?.stack ?? fault) });
let serving = await serve(store, { port: 0, onError });
const { port } = serving;

const restart = async () => {
  await serving.close();
  serving = await serve(store, { port, onError });
  process.send({ restarted: true });
};

const stop = async () => {
  await serving.close();
  await store.close();
  process.exit(0);
};

process.on('message', (message) => void (message === 'restart' ? restart() : stop()));
process.on('disconnect', () => process.exit(1));
process.send({ port });
