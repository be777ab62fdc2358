// pgbench, where this machine has it: the same single-row insert as plain `pg`, driven by a program in C.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withClient } from '../lib/copy-rows.mjs';
import { dataOf, eventType, metadataOf } from '../lib/events.mjs';
import { schema } from './pg.mjs';

export const name = 'pgbench';
export const packages = [];

export const pgbenchVersion = () => {
  const { status, stdout } = spawnSync('pgbench', ['--version'], { encoding: 'utf8' });
  return status === 0 ? /\(PostgreSQL\) ([\w.]+)/.exec(stdout)?.[1] : undefined;
};

// Each client writes a stream of its own, one version after another.
const script = (data) => `\\set n :n + 1
insert into plain_events (stream, version, event_id, type, data, metadata)
values ('pgbench-' || :run || '-' || :client_id, :n::integer, gen_random_uuid(), '${eventType}', '${data}', '${JSON.stringify(metadataOf())}');
`;

const run = (args) =>
  new Promise((resolve, reject) => {
    const child = spawn('pgbench', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`pgbench failed: ${text}`))));
  });

export const open = async (url) => {
  await withClient(url, (client) => client.query(schema));
  const folder = mkdtempSync(join(tmpdir(), 'watersmeet-pgbench-'));
  const file = join(folder, 'insert.sql');
  writeFileSync(file, script(JSON.stringify(dataOf(1)).replaceAll(':', ': ')));
  const { hostname, port, pathname, username } = new URL(url);
  let runs = 0;
  return {
    /** Rows a second; pgbench counts in whole seconds. */
    rate: async ({ writers, ms }) => {
      runs += 1;
      const seconds = Math.max(1, Math.round(ms / 1_000));
      const text = await run([
        ...[
          '-n',
          '-M',
          'prepared',
          '-f',
          file,
          '-c',
          `${writers}`,
          '-j',
          `${Math.min(2, writers)}`,
          '-T',
          `${seconds}`,
        ],
        ...[
          '-D',
          `run='${runs}'`,
          '-D',
          'n=0',
          '-h',
          hostname,
          '-p',
          port,
          '-U',
          username,
          pathname.slice(1),
        ],
      ]);
      const found = /tps = ([\d.]+) \(without/.exec(text);
      if (found === null) throw new Error(`pgbench told no rate: ${text}`);
      return Number(found[1]);
    },
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
};
