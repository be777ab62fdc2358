// Where the time goes and what would be needed, for goals that are missed. Shown beside a goal only while it is.
export const remarks = [
  {
    bench: 'append',
    case: 'single events, 32 writers',
    text: 'pgbench writes a row by a program in C that does nothing else; here the writers’ program and the server share two cores and are both busy: 0.07 ms of the program and 0.09 ms of the server for one append. Half of the server’s share is what a row and three index entries cost, a quarter the stream’s row, under whose lock versions, repeats and closed streams are judged. What would be needed: cores for both, or no row for the stream.',
  },
  {
    bench: 'append',
    case: 'single events, 1 writer',
    text: 'The plain insert itself does not reach four times Emmett here: a round trip that commits takes half a millisecond, most of it waiting and waking up. To it come 0.07 ms on the server, for the stream’s row and the index on event ids, and 0.13 ms in the program, for the checks that an event will be read back equal and for an answer that has to be taken apart, in code that is cold each time it wakes. What would be needed: no row for the stream, and less code between the caller and the driver.',
  },
  {
    bench: 'append',
    case: 'batches of 10, 8 writers',
    text: 'The plain insert itself does not reach 3.5 times Emmett here. Eight batches share two statements, which cost the server what plain inserts cost; the program takes 0.3 ms for a batch where a plain one takes 0.2: ids that grow with time, and a check of each event. What would be needed: the check left to the server.',
  },
  {
    bench: 'append',
    case: 'batches of 100, 8 writers',
    text: 'The plain insert itself does not reach 3.5 times Emmett here. The third index (on event ids, without which a repeat could not be recognised) costs the server a quarter more, the check and the id of each event the program as much as everything else together.',
  },
  {
    bench: 'decide',
    case: '32 writers',
    text: 'One shared statement a command where the fold is kept; every twentieth command begins a new stream and reads it. What is left is the append itself, so that this goal moves with that of single events.',
  },
  {
    bench: 'read',
    case: 'a stream of 1,000',
    text: 'Rows by plain pg are 1.3 times Emmett. Of 10 µs for an event the server takes 5 to make its eleven columns text, JSON.parse 2 for data and metadata, the driver most of the rest. What would be needed: a driver that takes rows apart for nothing, or payloads that are parsed when somebody looks at them.',
  },
  {
    bench: 'contention',
    case: '32 writers, 0 ms handlers',
    text: 'With nothing to do in the handler, merging has no work of others to overlap with. The in-process queue pays one statement a message and nothing else: it keeps the state in memory, remembers no message, and is right only while no other process writes. Merging writes the branch, the merge and what follows from both, 2 records for a message, and takes 0.2 ms of the program for it: 512 messages are 32 appends of 3 ms each, and as long again in the program. The faster a commit, the less there is to share. What would be needed: a program that needs a quarter of the time. Merging in the same append as the branches would save a commit, a tenth; computing the merge while they are on their way gains nothing on two cores that the server uses too (tried).',
  },
  {
    bench: 'contention',
    case: '64 writers, 5 ms handlers',
    text: 'Locks and queue let one handler work at a time, so that 5 ms bound them to 200 messages a second on any disk. A wave of 64 messages takes 25 to 30 ms by merging: 5 in the handlers, 9 in two appends, the rest in the program. What would be needed: a core for the program alone, or two for the server: then the merge could be computed while the branches are on their way.',
  },
  {
    bench: 'growth',
    case: 'append one event, 1 writer, median',
    text: 'A store of 10,000,000 events has 9 GB, the server as it is by default 128 MB for pages: the place of a new stream’s name is a page that has to be fetched from the operating system. With 8 writers nothing of it is left. What would be needed: more memory for the server.',
  },
  {
    bench: 'growth',
    case: 'load a stream of 10 events, 1 writer, median',
    text: 'Each load takes another stream out of 1,000,000, so that its pages are in the operating system’s memory and not in the 128 MB of the server: four to six fetches, 0.15 ms. With 8 writers nothing of it is left. What would be needed: more memory for the server, whose default nobody keeps for a store of 9 GB.',
  },
];
