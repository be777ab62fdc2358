/** Bugs, one at a time, as a text of the engine put in place of another; each must be caught by the simulation. */

export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

const fold = 'src/core/saga-fold.ts';

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: 'held messages are released with their branch',
    file: fold,
    find: '  fold.pending = [...fold.pending, { ...branch, version: event.version, metadata }].sort(byBaseThenId);',
    replace: `  fold.pending = [...fold.pending, { ...branch, version: event.version, metadata }].sort(byBaseThenId);
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
    find: '  fold.pending = fold.pending.filter(({ branchId }) => !fold.merged.has(branchId));',
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
    file: fold,
    find: 'version: event.version, metadata }].sort(byBaseThenId);',
    replace: 'version: event.version, metadata }];',
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
    file: 'src/core/saga-log.ts',
    find: 'fold.handled.has(messageId) || fold.pending.some(({ cause }) => cause.messageId === messageId),',
    replace: 'fold.pending.some(({ cause }) => cause.messageId === messageId),',
  },
  {
    name: 'a parked saga stays parked although its merger was mended',
    file: 'src/core/saga-log.ts',
    find: 'fold.parked?.mergerVersion === saga.mergerVersion ? []',
    replace: 'fold.parked !== undefined ? []',
  },
  {
    name: 'a saga completes without a look at the branches that wait',
    file: 'src/core/reacting.ts',
    find: '!(decision.completes && tail.some(({ type }) => type === recordTypes.mergeSagaState));',
    replace: 'true;',
  },
  {
    name: 'an append moves forward past an event that changes the state',
    file: 'src/core/reacting.ts',
    find: '  if (neutralTypes.has(event.type)) return true;',
    replace:
      '  if (neutralTypes.has(event.type) || headerOf(event.metadata)?.mergeId === undefined) return true;',
  },
  {
    name: 'a second message of a key leaves',
    file: 'src/core/reacting.ts',
    find: '    if (isSent(key) || now.has(key))',
    replace: '    if (now.has(key))',
  },
  {
    name: 'a merger that says reopen before completion lets a key leave twice',
    file: 'src/core/merge-fates.ts',
    find: "  const isReopened = conflict.completed && answer.late === 'reopen';",
    replace: "  const isReopened = answer.late === 'reopen';",
  },
  {
    name: 'the epoch is not raised when a saga is opened again',
    file: 'src/core/resolving.ts',
    find: "late === 'reopen' ? view.epoch + 1 : view.epoch;",
    replace: 'view.epoch;',
  },
  {
    name: 'a merge completes a saga that has completed',
    file: 'src/core/resolving.ts',
    find: 'reaction.complete === true && !info.completed,',
    replace: 'reaction.complete === true,',
  },
  {
    name: 'a branch is taken to begin at the tip of the trunk',
    file: 'src/core/conflict.ts',
    find: 'log.stateAt(pending.base) as',
    replace: 'log.view() as',
  },
  {
    name: 'a merge is appended at the version of now',
    file: 'src/runtime/resolve-conflict.ts',
    find: '  const { version } = resolution;',
    replace: '  await shell.loader.loadNow(instance);\n  const version = loaded.right.version();',
  },
  {
    name: 'the trunk is appended to with any where exactly is needed',
    file: 'src/runtime/handle-message.ts',
    find: 'shell.loader.append(instance, exactly(version), events',
    replace: 'shell.loader.append(instance, any, events',
  },
  {
    name: 'an answer that was lost is taken for a failure, and the work is written again',
    file: 'src/runtime/handle-message.ts',
    find: "    if (appended.left._tag !== 'VersionConflict') return appended;\n    const conflict",
    replace: `    if (appended.left._tag !== 'VersionConflict') {
      const anew = events.map((event) => ({ ...event, eventId: event.eventId.replace(/^./, (c) => (c === 'a' ? 'b' : 'a')) }));
      await shell.loader.append(instance, any, anew);
      return appended;
    }
    const conflict`,
  },
  {
    name: 'a branch that could not be recorded is acknowledged',
    file: 'src/runtime/handle-message.ts',
    find: '  if (E.isLeft(appended)) return appended;\n  const branchId = record.right.eventId;',
    replace: '  const branchId = record.right.eventId;',
  },
  {
    name: 'a compensation is not recorded',
    file: 'src/runtime/do-owed.ts',
    find: 'const appended = await shell.loader.append(instance, exactly(version), [record]);',
    replace:
      'const appended = record.type.length > 0 ? E.right(undefined as never) : await shell.loader.append(instance, exactly(version), [record]);',
  },
  {
    name: 'a merge that others were quicker at is left to nobody',
    file: 'src/runtime/do-owed.ts',
    find: "if (resolved.right._tag !== 'Contended') return",
    replace: 'return',
  },
  {
    name: 'merges that a dead process left behind are not taken up',
    file: 'src/runtime/owed-batch.ts',
    find: '    if (waiting.length === 0) return;',
    replace: '    if (waiting.length >= 0) return;',
  },
  {
    name: 'the id of a message is another for each delivery',
    file: 'src/runtime/owed-dispatch.ts',
    find: 'deliver({ ...message, tenant',
    replace: 'deliver({ ...message, id: `${message.id} ${environment.random()}`, tenant',
  },
  {
    name: 'the checkpoint is saved before the work is done',
    file: 'src/runtime/owed-subscription.ts',
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
    file: 'src/adapters/memory/index.ts',
    find: '(leases.judge(append.fence) ?? judged)',
    replace: 'judged',
  },
];
