// Load, decide, append: a command to an aggregate, through each library's own way to handle one.
import { drive, measureCase } from '../lib/harness.mjs';
import { newStream } from '../lib/events.mjs';

export const name = 'decide';
export const title = 'Load, decide, append';
export const about =
  'A command reads its stream, folds it, decides and appends one event at the version it read. Each writer has an aggregate of its own, and begins another after 20 commands. Each library as it is by default, without snapshots: ours keeps the folds of the aggregates used last, and the store refuses what was decided on an old one; beside it the same with nothing kept, so that each command reads its whole stream. Commands per second.';
export const commits = ['disk', 'slow'];

const peers = ['watersmeet', 'Emmett', 'Castore', 'Act', 'message-db', 'plain pg'];
const commandsPerStream = 20;

const subjectOf = ({ name: label, decide }, writers, ms) => ({
  name: label,
  run: async () => {
    const streams = Array.from({ length: writers }, newStream);
    const { perSecond, p50Ms, p99Ms } = await drive({ writers, ms }, async (writer, turn) => {
      if (turn % commandsPerStream === commandsPerStream - 1) streams[writer] = newStream();
      await decide(streams[writer]);
    });
    return { value: perSecond, p50Ms, p99Ms };
  },
});

export const run = async ({ commit, rounds, ms, warmUpMs, say, peer }) => {
  const rows = [];
  const opened = [];
  for (const each of peers) opened.push(await peer(each));
  const [own] = opened;
  opened.splice(1, 0, { name: 'watersmeet, nothing kept', decide: own.decideAfresh });
  for (const writers of [1, 32])
    rows.push(
      ...(await measureCase({
        ...{
          bench: name,
          commit,
          name: `${writers} ${writers === 1 ? 'writer' : 'writers'}`,
          unit: 'commands/s',
        },
        ...{ subjects: opened.map((each) => subjectOf(each, writers, ms)), rounds, warmUpMs, say },
      })),
    );
  return rows;
};
