/** Filters: as much of one as the server can judge, so that the rest is never sent, and the whole of it again on what is sent. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import { streamIdOf, systemTenant } from '../../core/eventstoredb/stream-id.js';
import { categoryOf, type StreamName, tenant as tenantOf, type Tenant } from '../../core/stream.js';
import type { EventFilter } from '../../store/event-store.js';
import type { ServerFilter } from './wire.js';

/** Streams of users: none of the server's, and none that the adapter keeps for itself. */
export const usersOnly: ServerFilter = { on: 'streamName', regex: '^(?!\\$|@/)' };

/** Longer patterns are left out: the server would take longer over them than this side over the events. */
const regexMax = 4_000;

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
const anyOf = (texts: ReadonlyArray<string>): string => `(?:${texts.map(escaped).join('|')})`;
const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\u0000');

/** What stands before a stream's name there; `x` stands for a name that needs no tenant to be told from others. */
const ownerPattern = (tenant: Tenant | undefined): string => {
  if (tenant === undefined) return '(?:@[^/]*/)?';
  const before = escaped(streamIdOf({ tenant, streamName: 'x' as StreamName }).slice(0, -1));
  // Names of the default tenant that begin with @ are written with it.
  return before === '' ? '(?:@default/|(?!@))' : before;
};

const streamPattern = ({ tenant, categories, streamPrefixes }: EventFilter): string | undefined => {
  if (tenant === undefined && categories === undefined && streamPrefixes === undefined) return undefined;
  const owner = ownerPattern(tenant);
  const category = categories && `(?=${anyOf(categories.filter(isStorable))}(?:-|$))`;
  const prefix = streamPrefixes && `(?=${anyOf(streamPrefixes.filter(isStorable))})`;
  return `^(?!\\$|@/)${owner}${category ?? ''}${prefix ?? ''}`;
};

/** Whether any event at all can pass. */
export const canMatch = ({ tenant, categories, types, streamPrefixes }: EventFilter): boolean =>
  (tenant === undefined || E.isRight(tenantOf(tenant))) &&
  [categories, types, streamPrefixes].every((list) => list === undefined || list.some(isStorable));

/** What the server is asked to let pass: all that the filter does, and perhaps more. It judges names or types, not both. */
export const serverFilterOf = (filter: EventFilter): ServerFilter => {
  // System streams are asked for by those who look into them; their names there are not those of `filter`.
  if (filter.tenant === systemTenant) return { on: 'streamName', regex: '^' };
  const streams = streamPattern(filter);
  if (streams !== undefined && streams.length <= regexMax) return { on: 'streamName', regex: streams };
  const types = filter.types && `^${anyOf(filter.types.filter(isStorable))}$`;
  return types !== undefined && types.length <= regexMax ? { on: 'eventType', regex: types } : usersOnly;
};

/** Types of what the server itself writes into streams of users: links to events of other streams, and the word that a stream is tombstoned. */
export const serverTypes: ReadonlySet<string> = new Set(['$>', '$streamDeleted']);

/** The whole filter, but for the state of the event's stream. */
export const passes = (filter: EventFilter): ((event: RecordedEvent) => boolean) => {
  const categories = filter.categories && new Set(filter.categories);
  const types = filter.types && new Set(filter.types);
  return ({ tenant, streamName, type }) => {
    if (serverTypes.has(type)) return false;
    if (filter.tenant === undefined ? tenant === systemTenant : tenant !== filter.tenant) return false;
    if (categories !== undefined && !categories.has(categoryOf(streamName))) return false;
    if (types !== undefined && !types.has(type)) return false;
    return filter.streamPrefixes?.some((prefix) => streamName.startsWith(prefix)) ?? true;
  };
};
