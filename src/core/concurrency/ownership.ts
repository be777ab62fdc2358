/** Who may write which field of a state: each belongs to an owner, or is shared with a rule for what both sides wrote. */
import * as E from 'fp-ts/lib/Either.js';
import {
  covers,
  type FieldPath,
  overlapOf,
  parseField,
  showField,
  touchedBetween,
  touchedPaths,
} from './fields.js';
import type { AnyEvent } from '../merge/merge.js';
import type { ResolverRules } from './resolver.js';

/** What becomes of a shared field that both sides wrote: decide again, drop ours, or ask the resolver. */
export type SharedStrategy = 'retry' | 'skip' | 'merge';

type Fields = ReadonlyArray<string>;

/** Fields are named as `price`, `delivery.address`, `titles.*` (each key of a table) or `files["a.b"]`; a field holds all that is in it. */
export interface OwnershipDefinition<Owner extends string = string, EventType extends string = string> {
  /** The fields of each owner. */
  readonly owners: Readonly<Record<Owner, Fields>>;
  /** Fields that everybody may write, and what to do where both sides of a conflict did. Default: none. */
  readonly shared?: Readonly<Record<string, SharedStrategy>>;
  /** The fields that each type of event touches, at most. */
  readonly events: Readonly<Record<EventType, Fields>>;
  /** Fields that the decision for a type of event rests on although it does not touch them: a write to them is a conflict. Default: none. */
  readonly reads?: { readonly [K in EventType]?: Fields };
  /** Groups of fields by name, for leases. A field in none of them is in that of its owner or, shared, in one of its own. Default: none. */
  readonly groups?: Readonly<Record<string, Fields>>;
  /** The owner, or owners, that somebody writes as. Who is none may write shared fields only. */
  readonly roleOf: (actor: string | undefined) => NoInfer<Owner> | ReadonlyArray<NoInfer<Owner>> | undefined;
}

export interface OwnershipEntry {
  readonly path: FieldPath;
  /** Of a field that has an owner. */
  readonly owner?: string;
  /** Of a shared field. */
  readonly strategy?: SharedStrategy;
}

/** A definition that was checked; the functions beside it are asked about it. */
export interface Ownership {
  readonly definition: OwnershipDefinition;
  readonly entries: ReadonlyArray<OwnershipEntry>;
  readonly touches: ReadonlyMap<string, ReadonlyArray<FieldPath>>;
  readonly reads: ReadonlyMap<string, ReadonlyArray<FieldPath>>;
  readonly groups: ReadonlyArray<{ readonly name: string; readonly path: FieldPath }>;
}

/** Somebody wrote a field of another owner. Nothing was written. Leave the change to that owner, or write as one of them. */
export interface FieldNotOwned {
  readonly _tag: 'FieldNotOwned';
  readonly field: string;
  /** Whose field it is. */
  readonly owner: string;
  readonly actor: string | undefined;
  /** What the actor writes as; empty where the actor is no owner. */
  readonly roles: ReadonlyArray<string>;
  readonly eventType: string;
  readonly message: string;
}

/**
 * An event changed a field that it is not declared to touch. Nothing was written. Declare the field under `events` of the
 * ownership, or mend `evolve`.
 */
export interface UndeclaredField {
  readonly _tag: 'UndeclaredField';
  readonly field: string;
  readonly eventType: string;
  readonly message: string;
}

/** The whole state: what an event that nobody declared may touch. */
const everything: ReadonlyArray<FieldPath> = [[]];

const parsed = (table: Readonly<Record<string, Fields | undefined>>) =>
  new Map(Object.entries(table).map(([key, fields = []]) => [key, fields.map(parseField)] as const));

/** The entry that holds a field, the innermost one; and those that lie inside of the field. */
const entriesAt = (
  entries: ReadonlyArray<OwnershipEntry>,
  field: FieldPath,
): ReadonlyArray<OwnershipEntry> => {
  const around = entries
    .filter(({ path }) => covers(path, field))
    .sort((a, b) => b.path.length - a.path.length);
  const inside = entries.filter(({ path }) => path.length > field.length && covers(field, path));
  return [...around.slice(0, 1), ...inside];
};

const checkEntries = (entries: ReadonlyArray<OwnershipEntry>): void => {
  const seen = new Set<string>();
  for (const { path } of entries) {
    const field = showField(path);
    if (seen.has(field))
      throw new TypeError(`ownership: ${field} is given twice; a field has one owner, or is shared`);
    seen.add(field);
  }
};

const checkFields = (
  entries: ReadonlyArray<OwnershipEntry>,
  type: string,
  fields: ReadonlyArray<FieldPath>,
): void => {
  for (const path of fields)
    if (entriesAt(entries, path).length === 0)
      throw new TypeError(
        `ownership: ${type} names ${showField(path)}, which has no owner and is not shared`,
      );
};

/**
 * Checks and reads a definition; a TypeError where a field has two owners, or an event or a group names one that has none.
 *
 * ```ts
 * const product = ownership({
 *   owners: { editor: ['name', 'description'], system: ['thumbnail', 'searchIndex'] },
 *   shared: { price: 'retry', stock: 'merge' },
 *   events: { Renamed: ['name'], ThumbnailMade: ['thumbnail'], PriceSet: ['price'] },
 *   roleOf: (actor) => (actor?.startsWith('worker-') ? 'system' : 'editor'),
 * });
 * ```
 */
export const ownership = <Owner extends string, EventType extends string>(
  definition: OwnershipDefinition<Owner, EventType>,
): Ownership => {
  const owned = Object.entries<Fields>(definition.owners).flatMap(([owner, fields]) =>
    fields.map((field): OwnershipEntry => ({ path: parseField(field), owner })),
  );
  const shared = Object.entries(definition.shared ?? {}).map(
    ([field, strategy]): OwnershipEntry => ({ path: parseField(field), strategy }),
  );
  const entries = [...owned, ...shared];
  checkEntries(entries);
  const touches = parsed(definition.events);
  const reads = parsed(definition.reads ?? {});
  const groups = parsed(definition.groups ?? {});
  for (const [type, fields] of [...touches, ...reads, ...groups]) checkFields(entries, type, fields);
  return {
    definition: definition as unknown as OwnershipDefinition,
    entries,
    touches,
    reads,
    groups: [...groups].flatMap(([name, fields]) => fields.map((path) => ({ name, path }))),
  };
};

/**
 * The innermost fields in which two states differ, as `price` or `delivery.address`. A list is one field, as is a value of a
 * class; key order is no difference. States are compared as they are given: encode those that hold more than JSON, or pass `rules`.
 */
export const touched = <S>(
  before: S,
  after: S,
  rules?: Pick<ResolverRules<S>, 'state'>,
): ReadonlyArray<string> => {
  const paths =
    rules?.state === undefined
      ? touchedPaths(before, after)
      : touchedPaths(rules.state.encode(before), rules.state.encode(after));
  return paths.map(showField);
};

/** What an event is declared to touch; the whole state where it is not declared at all. */
export const touchesOf = (of: Ownership, { type }: AnyEvent): ReadonlyArray<FieldPath> =>
  of.touches.get(type) ?? everything;

const sortedOnce = (names: Iterable<string>): ReadonlyArray<string> => [...new Set(names)].sort();

/** Who holds a field: the innermost entry around it, and all that lie inside of it. None: nobody. */
export const holdersOf = (of: Ownership, field: FieldPath): ReadonlyArray<OwnershipEntry> =>
  entriesAt(of.entries, field);

/** The owner of a field, or `shared` with its strategy; `undefined` where nobody has it. */
export const ownerOf = (
  of: Ownership,
  field: string,
): { readonly owner: string } | { readonly shared: SharedStrategy } | undefined => {
  const entry = entriesAt(of.entries, parseField(field)).find(({ path }) => covers(path, parseField(field)));
  if (entry?.owner !== undefined) return { owner: entry.owner };
  return entry?.strategy === undefined ? undefined : { shared: entry.strategy };
};

const groupsAt = (of: Ownership, field: FieldPath): ReadonlyArray<string> => {
  const named = of.groups.filter(({ path }) => covers(path, field) || covers(field, path));
  // A group that holds the whole field says all; else what lies outside of the groups is its owner's.
  if (named.some(({ path }) => covers(path, field))) return named.map(({ name }) => name);
  const others = entriesAt(of.entries, field).map(({ owner, path }) => owner ?? showField(path));
  return [...named.map(({ name }) => name), ...others];
};

/** The names of the groups whose fields these events touch, sorted: what a lease on field groups has to hold. */
export const groupsOf = (of: Ownership, events: ReadonlyArray<AnyEvent>): ReadonlyArray<string> =>
  sortedOnce(events.flatMap((event) => touchesOf(of, event).flatMap((path) => groupsAt(of, path))));

/** The fields that these events are declared to touch, sorted; `$` where one is not declared. */
export const fieldsOf = (of: Ownership, events: ReadonlyArray<AnyEvent>): ReadonlyArray<string> =>
  sortedOnce(events.flatMap((event) => touchesOf(of, event).map(showField)));

const readsOf = (of: Ownership, events: ReadonlyArray<AnyEvent>): ReadonlyArray<FieldPath> =>
  events.flatMap(({ type }) => of.reads.get(type) ?? []);

const allTouched = (of: Ownership, events: ReadonlyArray<AnyEvent>): ReadonlyArray<FieldPath> =>
  events.flatMap((event) => touchesOf(of, event));

/** Fields that both wrote, and fields that ours read and theirs wrote. */
export const contested = (
  of: Ownership,
  ours: ReadonlyArray<AnyEvent>,
  theirs: ReadonlyArray<AnyEvent>,
): { readonly written: ReadonlyArray<FieldPath>; readonly read: ReadonlyArray<FieldPath> } => {
  const others = allTouched(of, theirs);
  return { written: overlapOf(allTouched(of, ours), others), read: overlapOf(readsOf(of, ours), others) };
};

/** Whether ours touches and rests on nothing that theirs touches: both may stand, without a conflict. */
export const disjoint = (
  of: Ownership,
  ours: ReadonlyArray<AnyEvent>,
  theirs: ReadonlyArray<AnyEvent>,
): boolean => {
  const { written, read } = contested(of, ours, theirs);
  return written.length + read.length === 0;
};

const undeclared = (eventType: string, field: string): UndeclaredField => ({
  _tag: 'UndeclaredField',
  field,
  eventType,
  message: `${eventType} changes ${field}, which it is not declared to touch`,
});

const rolesOf = (of: Ownership, actor: string | undefined): ReadonlyArray<string> => {
  const role = of.definition.roleOf(actor);
  return role === undefined ? [] : typeof role === 'string' ? [role] : role;
};

/** Whether the actor may write each field that the events are declared to touch, changed or not. */
export const checkActor = (
  of: Ownership,
  actor: string | undefined,
  events: ReadonlyArray<AnyEvent>,
): E.Either<FieldNotOwned | UndeclaredField, void> => {
  const roles = rolesOf(of, actor);
  for (const { type } of events) {
    const fields = of.touches.get(type);
    if (fields === undefined) return E.left(undeclared(type, '$'));
    for (const field of fields)
      for (const { owner, path } of entriesAt(of.entries, field)) {
        if (owner === undefined || roles.includes(owner)) continue;
        const name = showField(covers(path, field) ? field : path);
        const who = `${actor ?? 'somebody without a name'} (${roles.length === 0 ? 'no owner' : roles.join(', ')})`;
        const message = `${name} belongs to ${owner}; ${who} may not write it with ${type}`;
        return E.left({ _tag: 'FieldNotOwned', field: name, owner, actor, roles, eventType: type, message });
      }
  }
  return E.right(undefined);
};

/** Whether each event changes no more of the state than it is declared to touch. Answers the fields that did change. */
export const checkTouched = <S, Ev extends AnyEvent>(
  of: Ownership,
  rules: ResolverRules<S, Ev>,
  before: S,
  events: ReadonlyArray<Ev>,
): E.Either<UndeclaredField, ReadonlyArray<string>> => {
  const changed: string[] = [];
  let state = before;
  for (const event of events) {
    const after = rules.evolve(state, event);
    const declared = of.touches.get(event.type) ?? [];
    for (const path of touchedBetween(rules, state, after)) {
      if (!declared.some((field) => covers(field, path)))
        return E.left(undeclared(event.type, showField(path)));
      changed.push(showField(path));
    }
    state = after;
  }
  return E.right(sortedOnce(changed));
};

/** All that a save asks before it appends `events` on the state `before`: the actor's rights, then what `evolve` really changes. */
export const checkWrite = <S, Ev extends AnyEvent>(
  of: Ownership,
  write: {
    readonly actor: string | undefined;
    readonly rules: ResolverRules<S, Ev>;
    readonly before: S;
    readonly events: ReadonlyArray<Ev>;
  },
): E.Either<FieldNotOwned | UndeclaredField, ReadonlyArray<string>> => {
  const may = checkActor(of, write.actor, write.events);
  return E.isLeft(may) ? may : checkTouched(of, write.rules, write.before, write.events);
};
