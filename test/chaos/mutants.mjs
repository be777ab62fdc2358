// Bugs that the chaos tests must find: `npm run chaos -- --only <by> --mutant <name>`. Each is one text of a source in place of another.
export const mutants = [
  {
    name: 'checkpoint-first',
    by: 'kill',
    what: 'a follower saves its checkpoint while messages before it are still on their way',
    file: 'src/runtime/saga/owed-batch.ts',
    find: 'return unfinished.reduce(earlier, seen);',
    replace: 'return seen;',
  },
  {
    name: 'done-first',
    by: 'kill',
    what: 'a queue worker says that a message is handled before it is',
    file: 'src/runtime/queue/partition-run.ts',
    find: 'const result = await runToAnswer(shared, runner, hands);',
    replace: `await shared.queue.done(hands.map(({ message }) => message), fenceOf(shared))();
    const result = await runToAnswer(shared, runner, hands);`,
  },
  {
    name: 'believes-lost-answers',
    by: 'cut',
    what: 'an append whose answer was lost is taken for written',
    file: 'src/adapters/postgres/append.ts',
    find: 'return resolveOutcome(context, requests, fault.message);',
    replace: `return E.right(requests.map((request) => resultOf(request, {
      outcome: 'appended',
      version: expectedAfter(request.expected) + request.events.length,
      transaction_id: '0',
      position: '0',
    } as never)));`,
  },
  {
    name: 'unfenced',
    by: 'stop',
    what: 'appends are not fenced with the lease they are made under',
    file: 'src/adapters/postgres/append-words.ts',
    find: '...(under.fence !== undefined && { fence: under.fence }),',
    replace: '',
  },
  {
    name: 'deaths-uncounted',
    by: 'poison',
    what: 'an attempt is counted when it has failed, so that one which ends its process is not',
    file: 'src/adapters/postgres/sql.generated.ts',
    find: 'update messages m set attempt = m.attempt + 1',
    replace: 'update messages m set attempt = m.attempt_noted + 1',
  },
  {
    name: 'loses-its-place',
    by: 'poison',
    what: 'a message that failed goes to the end of its key, and those behind it go on',
    file: 'src/adapters/postgres/sql.generated.ts',
    find: 'attempt_noted = m.attempt,',
    replace: 'attempt_noted = m.attempt, position = default,',
  },
];
