/** A saga at work, observed: spans for handling, merging, compensating and dispatching, on a store that is observed too. */
import { SpanKind } from '@opentelemetry/api';
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Tagged } from '../core/fault.js';
import type { AnyEvent } from '../core/merge/merge.js';
import type { CompensationHook, Saga } from '../core/saga/saga.js';
import { mergeHooks } from '../runtime/saga/merge-hooks.js';
import type { FollowOptions } from '../runtime/saga/owed-subscription.js';
import type { Handled, SagaContext, SagaHooks } from '../runtime/saga/saga-context.js';
import { sagaRuntime, type SagaRuntime } from '../runtime/saga/saga-runtime.js';
import { deliverWith } from '../runtime/saga/saga-transport.js';
import { messageOperation, placedIn, processDurationOf } from './handler.js';
import { telemetryHooks } from './hooks.js';
import { attribute, messagingSystem, metric } from './names.js';
import { messagingDurationOf, sentCounter } from './queue.js';
import { observed } from './store.js';
import {
  errorTypeOf,
  observe,
  secondsOf,
  type Telemetry,
  telemetryOf,
  type TelemetryOptions,
} from './telemetry.js';

/** The saga with spans around its merger and its hooks; both do what they did. */
const observedRules = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  telemetry: Telemetry,
  saga: Saga<S, Ev, M, Out>,
): Saga<S, Ev, M, Out> => {
  const attributes = { [attribute.saga]: saga.name };
  const mergeDuration = secondsOf(telemetry, metric.mergeDuration, 'Duration of a merger’s calculation.');
  const hookDuration = secondsOf(telemetry, metric.compensationDuration, 'Duration of a compensation hook.');
  const { merger } = saga;
  const hooks = Object.entries(saga.hooks).map(([hook, run]): [string, CompensationHook<Out>] => [
    hook,
    (data, info) =>
      observe(
        telemetry,
        {
          name: `compensate ${saga.name}`,
          kind: SpanKind.INTERNAL,
          attributes: { ...attributes, [attribute.hook]: hook },
          details: { [attribute.attempt]: info.attempt },
          duration: hookDuration,
        },
        () => run(data, info),
      ),
  ]);
  return {
    ...saga,
    hooks: Object.fromEntries(hooks),
    merger: merger && {
      ...merger,
      merge: (conflict) => {
        const startedMs = performance.now();
        // Not made active: a merge that takes too long is broken off in the middle, and would leave its span behind.
        const details = { ...attributes, [attribute.branches]: conflict.branches.length };
        const span = telemetry.tracer.startSpan(`merge ${saga.name}`, { attributes: details });
        let error: string | undefined;
        try {
          const answer = merger.merge(conflict);
          if (E.isLeft(answer)) error = answer.left._tag;
          return answer;
        } catch (thrown) {
          error = errorTypeOf(thrown);
          throw thrown;
        } finally {
          const ended = error === undefined ? {} : { [attribute.errorType]: error };
          span.setAttributes(ended);
          span.end();
          mergeDuration.record((performance.now() - startedMs) / 1_000, { ...attributes, ...ended });
        }
      },
    },
  };
};

/** A message's dispatch gets a span of its own, linked to the handling that decided it. */
const observedFollow = (telemetry: Telemetry, saga: Saga, options: FollowOptions): FollowOptions => {
  const { dispatch } = options;
  if (dispatch === undefined) return options;
  const duration = messagingDurationOf(telemetry);
  const sent = sentCounter(telemetry);
  const place = placedIn(telemetry);
  const deliver = deliverWith(dispatch);
  return {
    ...options,
    dispatch: {
      deliver: async (message, ...rest) => {
        const operation = messageOperation('dispatch', saga.name, message, duration, saga.sends);
        await observe(telemetry, operation, (span) => deliver(place(message, span), ...rest));
        sent.add(1, operation.attributes);
      },
    },
  };
};

/** What became of a message, on its span and under its duration. */
const toldOfHandled = (
  result: E.Either<Tagged, Handled>,
  span: { readonly setAttributes: (attributes: Record<string, string | number>) => unknown },
) => {
  if (E.isLeft(result)) return {};
  const outcome = { [attribute.outcome]: result.right._tag };
  span.setAttributes({
    ...outcome,
    ...(result.right._tag === 'Appended' && { [attribute.attempts]: result.right.attempts }),
  });
  return outcome;
};

/**
 * `sagaRuntime`, with everything it does told: the store's spans and metrics, those of handling, merging, compensating and
 * dispatching, and the counts of `telemetryHooks`. Hooks of the context are called after those.
 */
export const observedSaga = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  context: SagaContext,
  options: TelemetryOptions = {},
): SagaRuntime<S, M> => {
  const telemetry = telemetryOf(options);
  const runtime = sagaRuntime(observedRules(telemetry, saga), {
    ...context,
    store: observed(context.store, options),
    hooks: mergeHooks<SagaHooks>(telemetryHooks(options), context.hooks),
  });
  const duration = processDurationOf(telemetry);
  const place = placedIn(telemetry);
  const whole = <L extends Tagged, A>(name: string, work: TaskEither<L, A>): TaskEither<L, A> => {
    const attributes = {
      [attribute.messagingSystem]: messagingSystem,
      [attribute.messagingOperation]: name,
      [attribute.messagingDestination]: saga.name,
    };
    const operation = { name: `${name} ${saga.name}`, kind: SpanKind.INTERNAL, attributes, duration };
    return () => observe(telemetry, operation, work);
  };
  return {
    ...runtime,
    handle: (message, how) => () =>
      observe(
        telemetry,
        messageOperation('process', saga.name, message, duration, saga.messages),
        (span) => runtime.handle(place(message, span), how)(),
        toldOfHandled,
      ),
    resolve: (sagaId, how) => whole('resolve', runtime.resolve(sagaId, how)),
    load: (sagaId) => whole('load', runtime.load(sagaId)),
    doOwed: (sagaId) => whole('doOwed', runtime.doOwed(sagaId)),
    follow: (how = {}) => runtime.follow(observedFollow(telemetry, saga as unknown as Saga, how)),
  };
};
