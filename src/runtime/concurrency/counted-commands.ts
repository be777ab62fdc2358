/** The handling of an aggregate's commands, counted. */
import * as E from 'fp-ts/lib/Either.js';
import { realTimers, type Timers } from '../../store/timers.js';
import type { AggregateContext, AggregateHooks } from '../aggregate/aggregate-context.js';
import type { ConcurrencyStats } from './concurrency-stats.js';
import { handleCommand } from '../aggregate/handle-command.js';
import { mergeHooks } from '../saga/merge-hooks.js';

/** The store, with the time that its appends take added to `spent`. */
const timed = (context: AggregateContext, now: Timers['now'], spent: (ms: number) => void) => ({
  ...context.store,
  append: (request: Parameters<AggregateContext['store']['append']>[0]) => async () => {
    const began = now();
    try {
      return await context.store.append(request)();
    } finally {
      spent(now() - began);
    }
  },
});

/**
 * `handleCommand`, with each command counted as a save under the strategy `retry`, whatever it comes to.
 *
 * ```ts
 * const stats = concurrencyStats();
 * const handle = countedCommands({ store }, stats);
 * await handle(account, { id: '42', command: { type: 'Deposit', data: { amount: 5 } } })();
 * ```
 */
export const countedCommands =
  (context: AggregateContext, stats: Pick<ConcurrencyStats, 'observe'>): ReturnType<typeof handleCommand> =>
  (rules, request) =>
  async () => {
    const { now } = context.environment?.timers ?? realTimers;
    let conflicts = 0;
    let appendMs = 0;
    const store = timed(context, now, (ms) => {
      appendMs += ms;
    });
    const hooks = mergeHooks<AggregateHooks>({ onConflict: () => void (conflicts += 1) }, context.hooks);
    const result = await handleCommand({ ...context, store, hooks })(rules, request)();
    const failure = E.isLeft(result) ? result.left._tag : undefined;
    stats.observe({
      aggregateType: rules.category,
      key: `${rules.category}-${request.id}`,
      strategy: 'retry',
      // The last refusal had no attempt after it where the command failed with it.
      attempts: Math.max(1, failure === 'ConcurrencyConflict' ? conflicts : conflicts + 1),
      ...{ conflicts, appendMs },
      ...(failure !== undefined && { failure }),
    });
    return result;
  };
