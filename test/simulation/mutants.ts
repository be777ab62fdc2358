/** Bugs, one at a time, as a text of the engine put in place of another; each must be caught by the simulation. */

export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

const fold = 'src/core/saga/saga-fold.ts';
const joint = 'src/core/saga/joint.ts';

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: 'held messages are released with their branch',
    file: fold,
    find: '  addPending(fold.pending, { ...branch, version: event.version, metadata });',
    replace: `  addPending(fold.pending, { ...branch, version: event.version, metadata });
  release(fold, branch.messages, event.version, metadata);`,
  },
  {
    name: 'a held message is released twice',
    file: fold,
    find: "if (fate.fate === 'release' && held !== undefined) release(fold, [held], event.version, from);",
    replace:
      "if (fate.fate === 'release' && held !== undefined) release(fold, [held, held], event.version, from);",
  },
  {
    name: 'a cancelled message leaves',
    file: fold,
    find: '    if (cancelled !== undefined) continue;',
    replace: '',
  },
  {
    name: 'the merge runs again on replay',
    file: fold,
    find: '  fold.state = state;\n',
    replace: `  fold.saga.merger?.merge({ current: fold.state, branches: [], completed: false, released: [] } as never);
  fold.state = state;
`,
  },
  {
    name: 'the same branch is merged twice',
    file: fold,
    find: '    dropPending(fold.pending, branches.get(id));',
    replace: '',
  },
  {
    name: 'a branch whose message is on the trunk is not void',
    file: fold,
    find: ' || fold.handled.has(branch.cause.messageId);',
    replace: ';',
  },
  {
    name: 'a late branch resurrects the saga without a word',
    file: fold,
    find: "  if (merged.late === 'reopen') {",
    replace: "  if (merged.late !== 'none') {",
  },
  {
    name: 'branches are merged in the order in which they arrived',
    file: 'src/core/saga/pending-branches.ts',
    find: '[...table.byId.values()].sort(byBaseThenId)',
    replace: '[...table.byId.values()]',
  },
  {
    name: 'a compensation hook runs again on replay',
    file: fold,
    find: '        fold.compensations.delete(applied.compensationId);',
    replace: '',
  },
  {
    name: 'a failed compensation is never parked',
    file: fold,
    find: '{ ...planned, attempt: attempt + 1, parked }',
    replace: '{ ...planned, attempt: attempt + 1, parked: parked && attempt > 9 }',
  },
  {
    name: 'a message that was handled before is not recognised',
    file: 'src/core/saga/saga-log.ts',
    find: 'fold.handled.has(messageId) || fold.pending.byMessage.has(messageId),',
    replace: 'fold.pending.byMessage.has(messageId),',
  },
  {
    name: 'a parked saga stays parked although its merger was mended',
    file: 'src/core/saga/saga-log.ts',
    find: 'fold.parked?.mergerVersion === saga.mergerVersion ? []',
    replace: 'fold.parked !== undefined ? []',
  },
  {
    name: 'a saga completes without a look at the branches that wait',
    file: 'src/core/saga/fast-forward.ts',
    find: '!(decision.completes && tail.some(({ type }) => type === recordTypes.mergeSagaState));',
    replace: 'true;',
  },
  {
    name: 'an append moves forward past an event that changes the state',
    file: 'src/core/saga/fast-forward.ts',
    find: '  if (neutralTypes.has(passed.type)) return true;',
    replace: '  if (neutralTypes.has(passed.type) || !passed.isMerged) return true;',
  },
  {
    name: 'a second message of a key leaves',
    file: 'src/core/saga/reacting.ts',
    find: '    if (isSent(key) || now.has(key))',
    replace: '    if (now.has(key))',
  },
  {
    name: 'a merger that says reopen before completion lets a key leave twice',
    file: 'src/core/saga/merge-fates.ts',
    find: "  const isReopened = conflict.completed && answer.late === 'reopen';",
    replace: "  const isReopened = answer.late === 'reopen';",
  },
  {
    name: 'the epoch is not raised when a saga is opened again',
    file: 'src/core/saga/resolving.ts',
    find: "late === 'reopen' ? view.epoch + 1 : view.epoch;",
    replace: 'view.epoch;',
  },
  {
    name: 'a merge completes a saga that has completed',
    file: 'src/core/saga/resolving.ts',
    find: 'reaction.complete === true && !info.completed,',
    replace: 'reaction.complete === true,',
  },
  {
    name: 'a part of a merge is followed up although branches still wait',
    file: 'src/core/saga/asking.ts',
    find: 'return E.right({ built: built.right, whole: undefined });',
    replace: 'return E.right({ built: built.right, whole: conflict });',
  },
  {
    name: 'a branch is taken to begin at the tip of the trunk',
    file: 'src/core/saga/conflict.ts',
    find: 'const { state } = log.stateAt(version) as',
    replace: 'const { state } = log.view() as',
  },
  {
    name: 'a merge is appended at the version of now',
    file: 'src/runtime/saga/resolve-conflict.ts',
    find: '  const { version, branchIds } = resolution;',
    replace:
      '  await shell.loader.loadNow(instance);\n  const { branchIds } = resolution;\n  const version = loaded.right.version();',
  },
  {
    name: 'the trunk is appended to with any where exactly is needed',
    file: 'src/runtime/saga/append-decision.ts',
    find: 'shell.loader.append(instance, exactly(version), events',
    replace: "shell.loader.append(instance, { _tag: 'any' }, events",
  },
  {
    name: 'an answer that was lost is taken for a failure, and the work is written again',
    file: 'src/runtime/saga/append-decision.ts',
    find: "    if (appended.left._tag !== 'VersionConflict') return appended;\n    const conflict",
    replace: `    if (appended.left._tag !== 'VersionConflict') {
      const anew = events.map((event) => ({ ...event, eventId: event.eventId.replace(/^./, (c) => (c === 'a' ? 'b' : 'a')) }));
      await shell.loader.append(instance, { _tag: 'any' }, anew);
      return appended;
    }
    const conflict`,
  },
  {
    name: 'a branch that could not be recorded is acknowledged',
    file: 'src/runtime/saga/handle-message.ts',
    find: '  if (E.isLeft(appended)) return appended;\n  return merged(work, record.right.eventId);',
    replace: '  return merged(work, record.right.eventId);',
  },
  {
    name: 'decisions that are joined in one append do not look at each other',
    file: joint,
    find: '[...passed, ...trunk.passed.values()]',
    replace: 'passed',
  },
  {
    name: 'a saga completes beside decisions that are joined with its completion',
    file: joint,
    find: '(!isLone || log.view().pending.length > 0)',
    replace: 'log.view().pending.length > 0',
  },
  {
    name: 'an append of many decisions is made at any version',
    file: 'src/runtime/saga/joint-append.ts',
    find: 'loader.append(instance, exactly(before), events, { tailMax })',
    replace: "loader.append(instance, { _tag: 'any' }, events, { tailMax })",
  },
  {
    name: 'an append of many decisions that failed is acknowledged',
    file: 'src/runtime/saga/joint-append.ts',
    find: 'if (!ownFaults.has(error._tag)) return E.left(error);',
    replace: "if (!ownFaults.has(error._tag)) return done({ _tag: 'Duplicate' });",
  },
  {
    name: 'a compensation is not recorded',
    file: 'src/runtime/saga/do-owed.ts',
    find: 'const appended = await shell.loader.append(instance, exactly(version), [record]);',
    replace:
      'const appended = record.type.length > 0 ? E.right(undefined as never) : await shell.loader.append(instance, exactly(version), [record]);',
  },
  {
    name: 'a merge that others were quicker at is left to nobody',
    file: 'src/runtime/saga/do-owed.ts',
    find: "if (resolved.right._tag !== 'Contended') return",
    replace: 'return',
  },
  {
    name: 'merges that a dead process left behind are not taken up',
    file: 'src/runtime/saga/owed-batch.ts',
    find: '    if (waiting.length === 0) return;',
    replace: '    if (waiting.length >= 0) return;',
  },
  {
    name: 'the id of a message is another for each delivery',
    file: 'src/runtime/saga/owed-dispatch.ts',
    find: 'deliver({ ...message, tenant',
    replace: 'deliver({ ...message, id: `${message.id} ${environment.random()}`, tenant',
  },
  {
    name: 'the checkpoint is saved before the work is done',
    file: 'src/runtime/saga/owed-subscription.ts',
    find: '    await work(batch);\n',
    replace: `    if (batch.checkpoint !== undefined) await store.checkpoints.save(subscriber, batch.checkpoint)();
    await work(batch);
`,
  },
  {
    name: 'a subscription skips the first event after it has caught up',
    file: 'src/store/subscription.ts',
    find: '    for (const event of page.events) {',
    replace: '    for (const event of page.events.slice(announced ? 1 : 0)) {',
  },
  {
    name: 'an append under a lease that was lost is written',
    file: 'src/adapters/memory/appending.ts',
    find: '      leases.judge(append.fence) ??\n',
    replace: '',
  },
  {
    name: 'a timeout is on its way to the queue when the checkpoint passes it',
    file: 'src/runtime/saga/owed-batch.ts',
    find: 'await patience.through(() => timeouts.take(changes, batch.checkpoint));',
    replace: 'patience.through(() => timeouts.take(changes, batch.checkpoint)).catch(() => undefined);',
  },
  {
    name: 'a timeout that a dead process kept is not found again',
    file: 'src/runtime/saga/owed-timeouts-kept.ts',
    find: '    if (!isFound) await findWaiting(shell, signal, keep);\n',
    replace: '',
  },
  {
    name: 'a timeout that a process keeps by itself is given out at once',
    file: 'src/runtime/saga/owed-timeouts-kept.ts',
    find: 'dueAt: timers.now() + entry.afterMs,',
    replace: 'dueAt: timers.now(),',
  },
  {
    name: 'a timeout is due when it is enqueued',
    file: 'src/adapters/memory/message-table.ts',
    find: 'readyAt: clockMs + message.delayMs,',
    replace: 'readyAt: clockMs,',
  },
  {
    name: 'a timeout is handled although it was cancelled',
    file: 'src/core/saga/saga-timeouts.ts',
    find: "fate === 'cancelled' || view.completed",
    replace: 'view.completed',
  },
  {
    name: 'a wish of a branch stands although the trunk has called it off',
    file: 'src/core/saga/saga-timeouts.ts',
    find: '    if ((word?.cancelledAt ?? 0) > base) return `the trunk has cancelled the key ${key} since`;\n',
    replace: '',
  },
  {
    name: 'a timeout of an epoch that is over is handled',
    file: 'src/core/saga/saga-timeouts.ts',
    find: ' || view.completed || epoch < view.epoch;',
    replace: ';',
  },
  {
    name: 'the queue is told done before the handler has answered',
    file: 'src/runtime/queue/partition-run.ts',
    find: '    const result = await runToAnswer(shared, runner, hands);\n',
    replace: `    for (const hand of hands) done({ hand, outcome: { _tag: 'Nothing' } });
    const result = await runToAnswer(shared, runner, hands);
`,
  },
  {
    name: 'the lease is left out of the append',
    file: 'src/runtime/saga/append-decision.ts',
    find: 'events, { tailMax, fence });',
    replace: 'events, { tailMax });',
  },
  {
    name: 'a message that waits for its next attempt does not hold its key',
    file: 'src/adapters/memory/queue.ts',
    find: `      .map((line) => line.messages[0] as StoredMessage)
      .filter(({ state, readyAt }) => state === 'waiting' && readyAt <= time)`,
    replace: `      .flatMap((line) => line.messages.find(({ state, readyAt }) => state === 'waiting' && readyAt <= time) ?? [])`,
  },
  {
    name: 'a partition is worked on after its lease was lost',
    file: 'src/runtime/queue/partition-owner.ts',
    find: "    } else if (renewed.left._tag === 'LeaseLost') one.work.drop();",
    replace: '    }',
  },
  {
    name: 'an attempt is not counted',
    file: 'src/adapters/memory/queue.ts',
    find: '    for (const head of heads) head.attempt += 1;\n',
    replace: '',
  },
  {
    name: 'a message that kills its process is handled again for ever',
    file: 'src/runtime/queue/partition-run.ts',
    find: 'attempt > context.retry.attemptsMax ? failed(hands, usedUp(attempt)) : handle(hands)',
    replace: 'attempt < 0 ? failed(hands, usedUp(attempt)) : handle(hands)',
  },
  {
    name: 'a poison message is tried for ever',
    file: 'src/runtime/queue/partition-hand.ts',
    find: 'const isLast = message.attempt >= retry.attemptsMax;',
    replace: 'const isLast = message.attempt > 99 * retry.attemptsMax;',
  },
  {
    name: 'a worker takes more of a key that it has in hand',
    file: 'src/runtime/queue/partition-work.ts',
    find: 'queue.take({ partition, maxCount, except, fence: fenceOf(shared.lease) })()',
    replace:
      'queue.take({ partition, maxCount, except: except.slice(0, 0), fence: fenceOf(shared.lease) })()',
  },
  {
    name: 'the queue takes a message again that has been handled',
    file: 'src/adapters/memory/message-table.ts',
    find: 'if (data.byId.has(idName)) return false;',
    replace: "if ((data.byId.get(idName)?.state ?? 'handled') !== 'handled') return false;",
  },
];
