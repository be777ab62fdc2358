/** What becomes of the branches' events and messages in a merge, and of what had left wrongly. */
import * as E from 'fp-ts/lib/Either.js';
import { encodeTagged } from '../codec.js';
import { type BuiltConflict, type Refusal, refuse, unusable } from './conflict.js';
import { conversationOf } from '../conversation.js';
import type { EventData } from '../event.js';
import { derivedId } from '../ids.js';
import { type Json, strictJson } from '../json.js';
import type { AnyEvent, Conflict, Fate, MergeAnswer, OutgoingMessage } from '../merge/merge.js';
import { encodeMessages } from './reacting.js';
import type { MergedInfo, Saga } from './saga.js';
import type { SagaLog } from './saga-log.js';
import {
  type MessageFate,
  type OutgoingRecord,
  type PlannedCompensation,
  type SagaMergedRecord,
  withHeader,
} from './saga-records.js';

export interface Fates {
  readonly fates: ReadonlyArray<MessageFate>;
  readonly released: ReadonlyArray<OutgoingMessage>;
}

const replacement = (
  saga: Saga,
  held: OutgoingMessage,
  fate: Exclude<Fate, string>,
): E.Either<Refusal, OutgoingRecord> => {
  const encoded = encodeMessages(saga, [held.id, 'replacement'], [fate.replaceWith]);
  return E.isLeft(encoded) ? E.left(unusable(encoded.left)) : E.right(encoded.right[0] as OutgoingRecord);
};

/** Decides for each held message: the merger's word first, then the rule of the key. */
export const decideFates = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  log: SagaLog<S, Ev>,
  conflict: Conflict<S, Ev>,
  answer: MergeAnswer<S, Ev>,
): E.Either<Refusal, Fates> => {
  const fates: MessageFate[] = [];
  const released: OutgoingMessage[] = [];
  const keys = new Set<string>();
  const isTurnedAway = conflict.completed && answer.late === 'reject';
  // A merger may say `reopen` whatever the conflict is; it means something only after completion.
  const isReopened = conflict.completed && answer.late === 'reopen';
  const isKeyUsed = (key: string | undefined): boolean =>
    key !== undefined && ((!isReopened && log.isSent(key)) || keys.has(key));
  const release = (message: OutgoingMessage): void => {
    released.push(message);
    if (message.key !== undefined) keys.add(message.key);
  };
  for (const branch of conflict.branches)
    for (const held of branch.messages) {
      const at = { id: held.id, branchId: branch.id };
      const wanted = isTurnedAway ? 'cancel' : answer.messages?.(held, branch);
      const by = wanted === undefined ? 'rule' : 'merger';
      if (typeof wanted === 'object') {
        const other = replacement(saga, held, wanted);
        if (E.isLeft(other)) return other;
        if (isKeyUsed(other.right.key))
          fates.push({ ...at, fate: 'cancel', by: `its key ${String(other.right.key)} has left already` });
        else {
          fates.push({ ...at, fate: 'replace', by, replacement: other.right });
          release(other.right);
        }
      } else if (wanted === 'cancel') fates.push({ ...at, fate: 'cancel', by });
      else if (isKeyUsed(held.key))
        fates.push({ ...at, fate: 'cancel', by: `its key ${String(held.key)} has left already` });
      else {
        fates.push({ ...at, fate: 'release', by });
        release(held);
      }
    }
  return E.right({ fates, released });
};

/** Whether a message of a key has left in this epoch, or leaves with this merge. */
export const leavesBefore = (
  log: Pick<SagaLog, 'isSent'>,
  late: SagaMergedRecord['late'],
  { released }: Fates,
): ((key: string) => boolean) => {
  const keys = new Set(released.map(({ key }) => key));
  return (key) => keys.has(key) || (late !== 'reopen' && log.isSent(key));
};

/** In reverse order of release, and only for messages that have left; requests that name no message come first, last asked first. */
export const planCompensations = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  info: MergedInfo<S, Ev>,
): E.Either<Refusal, ReadonlyArray<PlannedCompensation>> => {
  const requests = saga.compensate?.(info) ?? [];
  if (requests.length === 0) return E.right([]);
  const order = new Map(info.released.map(({ id }, index) => [id, index]));
  const placed = requests
    .map((request, index) => ({
      request,
      index,
      place: request.of === undefined ? Infinity : (order.get(request.of) ?? -1),
    }))
    .filter(({ place }) => place >= 0)
    .sort((a, b) => (b.place === a.place ? b.index - a.index : b.place - a.place));
  const planned: PlannedCompensation[] = [];
  for (const [n, { request }] of placed.entries()) {
    if (!Object.hasOwn(saga.hooks, request.hook))
      return refuse('unusable', `compensate asks for the hook ${request.hook}, which the saga does not have`);
    const data = strictJson(request.data);
    if (E.isLeft(data))
      return refuse(
        'unusable',
        `data of the compensation ${request.hook}: ${data.left.path}: found ${data.left.found}`,
      );
    const id = `comp:${info.mergeId}:${request.hook}:${n}`;
    planned.push({
      id,
      hook: request.hook,
      data: data.right,
      ...(request.of !== undefined && { of: request.of }),
    });
  }
  return E.right(planned);
};

/** Sorts the events that stand: those of branches by identity, the rest is new. */
export const sortEvents = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  built: BuiltConflict<S, Ev>,
  answer: MergeAnswer<S, Ev>,
  mergeId: string,
  epoch: number,
) => {
  const all = built.conflict.branches.flatMap((branch) => branch.events);
  const isTurnedAway = built.conflict.completed && answer.late === 'reject';
  const standing = isTurnedAway ? [] : (answer.events ?? all);
  const accepted: string[] = [];
  const events: EventData[] = [];
  let added = 0;
  for (const event of standing) {
    const from = built.origin.get(event);
    const encoded =
      from === undefined
        ? encodeTagged(saga.events, event)
        : E.right(from.branch.events[from.index] as { type: string; schemaVersion: number; data: Json });
    if (E.isLeft(encoded)) return E.left(unusable(encoded.left));
    const eventId =
      from === undefined
        ? derivedId(mergeId, 'added', added)
        : derivedId(from.branch.branchId, 'event', from.index);
    const header = {
      epoch,
      mergeId,
      ...(from && { branchId: from.branch.branchId, message: from.branch.cause.type }),
    };
    const metadata = withHeader(
      from === undefined
        ? { ...conversationOf(built.pending), causationId: mergeId }
        : (from.branch.metadata ?? { causationId: from.branch.cause.messageId }),
      header,
    );
    if (from === undefined) added += 1;
    else accepted.push(`${from.branch.branchId}/${from.index}`);
    events.push({ ...encoded.right, eventId, metadata });
  }
  const standingIds = new Set(accepted);
  const rejected = built.pending
    .flatMap(({ branchId, events: own }) => own.map((_, index) => `${branchId}/${index}`))
    .filter((id) => !standingIds.has(id));
  return E.right({ events, accepted, rejected, added });
};
