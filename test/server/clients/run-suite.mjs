// Runs the checks with one client against one server: one line of JSON for each check, as it ends.
//
//     node run-suite.mjs <client kind> <connection string> [words that the names of the checks must hold]
//
// Started with a channel to its parent (fork) it may ask there for the server to be restarted.
import { checks } from './checks/index.mjs';
import { lackOf, loadAdaptor, serverTraits } from './adaptors.mjs';
import { helpersOf } from './helpers.mjs';

const [kind, given, ...words] = process.argv.slice(2);
if (kind === undefined || given === undefined)
  throw new Error('Give the client kind and the connection string of the server.');

// Several at once, because most of the time a check waits.
const atOnce = 6;
const limitMs = 90_000;

const adaptor = loadAdaptor(kind);
const connectionString = kind.startsWith('@kurrent') ? given.replace(/^esdb/, 'kurrentdb') : given;

const restart = () =>
  new Promise((resolve, reject) => {
    process.once('message', (message) =>
      message === 'restarted' ? resolve() : reject(new Error(`The server is not restarted: ${message}`)),
    );
    process.send('restart');
  });
// The share of large numbers that checks reach: less than 1 where the store is known to be slow.
const load = Number(process.env['WATERSMEET_SUITE_LOAD'] || 1);
const own = process.env['WATERSMEET_OWN_SERVER'] === '1';
const traits = serverTraits(given, { own, restart: own && process.send !== undefined });

const limited = (running) => {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`It has not ended within ${limitMs} ms.`)), limitMs);
  });
  return Promise.race([running, limit]).finally(() => clearTimeout(timer));
};

// Disposed when all is done: with @eventstore/db-client, whoever disposes one client calls off the batch appends of all.
const clients = new Set();

const outcomeOf = async (check) => {
  const reason = lackOf(check, kind, traits);
  if (reason !== undefined) return { outcome: 'skipped', reason };
  const helpers = helpersOf(adaptor, connectionString, { clients, restart, load });
  try {
    await limited((async () => check.run(helpers.connect(), helpers))());
    return { outcome: 'ok' };
  } catch (error) {
    return { outcome: 'error', message: String(error?.message ?? error), stack: String(error?.stack ?? '') };
  }
};

const report = async (check) => {
  const start = performance.now();
  const outcome = await outcomeOf(check);
  const line = { name: check.name, ...outcome, ms: Math.round(performance.now() - start) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

const runAll = async (list, width) => {
  const waiting = [...list];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await report(next);
  };
  await Promise.all(Array.from({ length: width }, work));
};

// An error that no check awaited is told by the check that failed of it, if any did; it must not end the others.
process.on('unhandledRejection', (reason) => console.error('Not awaited:', reason));
process.on('uncaughtException', (error) => console.error('Not caught:', error));

const chosen = checks.filter(({ name }) => words.every((word) => name.includes(word)));
await runAll(
  chosen.filter(({ alone }) => alone !== true),
  atOnce,
);
await runAll(
  chosen.filter(({ alone }) => alone === true),
  1,
);
await limited(Promise.all([...clients].map((client) => client.dispose()))).catch((error) =>
  console.error(error),
);
process.exit(0);
