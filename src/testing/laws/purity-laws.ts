/** The laws of a pure function, for whatever is asked about a conflict. Where one of them does not hold, the others cannot be told. */
import { isDeepStrictEqual } from 'node:util';
import {
  type Ask,
  changesInputOf,
  type Said,
  saidValue,
  touchesPrototypeOf,
  twoAnswersOf,
} from './purity.js';
import type { LawOf } from './try-laws.js';

export interface Judged<Track, Input> {
  /** As in `the merger`. */
  readonly subject: string;
  readonly askOf: (track: Track) => Ask<Input>;
  /** Made anew at each call; undefined where it would not be asked. */
  readonly inputOf: (track: Track) => Input | undefined;
  /** The part of an answer in which data may have become a prototype. */
  readonly answerPart: (answered: Readonly<Record<string, unknown>>) => unknown;
  /** What is shown of an input that was changed. */
  readonly shownPart: (input: Input) => unknown;
  /** Who freezes the input, in words. */
  readonly frozen: string;
}

const prototypes = <Track, Input>({ askOf, inputOf, answerPart }: Judged<Track, Input>): LawOf<Track> => ({
  name: 'prototypes',
  says: 'no text that is used as a key reaches a prototype',
  judge: (track) => {
    const input = inputOf(track);
    if (input === undefined) return 'aside';
    const touched = touchesPrototypeOf(askOf(track), input, answerPart);
    return touched === undefined
      ? 'held'
      : { problem: `A key reaches a prototype: ${touched}.`, track, merged: [] };
  },
});

const deterministic = <Track, Input>({ askOf, inputOf }: Judged<Track, Input>): LawOf<Track> => ({
  name: 'deterministic',
  says: 'the same conflict gets the same answer, again and at any time',
  judge: (track) => {
    const [input, equal] = [inputOf(track), inputOf(track)];
    if (input === undefined || equal === undefined) return 'aside';
    const answers = twoAnswersOf(askOf(track), input, equal);
    if (answers === undefined) return 'held';
    const [first, second] = answers.map((said: Said) => saidValue(said));
    return {
      problem:
        'Asked again, it answers differently: it uses a clock, random numbers or something that it remembers.',
      track,
      merged: [
        { label: 'first answer', value: first },
        { label: 'then', value: second },
      ],
    };
  },
});

const inputUntouched = <Track, Input>({
  subject,
  askOf,
  inputOf,
  shownPart,
  frozen,
}: Judged<Track, Input>): LawOf<Track> => ({
  name: 'inputUntouched',
  says: `what ${subject} is given is not changed`,
  judge: (track) => {
    const input = inputOf(track);
    if (input === undefined) return 'aside';
    const changed = changesInputOf(askOf(track), input, shownPart);
    if (changed === undefined) return 'held';
    const throws = changed.threw === undefined ? '' : ` ${frozen}, so that it throws: ${changed.threw}`;
    const merged = [
      { label: 'given', value: changed.before },
      { label: 'after the call', value: changed.after },
    ];
    return {
      problem: `It changes what it is given.${throws}`,
      track,
      merged: isDeepStrictEqual(changed.before, changed.after) ? [] : merged,
    };
  },
});

export const purityLaws = <Track, Input>(judged: Judged<Track, Input>): ReadonlyArray<LawOf<Track>> => [
  prototypes(judged),
  deterministic(judged),
  inputUntouched(judged),
];
