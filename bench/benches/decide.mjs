// Load, decide, append: a command to an aggregate, through each library's own way to handle one.
import { drive, measureCase } from '../lib/harness.mjs';
import { newStream } from '../lib/events.mjs';

export const name = 'decide';
export const title = 'Load, decide, append';
export const about =
  'A command reads its stream, folds it, decides and appends one event at the version it read. Each writer has an aggregate of its own, and begins another after 20 commands. No cache, no snapshot. Commands per second.';
export const commits = ['disk', 'slow'];

const peers = ['watersmeet', 'Emmett', 'Castore', 'Act', 'message-db', 'plain pg'];
const commandsPerStream = 20;

const subjectOf = (peer, writers, ms) => ({
  name: peer.name,
  run: async () => {
    const streams = Array.from({ length: writers }, newStream);
    const { perSecond, p50Ms, p99Ms } = await drive({ writers, ms }, async (writer, turn) => {
      if (turn % commandsPerStream === commandsPerStream - 1) streams[writer] = newStream();
      await peer.decide(streams[writer]);
    });
    return { value: perSecond, p50Ms, p99Ms };
  },
});

export const run = async ({ commit, rounds, ms, say, peer }) => {
  const rows = [];
  const opened = [];
  for (const each of peers) opened.push(await peer(each));
  for (const writers of [1, 32])
    rows.push(
      ...(await measureCase({
        ...{
          bench: name,
          commit,
          name: `${writers} ${writers === 1 ? 'writer' : 'writers'}`,
          unit: 'commands/s',
        },
        ...{ subjects: opened.map((each) => subjectOf(each, writers, ms)), rounds, say },
      })),
    );
  return rows;
};
