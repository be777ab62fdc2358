/** An explained conflict in plain words, a few short lines. Everything from a stream is escaped: names are user input. */
import type {
  BranchEvent,
  ConflictExplanation,
  ExplainedCompensation,
  HeldMessage,
  HeldTimeout,
  SentMessage,
  TrunkChange,
} from './explanation.js';
import type { Json } from '../json.js';
import { recordTypes } from './saga.js';
import { escapeForDisplay } from '../stream.js';

const dataCharactersMax = 72;
/** Longer lists are cut in words: a description is read, the whole is in the explanation. */
const linesMax = 8;

/** JSON on one line, escaped and cut. An empty object says nothing. */
export const shortData = (data: Json, charactersMax = dataCharactersMax): string => {
  const text = JSON.stringify(data) ?? '';
  return text === '{}' || text === 'null' ? '' : escapeForDisplay(text, charactersMax);
};

const name = (text: string): string => escapeForDisplay(text, 120);

/** A type and its data, as in `Decision {"outcome":"approved"}`. */
export const titled = (type: string, data: Json, charactersMax?: number): string =>
  [name(type), shortData(data, charactersMax)].filter((part) => part !== '').join(' ');

const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

const cut = (lines: ReadonlyArray<string>, what: string): ReadonlyArray<string> =>
  lines.length <= linesMax
    ? lines
    : [...lines.slice(0, linesMax - 1), `    ... and ${counted(lines.length - linesMax + 1, what)} more`];

const changeLine = ({ version, type, data, inTheWay }: TrunkChange): string => {
  const what =
    type === recordTypes.sagaMerged
      ? 'another merge'
      : type === recordTypes.sagaCompleted
        ? 'the saga completed'
        : titled(type, data);
  const note = inTheWay === true ? '  <- in the way' : '';
  return `    version ${version}: ${what}${note}`;
};

const trunkLines = ({ trunk, base }: ConflictExplanation): ReadonlyArray<string> =>
  trunk.length === 0
    ? [`  Since version ${base} the trunk recorded nothing that changes the state.`]
    : [`  Since version ${base} the trunk did:`, ...cut(trunk.map(changeLine), 'change')];

const eventWords: Record<BranchEvent['fate'], string> = {
  accepted: 'accepted',
  rejected: 'rejected',
  waits: 'waits for the merge',
  void: 'does not count',
};

const heldWords = ({ fate, by, replacement }: HeldMessage): string => {
  const who = by === 'merger' ? 'by the merger' : by === 'rule' ? 'since nothing spoke against it' : name(by);
  switch (fate) {
    case 'release':
      return `held, then released (${who})`;
    case 'cancel':
      return `held, then cancelled (${who}); it never left`;
    case 'replace':
      return `held, then replaced (${who}) by ${replacement === undefined ? '?' : titled(replacement.type, replacement.data)}`;
    case 'waits':
      return 'held until the merge';
    case 'void':
      return 'never left';
  }
};

/** A wait in words, as in `after 30 s`. */
export const afterText = (afterMs: number): string => {
  const units = [
    ['days', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ] as const;
  const [unit, ms] = units.find(([, length]) => afterMs >= 2 * length && afterMs % (length / 10) === 0) ?? [
    'ms',
    1,
  ];
  return `after ${afterMs / ms} ${unit}`;
};

const timeoutWords = ({ fate, by }: HeldTimeout): string => {
  switch (fate) {
    case 'release':
      return 'held, and it began to wait with the merge';
    case 'cancel':
      return `held, then cancelled (${name(by)})`;
    case 'waits':
      return 'held until the merge';
    case 'void':
      return 'never began to wait';
  }
};

export const keysText = (keys: ReadonlyArray<string>): string => keys.map(name).join(', ');

const branchLines = ({
  events,
  messages,
  timeouts,
  cancelTimeouts,
  completes,
}: ConflictExplanation): ReadonlyArray<string> => {
  const lines = [
    ...events.map(({ type, data, fate }) => `    ${titled(type, data)}: ${eventWords[fate]}`),
    ...messages.map((held) => `    to send ${titled(held.type, held.data)}: ${heldWords(held)}`),
    ...timeouts.map(
      (held) =>
        `    the timeout ${titled(held.type, held.data)} ${afterText(held.afterMs)}: ${timeoutWords(held)}`,
    ),
    ...(cancelTimeouts.length > 0 ? [`    to cancel the timeouts ${keysText(cancelTimeouts)}`] : []),
    ...(completes ? ['    to complete the saga: decided anew by the merge'] : []),
  ];
  return ['  The branch wanted:', ...(lines.length === 0 ? ['    nothing'] : cut(lines, 'thing'))];
};

const sentLine = ({ type, data, cancelled }: SentMessage): string =>
  `    sent ${titled(type, data)}${cancelled === undefined ? '' : `: did not leave, ${name(cancelled)}`}`;

const lateWords = {
  none: '',
  absorb: ' The saga had completed before; the branch was taken in all the same.',
  reopen: ' The saga had completed before, and was opened again.',
  reject: ' The saga had completed before; the branch was turned away.',
} as const;

const outcomeLines = ({ outcome, refusals }: ConflictExplanation): ReadonlyArray<string> => {
  switch (outcome._tag) {
    case 'Merged': {
      const others =
        outcome.together === 0
          ? ''
          : `, together with ${counted(outcome.together, 'other branch', 'other branches')}`;
      const before =
        refusals.length === 0 ? '' : ` It had been refused ${counted(refusals.length, 'time')} before.`;
      const more = [
        ...outcome.added.map(({ type, data }) => `    the merger added ${titled(type, data)}`),
        ...outcome.after.map(({ type, data }) => `    after the merge: ${titled(type, data)}`),
        ...outcome.sends.map(sentLine),
        ...outcome.timeouts.map(
          ({ type, data, afterMs }) =>
            `    asked for the timeout ${titled(type, data)} ${afterText(afterMs)}`,
        ),
        ...(outcome.cancelTimeouts.length > 0
          ? [`    cancelled the timeouts ${keysText(outcome.cancelTimeouts)}`]
          : []),
        ...(outcome.completes ? ['    and the saga completed'] : []),
      ];
      return [
        `  Merged at version ${outcome.version}${others}.${lateWords[outcome.late]}${before}`,
        `    rule: ${escapeForDisplay(outcome.rule, 300)} (merger version ${name(outcome.mergerVersion)})`,
        ...cut(more, 'line'),
      ];
    }
    case 'Parked': {
      const { version, reason, paths, mergerVersion } = outcome.refusal;
      const at = paths.length === 0 ? '' : ` at ${paths.map(name).join(', ')}`;
      const next =
        outcome.willRetry === true
          ? 'The merger has changed since and will be asked again.'
          : 'Mend the merger and change its version; the work is kept until then.';
      return [
        `  The merge was refused at version ${version} by merger version ${name(mergerVersion)}: ${escapeForDisplay(reason, 300)}${at}.`,
        `  The saga is parked, and the branch waits. ${next}`,
      ];
    }
    case 'Pending':
      return [
        '  Not merged yet: the merge is owed, and whoever handles or follows this saga next will do it.',
      ];
    case 'Void':
      return outcome.why === 'onTrunk'
        ? [`  It does not count: the same message is on the trunk at version ${outcome.version}.`]
        : [`  It does not count: it repeats the branch at version ${outcome.version}.`];
  }
};

const compensationLines = (compensation: ExplainedCompensation): ReadonlyArray<string> => {
  const { hook, data, of, fate, version, attempts, error, sends } = compensation;
  const tried = attempts > 1 ? `, attempt ${attempts}` : '';
  const why = error === undefined ? '' : `: ${escapeForDisplay(error, 160)}`;
  const became = {
    planned: 'planned, not done yet',
    applied: `done at version ${version ?? '?'}${tried}`,
    failing: `failed at version ${version ?? '?'}${tried}${why}; it will be tried again`,
    parked: `given up at version ${version ?? '?'}${tried}${why}`,
  }[fate];
  const subject = of === undefined ? '' : ` for ${titled(of.type, of.data)}, which had left`;
  return [`  Compensation ${titled(hook, data)}${subject}: ${became}.`, ...sends.map(sentLine)];
};

/** What happened, in words for people. */
export const describeConflict = (explanation: ConflictExplanation): string => {
  const { streamName, version, base, cause } = explanation;
  return [
    `Conflict at version ${version} of ${escapeForDisplay(streamName, 200)}: ${titled(cause.type, cause.data)}`,
    `  The message ${name(cause.messageId)} was handled on version ${base}, and another writer was first.`,
    ...trunkLines(explanation),
    ...branchLines(explanation),
    ...outcomeLines(explanation),
    ...explanation.compensations.flatMap(compensationLines),
  ].join('\n');
};
