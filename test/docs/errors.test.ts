/** ERRORS.md tells of every error of the sources, of none besides, and each time the three things a reader needs. */
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Tags of values that are no errors: outcomes, expectations, items of a subscription, steps on the way. */
const notErrors: ReadonlySet<string> = new Set([
  // What a writer expects of a stream.
  ...['any', 'noStream', 'streamExists', 'exactly'],
  // Items of a subscription.
  ...['Event', 'CaughtUp', 'Lag'],
  // What became of a message, of a merge, of a compensation.
  ...[
    'Appended',
    'Merged',
    'Branched',
    'Duplicate',
    'Nothing',
    'Completed',
    'TimeoutIgnored',
    'Contended',
    'Parked',
  ],
  // What a decision comes to that is ready beside others.
  ...['Trunk', 'Branch', 'Repeated', 'Recorded'],
  ...['Pending', 'Void', 'Applied', 'Failed'],
  // What became of an operation that has a key.
  ...['Acquired', 'AlreadyDone'],
  // What a save is checked against, how fields settle a conflict, what a place in a line comes to.
  ...['condition', 'expectedRevision', 'expectedVersion', 'ifNotModifiedSince', 'token'],
  ...['Conflict', 'Disjoint', 'Merge', 'Retry', 'Held', 'Rest', 'Handle', 'Wait'],
  // Where a survey of saves begins.
  ...['Position', 'Last'],
  // Steps inside one function.
  ...['Done', 'Lost', 'Refused', 'BaseForgotten'],
  // What a test tool tells apart: steps of a scenario or a schedule, answers of a process, kinds of rules and of what is asked.
  ...[
    'Events',
    'Messages',
    'Answered',
    'Asks',
    'Ended',
    'GivenBack',
    'Threw',
    'Aggregate',
    'Saga',
    'Stream',
    'View',
  ],
  // What became of a message of a handler, and steps on the way there.
  ...['Invalid', 'Ran', 'Told', 'Over', 'Write'],
  // A side of fp-ts's Either.
  'Left',
  // Faults between an adapter and its driver: each reaches the caller as one of the port's errors.
  ...['NotConnected', 'ConnectionLost', 'SqlRefused'],
  ...['NotLeader', 'Archived', 'Deleted', 'WrongVersion', 'TooLarge'],
  // What a server tells its clients in their own protocol, and what it hands from one part to the next.
  ...['WrongExpectedVersion', 'NotFound', 'Bounds', 'Checkpoint', 'FellBehind'],
  ...['Deliver', 'Park', 'Stop', 'TakeBack', 'Unpark'],
]);

interface Found {
  readonly tag: string;
  readonly place: string;
  readonly doc: string;
}

const sourceFiles = ['src', 'sagas'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file)),
);

const docOf = (node: ts.Node): string => {
  for (let at: ts.Node | undefined = node; at !== undefined; at = at.parent)
    if (ts.isInterfaceDeclaration(at) || ts.isTypeAliasDeclaration(at))
      return ts
        .getJSDocCommentsAndTags(at)
        .map(({ comment }) => (typeof comment === 'string' ? comment : ''))
        .join(' ');
  return '';
};

/** Every type in a file that has a member `_tag` of one literal text. */
const tagsIn = (file: string): ReadonlyArray<Found> => {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);
  const found: Found[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertySignature(node) && node.name.getText(source) === '_tag' && node.type !== undefined) {
      const types = ts.isUnionTypeNode(node.type) ? [...node.type.types] : [node.type];
      for (const type of types)
        if (ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal))
          found.push({ tag: type.literal.text, place: file, doc: docOf(node) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
};

const all = sourceFiles.flatMap(tagsIn);
const errors = all.filter(({ tag }) => !notErrors.has(tag));
const tagsOf = (found: ReadonlyArray<Found>) => [...new Set(found.map(({ tag }) => tag))].sort();

/** Sections of ERRORS.md: `### Tag`, then text. */
const sections = new Map(
  readFileSync('ERRORS.md', 'utf8')
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const [heading = '', ...lines] = section.split('\n');
      return [heading.replaceAll('`', '').trim(), lines.join('\n').split(/^## /m)[0] ?? ''] as const;
    }),
);

describe('ERRORS.md', () => {
  it('finds the errors of the sources', () => {
    expect(tagsOf(errors).length).toBeGreaterThan(25);
    expect(tagsOf(errors)).toEqual(expect.arrayContaining(['VersionConflict', 'SagaParked', 'XesBroken']));
  });

  it('tells of each error of the sources', () => {
    expect(tagsOf(errors).filter((tag) => !sections.has(tag))).toEqual([]);
  });

  it('tells of no error that is not in the sources', () => {
    const known = new Set(tagsOf(errors));
    expect([...sections.keys()].filter((tag) => !known.has(tag))).toEqual([]);
  });

  it.each([...sections.keys()])('%s: what happened, whether anything was written, what to do', (tag) => {
    const section = sections.get(tag) ?? '';
    for (const label of ['What happened', 'Written', 'Do'])
      expect(section).toMatch(new RegExp(`^- \\*\\*${label}:\\*\\* \\S`, 'm'));
  });

  it('has no exception that the sources do not know', () => {
    const known = new Set(tagsOf(all));
    expect([...notErrors].filter((tag) => !known.has(tag))).toEqual([]);
  });

  it('the sources say of each error what happened, whether anything was written and what to do', () => {
    const isInline = ({ tag, place }: Found) => tag === 'StoreClosed' && place.includes('memory');
    const silent = errors.filter((found) => !isInline(found) && found.doc.split('. ').length < 2);
    expect(silent).toEqual([]);
  });
});
