/** What a rule may ask of a save, and how questions are put together. */
import type { Tenant } from '../stream.js';

/** What is known of a save before it is made. */
export interface SaveContext {
  /** The aggregate's category. */
  readonly aggregateType: string;
  /** Types of the commands that decided what is saved. */
  readonly commandTypes: ReadonlyArray<string>;
  readonly tags: ReadonlySet<string>;
  readonly flags: ReadonlySet<string>;
  readonly environment?: string;
  readonly tenant: Tenant;
  readonly actor?: string;
}

export type SavePredicate = (context: SaveContext) => boolean;

/** Saves of one kind of aggregate: by its category, or by the aggregate itself. */
export const aggregateIs = (aggregate: string | { readonly category: string }): SavePredicate => {
  const type = typeof aggregate === 'string' ? aggregate : aggregate.category;
  return ({ aggregateType }) => aggregateType === type;
};

/** Saves of what at least one command of these types decided. */
export const commandIs =
  (...types: ReadonlyArray<string>): SavePredicate =>
  ({ commandTypes }) =>
    commandTypes.some((type) => types.includes(type));

export const hasTag =
  (tag: string): SavePredicate =>
  ({ tags }) =>
    tags.has(tag);

export const hasFlag =
  (flag: string): SavePredicate =>
  ({ flags }) =>
    flags.has(flag);

export const inEnvironment =
  (name: string): SavePredicate =>
  ({ environment }) =>
    environment === name;

export const tenantIs =
  (name: string): SavePredicate =>
  ({ tenant }) =>
    tenant === name;

export const actorIs =
  (name: string): SavePredicate =>
  ({ actor }) =>
    actor === name;

export const always: SavePredicate = () => true;

/** All of them; the later ones are not asked after one that says no. True of none. */
export const and =
  (...predicates: ReadonlyArray<SavePredicate>): SavePredicate =>
  (context) =>
    predicates.every((predicate) => predicate(context));

/** At least one of them; the later ones are not asked after one that says yes. False of none. */
export const or =
  (...predicates: ReadonlyArray<SavePredicate>): SavePredicate =>
  (context) =>
    predicates.some((predicate) => predicate(context));

export const not =
  (predicate: SavePredicate): SavePredicate =>
  (context) =>
    !predicate(context);
