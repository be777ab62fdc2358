/**
 * What became of an append whose answer was lost. The very same append is repeated, and the server recognises it by its event ids:
 * with certainty where it names a version, because the server compares what stands there. Where it names none, the server knows recent
 * ids only, so the stream is looked through first, back to where it stood before the append was sent.
 */
import * as E from 'fp-ts/lib/Either.js';
import { comparePositions, expectedAfter, startPosition, type StreamVersion } from '../../core/stream.js';
import type { AppendResult, OutcomeUnknown } from '../../store/event-store.js';
import { conflictOf, type Outcome, resultOf, type Sending } from './answers.js';
import type { StoreContext } from './context.js';
import { faultError, faultOf, type ServerFault } from './faults.js';
import { placed } from './reading.js';
import type { RawEvent } from './wire.js';

/** Pages of a stream that are looked through, of so many events. */
const lookPagesMax = 64;
const lookPage = 512;

const unknown = ({ request }: Sending, message: string): OutcomeUnknown => ({
  _tag: 'OutcomeUnknown',
  streamName: request.streamName,
  eventIds: request.events.map(({ eventId }) => eventId),
  message,
});

const isExact = ({ request: { expected } }: Sending): boolean =>
  expected._tag === 'exactly' || expected._tag === 'noStream';

/** The events of a stream that came since the append was sent, newest first. Rejects where there are too many of them. */
async function* since({ connection }: StoreContext, { raw, before }: Sending): AsyncGenerator<RawEvent> {
  let from: StreamVersion | 'end' = 'end';
  for (let page = 1; page <= lookPagesMax; page += 1) {
    const { events } = await connection.read({
      streamId: raw.streamId,
      backwards: true,
      from,
      count: lookPage,
    });
    for (const event of events) {
      if (comparePositions(placed(event).position ?? startPosition, before) <= 0) return;
      yield event;
    }
    const last = events.at(-1)?.version;
    if (events.length < lookPage || last === undefined || last === 1) return;
    from = (last - 1) as StreamVersion;
  }
  // It may stand further back: to send it again could write it twice.
  const message = `more than ${lookPagesMax * lookPage} events came since, too many to look through`;
  throw faultError({ _tag: 'Refused', message });
}

/** Where the batch stands, if it was written since it was sent. */
const findBatch = async (context: StoreContext, sending: Sending): Promise<AppendResult | undefined> => {
  const wanted = sending.request.events.map(({ eventId }) => eventId).reverse();
  let found = 0;
  let last: RawEvent | undefined;
  for await (const event of since(context, sending)) {
    if (event.eventId === wanted[found]) {
      if (found === 0) last = event;
      found += 1;
      if (found === wanted.length && last !== undefined)
        return resultOf(context, sending, { version: last.version, position: last.position });
    } else {
      found = event.eventId === wanted[0] ? 1 : 0;
      last = found === 1 ? event : undefined;
    }
  }
  return undefined;
};

/**
 * The repeat was refused. It will be so for ever where others wrote what stands at the place, since versions only grow; a stream that is
 * too short may still grow to what was expected, and the lost append with it.
 */
const onRefusal = async (
  context: StoreContext,
  sending: Sending,
  actual: StreamVersion,
  lost: string,
): Promise<Outcome> => {
  const { request } = sending;
  const isFinal = isExact(sending) && actual > expectedAfter(request.expected);
  return E.left(
    isFinal
      ? await conflictOf(context, request, actual)
      : unknown(sending, `${lost}; asked again, the store refuses, but that may change`),
  );
};

const isWorthAgain = ({ _tag: tag }: ServerFault): boolean => tag === 'Lost' || tag === 'NotLeader';

const askOnce = async (
  context: StoreContext,
  sending: Sending,
  leftMs: number,
  lost: string,
): Promise<Outcome> => {
  if (!isExact(sending)) {
    const found = await findBatch(context, sending);
    if (found !== undefined) return E.right({ ...found, idempotent: false });
  }
  try {
    const written = await context.connection.append(sending.raw, leftMs);
    return E.right(await resultOf(context, sending, written));
  } catch (error) {
    const fault = faultOf(error);
    if (fault._tag !== 'WrongVersion') throw error;
    return onRefusal(context, sending, fault.actual, lost);
  }
};

/** Asks, with growing pauses, until there is an answer or patience ends. */
export const resolveOutcome = async (
  context: StoreContext,
  sending: Sending,
  lost: string,
): Promise<Outcome> => {
  const { connection, resolveOutcomeMs } = context;
  const end = connection.timers.now() + resolveOutcomeMs;
  let message = lost;
  for (let attempt = 1; ; attempt += 1) {
    const leftMs = Math.ceil(end - connection.timers.now());
    if (leftMs <= 0) return E.left(unknown(sending, message));
    try {
      return await askOnce(context, sending, leftMs, lost);
    } catch (error) {
      const fault = faultOf(error);
      message = fault._tag === 'StoreClosed' ? `${lost}; then the store was closed` : fault.message;
      if (!isWorthAgain(fault)) return E.left(unknown(sending, message));
      await connection.nap(Math.min(leftMs, 1_000, 25 * 2 ** attempt));
    }
  }
};
