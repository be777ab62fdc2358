/** How one operation of the store's port is observed, whichever it is. */
import { type Attributes, type Link, SpanKind } from '@opentelemetry/api';
import type * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Tagged } from '../core/fault.js';
import { attribute, metric } from './names.js';
import { observe, secondsOf, type Telemetry } from './telemetry.js';

/** Runs one operation of the port: what it is called, what it is done to, and what came of it. */
export type Observe = <L extends Tagged, A>(
  operation: string,
  about: { readonly attributes?: Attributes; readonly details?: Attributes; readonly links?: Link[] },
  work: TaskEither<L, A>,
  told?: (result: E.Either<L, A>) => Attributes,
) => TaskEither<L, A>;

export const observing = (telemetry: Telemetry, system: string): Observe => {
  const duration = secondsOf(telemetry, metric.dbDuration, 'Duration of operations on the event store.');
  return (name, { attributes = {}, details, links }, work, told) => {
    const category = attributes[attribute.category];
    const operation = {
      name: typeof category === 'string' ? `${name} ${category}` : name,
      kind: SpanKind.CLIENT,
      attributes: { [attribute.dbSystem]: system, [attribute.dbOperation]: name, ...attributes },
      duration,
      ...(details && { details }),
      ...(links && { links }),
    };
    return () =>
      observe(telemetry, operation, work, (result, span) => {
        if (told !== undefined && span.isRecording()) span.setAttributes(told(result));
      });
  };
};
