/** What a matcher needs of `expect`, stated here so that no typings of a test runner have to be installed. */

/** `this` of a matcher, as Jest gives it. */
export interface MatcherContext {
  readonly isNot?: boolean;
  /** `resolves` or `rejects` where one stands before the matcher. */
  readonly promise?: string;
  readonly expand?: boolean;
  readonly customTesters?: ReadonlyArray<unknown>;
  readonly equals: (a: unknown, b: unknown, testers?: never[]) => boolean;
  readonly utils: {
    readonly matcherHint: (name: string, received?: string, expected?: string, options?: object) => string;
    readonly printExpected: (value: unknown) => string;
    readonly printReceived: (value: unknown) => string;
    readonly printDiffOrStringify: (
      expected: unknown,
      received: unknown,
      expectedLabel: string,
      receivedLabel: string,
      expand: boolean,
    ) => string;
  };
}

export interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

/** Blocks of a message, the empty ones left out. */
const blocks = (...parts: ReadonlyArray<string>): string => parts.filter((part) => part !== '').join('\n\n');

const hintOf = (
  { utils, isNot = false, promise = '' }: MatcherContext,
  name: string,
  expected: string,
): string => utils.matcherHint(name, 'received', expected, { isNot, promise });

/** A matcher's answer in plain words, for both ways of asking. */
export const plainly = (
  context: MatcherContext,
  name: string,
  pass: boolean,
  words: { readonly yes: string; readonly no: string },
  more = '',
): MatcherResult => ({
  pass,
  message: () => blocks(hintOf(context, name, ''), pass ? words.yes : words.no, more),
});

/** Compares as `toEqual` does, and shows the difference. `more` stands below it. */
export const compared = (
  context: MatcherContext,
  name: string,
  expected: unknown,
  received: unknown,
  more = '',
): MatcherResult => {
  const { utils, equals, customTesters = [], expand = false } = context;
  const pass = equals(received, expected, [...customTesters] as never[]);
  const shown = () =>
    pass
      ? `Expected: not ${utils.printExpected(expected)}`
      : utils.printDiffOrStringify(expected, received, 'Expected', 'Received', expand);
  return { pass, message: () => blocks(hintOf(context, name, 'expected'), shown(), more) };
};
