// Appending events to distinct streams: one at a time, and in batches.
import { drive, measureCase } from '../lib/harness.mjs';
import { newStream, someData } from '../lib/events.mjs';

export const name = 'append';
export const title = 'Appending to distinct streams';
export const about =
  'Each writer appends to a stream of its own at the version it knows, and begins another stream after 20 appends. Events per second.';
export const commits = ['disk', 'slow'];

const peers = ['watersmeet', 'Emmett', 'Castore', 'Act', 'message-db', 'plain pg'];
const cases = [
  { writers: 1, batch: 1 },
  { writers: 8, batch: 1 },
  { writers: 32, batch: 1 },
  { writers: 8, batch: 10 },
  { writers: 8, batch: 100 },
];
const appendsPerStream = 20;

export const caseName = ({ writers, batch }) =>
  `${batch === 1 ? 'single events' : `batches of ${batch}`}, ${writers} ${writers === 1 ? 'writer' : 'writers'}`;

const subjectOf = (peer, { writers, batch }, ms) => ({
  name: peer.name,
  run: async () => {
    const places = Array.from({ length: writers }, () => ({ stream: newStream(), version: 0, appends: 0 }));
    const data = someData(batch);
    const { perSecond, p50Ms, p99Ms } = await drive({ writers, ms }, async (writer) => {
      const place = places[writer];
      await peer.append(place.stream, place.version, data);
      place.version += batch;
      place.appends += 1;
      if (place.appends === appendsPerStream)
        places[writer] = { stream: newStream(), version: 0, appends: 0 };
    });
    return { value: perSecond * batch, p50Ms, p99Ms };
  },
});

const pgbenchSubject = (pgbench, { writers }, ms) => ({
  name: pgbench.name,
  run: async () => ({ value: await pgbench.rate({ writers, ms }) }),
});

export const run = async ({ commit, rounds, ms, warmUpMs, say, peer, pgbench }) => {
  const rows = [];
  const opened = [];
  for (const each of peers) opened.push(await peer(each));
  for (const one of cases) {
    const subjects = opened.map((each) => subjectOf(each, one, ms));
    if (one.batch === 1 && pgbench !== undefined) subjects.push(pgbenchSubject(await pgbench(), one, ms));
    rows.push(
      ...(await measureCase({
        ...{ bench: name, commit, name: caseName(one), unit: 'events/s' },
        ...{ subjects, rounds, warmUpMs, say },
      })),
    );
  }
  return rows;
};
