// Runs benches: for each commit setting a server, for each peer a database of its own, and one bench after another.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from '../../scripts/machine.mjs';
import { root } from '../../scripts/ensure.mjs';
import { createDatabase, dropDatabase, runOn } from '../../test/support/embedded-postgres.mjs';
import * as act from '../peers/act.mjs';
import * as castore from '../peers/castore.mjs';
import * as emmett from '../peers/emmett.mjs';
import * as messageDb from '../peers/message-db.mjs';
import * as plain from '../peers/pg.mjs';
import * as pgbench from '../peers/pgbench.mjs';
import * as watersmeet from '../peers/watersmeet.mjs';
import { withClient } from './copy-rows.mjs';
import { commits, startServer, whyNotSlow } from './server.mjs';

const peers = [watersmeet, emmett, castore, act, messageDb, plain];
/** Connections of each peer's pool. */
export const poolMax = 32;

/** Opens each peer once for a bench, on a database of its own, when it is first asked for. */
const peersOn = (url) => {
  const opened = new Map();
  const databases = [];
  const open = async (module) => {
    const databaseUrl = await createDatabase(url);
    databases.push(databaseUrl);
    const peer = await module.open(databaseUrl, { poolMax });
    return { ...peer, name: module.name, url: databaseUrl, sql: (work) => withClient(databaseUrl, work) };
  };
  const once = (module) => {
    if (!opened.has(module)) opened.set(module, open(module));
    return opened.get(module);
  };
  return {
    databases,
    peer: (name) => once(peers.find((module) => module.name === name)),
    pgbench: pgbench.pgbenchVersion() === undefined ? undefined : () => once(pgbench),
    close: async () => {
      for (const peer of opened.values()) await (await peer).close();
    },
  };
};

const versionOf = (name) => {
  if (name === 'watersmeet') return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
  const { packages } = JSON.parse(readFileSync(join(root, 'bench/package-lock.json'), 'utf8'));
  return packages[`node_modules/${name}`].version;
};

const serverVersion = (url) =>
  withClient(url, async (client) => (await client.query('show server_version')).rows[0].server_version);

const measureOn = async (commit, benches, context) => {
  const server = await startServer(commit);
  const rows = [];
  try {
    const postgres = await serverVersion(server.url);
    for (const bench of benches) {
      context.say(`\n== ${bench.title}, ${commit}`);
      const opened = peersOn(server.url);
      const databases = [];
      const database = async (template) => {
        databases.push(await createDatabase(server.url, template));
        return databases.at(-1);
      };
      rows.push(...(await bench.run({ ...context, ...opened, commit, url: server.url, database, poolMax })));
      await opened.close();
      for (const url of [...databases, ...opened.databases]) await dropDatabase(server.url, url);
      // What one bench has left to be written is not the next one's to pay for.
      await runOn(server.url, 'checkpoint');
    }
    return { rows, postgres };
  } catch (error) {
    // Told before the server stops, of which all that is open complains.
    console.error(error);
    process.exit(1);
  } finally {
    await server.stop();
  }
};

/** Everything that is asked for; answers what is written to results/bench.json. */
export const measure = async (benches, { commit: only, ...context }) => {
  const began = Date.now();
  const skipped = whyNotSlow();
  const rows = [];
  let postgres;
  for (const commit of Object.keys(commits).filter((one) => only === undefined || one === only)) {
    const wanted = benches.filter((bench) => bench.commits.includes(commit));
    if (wanted.length === 0 || (commit === 'slow' && skipped !== undefined)) continue;
    const measured = await measureOn(commit, wanted, context);
    rows.push(...measured.rows);
    postgres = measured.postgres;
  }
  const packages = [...new Set(peers.flatMap((module) => module.packages))];
  const date = new Date(began).toISOString().slice(0, 10);
  const { rounds, ms } = context;
  return {
    date,
    machine: machine(),
    versions: {
      ...Object.fromEntries(packages.map((name) => [name, versionOf(name)])),
      ...{ PostgreSQL: postgres, pgbench: pgbench.pgbenchVersion() ?? 'none on this machine' },
    },
    notes: peers.flatMap(({ note }) => note ?? []),
    conditions: { ...sizesOf(context), poolMax, commits, ...(skipped && { noSlowCommits: skipped }) },
    benches: benches.map(({ name, title, about }) => ({ name, title, about, date, rounds, ms })),
    rows,
  };
};

const sizesOf = ({ rounds, ms, warmUpMs, isQuick, isLong }) => ({ rounds, ms, warmUpMs, isQuick, isLong });
