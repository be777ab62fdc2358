// Folding one very long stream out of PostgreSQL, and commands with and without snapshots.
import { handleCommand, loadAggregate, toPromise } from 'watersmeet';
import { longStream } from '../lib/copy-rows.mjs';
import { addTo, dataOf, initialTotal } from '../lib/events.mjs';
import { drive, measureCase } from '../lib/harness.mjs';
import { nameOf, orders } from '../peers/watersmeet.mjs';

export const name = 'fold';
export const title = 'Folding a long stream, and snapshots';
export const about =
  'One stream is folded from its first event, in pages: as an aggregate with every event decoded by its codec, as events only, and with plain pg as rows whose JSON is parsed. Events per second, and the most memory of the heap meanwhile. Then a command on a stream of 10,000 events, with and without snapshots.';
export const commits = ['disk'];

const page = 4_096;
const select = `select version, data from plain_events where stream = $1 and version > $2 order by version limit ${page}`;

/** How large the heap was at most, in MB, looked at every 20 ms. */
const withPeak = async (work) => {
  let peak = 0;
  const look = () => (peak = Math.max(peak, process.memoryUsage().heapUsed));
  const timer = setInterval(look, 20);
  try {
    return { answer: await work(), peakMb: Math.round(peak / 2 ** 20) };
  } finally {
    clearInterval(timer);
  }
};

const foldSubject = (label, length, fold) => ({
  name: label,
  run: async () => {
    const from = performance.now();
    const { answer, peakMb } = await withPeak(fold);
    if (answer !== length) throw new Error(`${label} folded ${answer} events of ${length}`);
    return { value: (length / (performance.now() - from)) * 1_000, peakMb };
  },
});

const plainFold = async (plain, stream) => {
  let state = initialTotal();
  for (let after = 0; ; ) {
    const rows = await plain.select('fold-page', select, [stream, after]);
    for (const { data } of rows) state = addTo(state, data);
    if (rows.length < page) return state.orders;
    after = rows.at(-1).version;
  }
};

const commandSubject = (label, handle, stream, ms) => ({
  name: label,
  run: async () => {
    const command = { type: 'PlaceOrder', data: dataOf(1) };
    const { p50Ms, p99Ms } = await drive({ writers: 1, ms }, () =>
      toPromise(handle({ id: stream, command })),
    );
    return { value: p50Ms, p50Ms, p99Ms };
  },
});

const withSnapshots = { ...orders, snapshot: { everyEvents: 100, codecVersion: 'orders-1' } };

export const run = async ({ commit, rounds, ms, say, peer, isQuick }) => {
  const ours = await peer('watersmeet');
  const plain = await peer('plain pg');
  const length = isQuick ? 10_000 : 1_000_000;
  const [stream, plainStream] = [await longStream(ours, length), await longStream(plain, length)];
  const load = loadAggregate({ store: ours.store });
  const subjects = [
    foldSubject(
      'watersmeet, aggregate',
      length,
      async () => (await toPromise(load(orders, stream))).state.orders,
    ),
    foldSubject('watersmeet, events', length, () => ours.read(stream)),
    foldSubject('plain pg', length, () => plainFold(plain, plainStream)),
  ];
  const what = { bench: name, commit, name: `fold ${length.toLocaleString('en')} events`, unit: 'events/s' };
  const rows = await measureCase({ ...what, subjects, rounds: Math.min(3, rounds), warmUp: false, say });

  const { store } = ours;
  const [bare, kept] = [await longStream(ours, 10_000), await longStream(ours, 10_000)];
  const snapshots = { store, snapshots: store.snapshots };
  const commands = [
    commandSubject('with snapshots', (request) => handleCommand(snapshots)(withSnapshots, request), kept, ms),
    commandSubject('without', (request) => handleCommand({ store })(orders, request), bare, ms),
  ];
  const how = { bench: name, commit, name: 'a command on 10,000 events', unit: 'ms', lessIsBetter: true };
  rows.push(...(await measureCase({ ...how, subjects: commands, rounds, say })));
  const { version } = await toPromise(store.readStream({ streamName: nameOf(kept), from: 10_000 }));
  say(`the stream with snapshots is at version ${version}`);
  return rows;
};
