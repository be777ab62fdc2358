// Where the time goes and what would be needed, for goals that are missed. Shown beside a goal only while it is.
export const remarks = [
  {
    bench: 'contention',
    case: '32 writers, 0 ms handlers',
    text: 'With nothing to do in the handler, merging has no work of others to overlap with. The in-process queue pays one statement a message and nothing else: it keeps the state in memory, remembers no message, and is right only while no other process writes. The faster a commit, the less there is to share.',
  },
  {
    bench: 'contention',
    case: '64 writers, 5 ms handlers',
    text: 'Locks and queue let one handler work at a time, so that 5 ms bound them to 200 messages a second on any disk. Merging is bound by what the branches and merges of 64 writers cost this machine’s cores.',
  },
];
