// Reading whole streams, short and long.
import { longStream } from '../lib/copy-rows.mjs';
import { drive, measureCase } from '../lib/harness.mjs';

export const name = 'read';
export const title = 'Reading a stream';
export const about =
  'One reader reads whole streams, again and again, through each library’s own call, ours in pages of 4,096; plain pg selects the rows, with their JSON parsed. Events per second.';
export const commits = ['disk'];

const peers = ['watersmeet', 'Emmett', 'Castore', 'Act', 'message-db', 'plain pg'];

export const run = async ({ commit, rounds, ms, warmUpMs, say, peer, isQuick }) => {
  const rows = [];
  const opened = [];
  for (const each of peers) opened.push(await peer(each));
  for (const length of [10, 1_000, isQuick ? 10_000 : 100_000]) {
    const subjects = [];
    for (const each of opened) {
      const stream = await longStream(each, length);
      const run = async () => {
        const { perSecond, p50Ms, p99Ms } = await drive({ writers: 1, ms }, () => each.read(stream));
        return { value: perSecond * length, p50Ms, p99Ms };
      };
      subjects.push({ name: each.name, run });
    }
    const what = {
      bench: name,
      commit,
      name: `a stream of ${length.toLocaleString('en')}`,
      unit: 'events/s',
    };
    rows.push(...(await measureCase({ ...what, subjects, rounds, warmUpMs, say })));
  }
  return rows;
};
