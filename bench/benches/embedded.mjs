// Without a server: PGlite inside the process, and the store in memory as the ceiling.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore, toPromise } from 'watersmeet';
import { openPGlite } from 'watersmeet/pglite';
import { newStream, someData } from '../lib/events.mjs';
import { drive, measureCase } from '../lib/harness.mjs';
import { over } from '../peers/watersmeet.mjs';

export const name = 'embedded';
export const title = 'Embedded: PGlite, and memory';
export const about =
  'Starting a store on a new directory (from the template that the first start leaves behind) and on one that is there; appends, single and in batches, and reads of a stream of 1,000.';
export const commits = ['disk'];

const cases = [
  { writers: 1, batch: 1 },
  { writers: 32, batch: 1 },
  { writers: 1, batch: 10 },
  { writers: 1, batch: 100 },
];

const startSubject = (label, directoryOf) => ({
  name: label,
  run: async ({ round }) => {
    const directory = directoryOf(round);
    const from = performance.now();
    const store = await toPromise(openPGlite({ directory }));
    const value = performance.now() - from;
    await store.close();
    return { value };
  },
});

const appendSubject = (label, peer, { writers, batch }, ms) => ({
  name: label,
  run: async () => {
    const places = Array.from({ length: writers }, () => ({ stream: newStream(), version: 0 }));
    const data = someData(batch);
    const { perSecond, p50Ms, p99Ms } = await drive({ writers, ms }, async (writer) => {
      const { stream, version } = places[writer];
      await peer.append(stream, version, data);
      places[writer] =
        version >= 19 * batch ? { stream: newStream(), version: 0 } : { stream, version: version + batch };
    });
    return { value: perSecond * batch, p50Ms, p99Ms };
  },
});

const readSubject = async (label, peer, ms) => {
  const stream = newStream();
  await peer.append(stream, 0, someData(1_000));
  const run = async () => {
    const { perSecond } = await drive({ writers: 1, ms }, () => peer.read(stream));
    return { value: perSecond * 1_000 };
  };
  return { name: label, run };
};

export const run = async ({ commit, rounds, ms, warmUpMs, say }) => {
  const folder = mkdtempSync(join(tmpdir(), 'watersmeet-bench-'));
  const at = (part) => join(folder, part);
  const what = { bench: name, commit, say };
  const work = { ...what, unit: 'events/s', rounds, warmUpMs };
  const start = {
    ...what,
    name: 'start of PGlite',
    unit: 'ms',
    lessIsBetter: true,
    rounds: Math.min(3, rounds),
  };
  try {
    const rows = await measureCase({
      ...start,
      subjects: [
        startSubject('a new directory', (round) => at(`new${round}`)),
        startSubject('a directory that is there', () => at('new-1')),
      ],
    });
    const pglite = over(await toPromise(openPGlite({ directory: at('measured') })));
    const memory = over(memoryStore());
    for (const one of cases) {
      const { writers, batch } = one;
      const label = `${batch === 1 ? 'single events' : `batches of ${batch}`}, ${writers} ${writers === 1 ? 'writer' : 'writers'}`;
      const subjects = [appendSubject('PGlite', pglite, one, ms), appendSubject('memory', memory, one, ms)];
      rows.push(...(await measureCase({ ...work, name: label, subjects })));
    }
    const readers = [await readSubject('PGlite', pglite, ms), await readSubject('memory', memory, ms)];
    rows.push(...(await measureCase({ ...work, name: 'read a stream of 1,000', subjects: readers })));
    await pglite.close();
    await memory.close();
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
