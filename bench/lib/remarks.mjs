// Where the time goes and what would be needed, for goals that are missed. Shown beside a goal only while it is.
export const remarks = [
  {
    bench: 'append',
    case: 'single events, 32 writers',
    text: 'pgbench writes a row by a program in C that does nothing else; here the program of the writers and the server share the same cores, and each append also moves its stream’s row, under whose lock versions, repeats and closed streams are judged. Sharing statements wins back most of that; a machine with cores for both would show more of it.',
  },
  {
    bench: 'append',
    case: 'single events, 1 writer',
    text: 'One statement and one commit, as the plain insert; what it costs more is the stream’s row beside the event, and an index on event ids, without which a repeat could not be recognised.',
  },
  {
    bench: 'append',
    case: 'batches of 10, 8 writers',
    text: 'Three indexes and the stream’s row against two indexes, and a check of each event that it will be read back equal. Without the index on ids, and with the check left to the server, it would be even.',
  },
  {
    bench: 'append',
    case: 'batches of 100, 8 writers',
    text: 'As with batches of 10; the stream’s row no longer counts, the third index and the check of each event do.',
  },
  {
    bench: 'decide',
    case: '32 writers',
    text: 'One shared statement a command where the fold is kept; every twentieth command begins a new stream and reads it. What is left is the append itself, so that this goal moves with that of single events.',
  },
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
