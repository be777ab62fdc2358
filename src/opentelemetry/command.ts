/** The handling of an aggregate's commands, observed. */
import { SpanKind } from '@opentelemetry/api';
import * as E from 'fp-ts/lib/Either.js';
import type { Definitions } from '../core/codec.js';
import type { AggregateContext, AggregateHooks } from '../runtime/aggregate/aggregate-context.js';
import { handleCommand } from '../runtime/aggregate/handle-command.js';
import { mergeHooks } from '../runtime/saga/merge-hooks.js';
import { processDurationOf } from './handler.js';
import { telemetryHooks } from './hooks.js';
import { attribute, messagingSystem } from './names.js';
import { observed } from './store.js';
import { observe, telemetryOf, type TelemetryOptions } from './telemetry.js';

/**
 * `handleCommand`, with everything it does told: a span `handle <category>`, beneath it those of the store, and the counts of
 * `telemetryHooks`. Hooks of the context are called after those.
 *
 * ```ts
 * const handle = observedCommands({ store });
 * await handle(account, { id: '42', command: { type: 'Deposit', data: { amount: 5 } } })();
 * ```
 */
export const observedCommands = (
  context: AggregateContext,
  options: TelemetryOptions = {},
): ReturnType<typeof handleCommand> => {
  const telemetry = telemetryOf(options);
  const duration = processDurationOf(telemetry);
  const hooks = mergeHooks<AggregateHooks>(telemetryHooks(options), context.hooks);
  const handle = handleCommand({ ...context, store: observed(context.store, options), hooks });
  return (rules, request) => () => {
    const commands: Definitions = rules.commands;
    const type = Object.hasOwn(commands, request.command.type) ? request.command.type : '_OTHER';
    const correlationId = request.metadata?.correlationId ?? request.commandId;
    const operation = {
      name: `handle ${rules.category}`,
      kind: SpanKind.INTERNAL,
      duration,
      attributes: {
        [attribute.messagingSystem]: messagingSystem,
        [attribute.messagingOperation]: 'handle',
        [attribute.messagingOperationType]: 'process',
        [attribute.messagingDestination]: rules.category,
        [attribute.messageType]: type,
      },
      details: correlationId === undefined ? {} : { [attribute.messagingConversation]: correlationId },
    };
    return observe(
      telemetry,
      operation,
      () => handle(rules, request)(),
      (result, span) => {
        if (E.isRight(result)) span.setAttribute(attribute.attempts, result.right.attempts);
      },
    );
  };
};
