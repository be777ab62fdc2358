/** An explanation of policies as a table for people. */
import type { ConcurrencySettings } from './concurrency-settings.js';
import type { SaveContext } from './policy-predicates.js';
import { escapeForDisplay } from '../stream.js';
import { textTable } from '../text-table.js';

/** What is told: the shape of a `PolicyExplanation` without its text. */
interface Told {
  readonly settings: ConcurrencySettings;
  readonly chosenBy: string;
  readonly rules: ReadonlyArray<{
    readonly name: string;
    readonly fired: boolean;
    readonly sets: Partial<ConcurrencySettings>;
    readonly overriddenBy: Readonly<Partial<Record<string, string>>>;
  }>;
  readonly failed?: { readonly rule: string; readonly message: string };
}

const shown = (value: unknown): string => {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  const { description } = value as { readonly description?: unknown };
  return typeof description === 'string' ? `(${description})` : '(yours)';
};

const fieldsOf = (settings: Partial<ConcurrencySettings>): ReadonlyArray<readonly [string, string]> =>
  Object.entries(settings).map(([field, value]) => [field, shown(value)]);

const listed = (names: Iterable<string>): string =>
  [...names].map((name) => escapeForDisplay(name)).join(', ');

const headline = ({ aggregateType, commandTypes, tags, flags, ...who }: SaveContext): string =>
  [
    `save of ${escapeForDisplay(aggregateType)}`,
    ...(commandTypes.length > 0 ? [`commands ${listed(commandTypes)}`] : []),
    ...(tags.size > 0 ? [`tags ${listed(tags)}`] : []),
    ...(flags.size > 0 ? [`flags ${listed(flags)}`] : []),
    ...(who.environment === undefined ? [] : [`environment ${escapeForDisplay(who.environment)}`]),
    `tenant ${escapeForDisplay(who.tenant)}`,
    ...(who.actor === undefined ? [] : [`actor ${escapeForDisplay(who.actor)}`]),
  ].join('; ');

const firedWord = (told: Told, name: string, fired: boolean, isBypassed: boolean): string => {
  if (told.failed?.rule === name) return 'failed';
  return fired ? 'yes' : isBypassed ? 'not asked' : 'no';
};

export const explanationText = (context: SaveContext, told: Told, isBypassed: boolean): string => {
  const rows = told.rules.map(({ name, fired, sets, overriddenBy }) => [
    name,
    firedWord(told, name, fired, isBypassed),
    fieldsOf(sets)
      .map(([field, value]) => {
        const by = overriddenBy[field];
        return `${field} ${value}${by === undefined ? '' : ` [then ${by}]`}`;
      })
      .join(', '),
  ]);
  const result = fieldsOf(told.settings).map(([field, value]) => `${field} ${value}`);
  const failure =
    told.failed === undefined
      ? []
      : [`The save fails: ${escapeForDisplay(`${told.failed.rule}: ${told.failed.message}`, 500)}`];
  return [
    headline(context),
    ...textTable([{ title: 'rule' }, { title: 'fires' }, { title: 'sets' }], rows, 500),
    `=> ${result.join(', ')}`,
    `strategy chosen by: ${escapeForDisplay(told.chosenBy)}`,
    ...failure,
  ].join('\n');
};
