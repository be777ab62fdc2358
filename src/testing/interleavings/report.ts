/** A failing schedule for people: its steps in words, the trunk and branches it leads to, and what is wrong at its end. */
import { drawSaga, legend } from '../../core/saga/draw.js';
import { recordTypes, reservedTypes } from '../../core/saga/saga.js';
import { escapeForDisplay, expectedAfter } from '../../core/stream.js';
import type { Effect, LogNode } from './log.js';
import type { Local } from './local.js';
import type { Verdict } from './judge.js';

/** One step of a schedule. */
export interface ScheduleStep {
  /** Which process: the message it handles, or a follower. */
  readonly process: string;
  /** What its call came to, in words. */
  readonly did: string;
}

const versionOf = (node: LogNode): string => (node.version === 0 ? 'nothing yet' : `version ${node.version}`);

const typesIn = (before: LogNode, { node }: Effect): string =>
  node.events
    .slice(before.version)
    .map(({ type }) => escapeForDisplay(type, 60))
    .join(', ');

const appended = (before: LogNode, effect: Effect): string =>
  `${typesIn(before, effect)} -> version ${effect.node.version}`;

/** A step in words. `before` is the stream before it. */
export const describeStep = (local: Local, before: LogNode, effect: Effect): string => {
  const { phase, request, base } = local;
  if (phase === 'read') return `reads ${versionOf(before)}`;
  const on = request?.operation === 'append' ? expectedAfter(request.request.expected) : 0;
  switch (effect.kind) {
    case 'written':
      if (phase === 'branch')
        return `leaves a branch from version ${base?.version ?? 0}: ${appended(before, effect)}`;
      if (phase === 'merge') return `merges what waits at version ${on}: ${appended(before, effect)}`;
      return `appends at version ${on}: ${appended(before, effect)}`;
    case 'repeated':
      return 'appends what stands there already: nothing is written';
    case 'refused':
      if (phase === 'merge')
        return `is too late with the merge of version ${on}, the stream is at ${before.version}: nothing is written`;
      return `is refused: it expected version ${on}, the stream is at ${before.version}`;
    default:
      return `is answered ${JSON.stringify(effect.answer)}`;
  }
};

/** A handler that runs without another one in between, told on one line. */
export const stepsText = (steps: ReadonlyArray<ScheduleStep>): string => {
  const width = Math.max(0, ...steps.map(({ process }) => process.length));
  return steps
    .map(({ process, did }, index) => `  ${String(index + 1).padStart(2)}. ${process.padEnd(width)}  ${did}`)
    .join('\n');
};

const isOrdinary = (node: LogNode): boolean => !node.events.some(({ type }) => reservedTypes.has(type));

export const reportText = (
  verdict: Verdict,
  steps: ReadonlyArray<ScheduleStep>,
  node: LogNode,
  facts: { readonly saga: string; readonly headline: string; readonly messages: ReadonlyArray<string> },
): string => {
  const hasConflict = node.events.some(({ type }) => type === recordTypes.mergeSagaState);
  const note =
    verdict.kind === 'diverged' && !hasConflict
      ? '\n\nNo two of them met here: these messages give different ends in different orders, with or without conflicts. If that is\nas it should be, say with `view` what must be the same all the same.'
      : '';
  return [
    `${facts.saga}: ${facts.headline}`,
    '',
    `Messages: ${facts.messages.join(', ')}`,
    '',
    'The smallest schedule that fails:',
    '',
    stepsText(steps),
    '',
    'What it leaves in the stream:',
    '',
    ...drawSaga(node.events).map((line) => `  ${line}`),
    ...(isOrdinary(node) ? [] : ['', `  ${legend}`]),
    '',
    `${verdict.what}${note}`,
  ].join('\n');
};
