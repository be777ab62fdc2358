/** What the contract is told about a store and a test runner, and how its tests are registered. */
import type { Capabilities, EventStore } from '../../store/event-store.js';

/** A store opened for tests, empty, and what belongs to it. */
export interface OpenedStore {
  readonly store: EventStore;
  /** Another handle on the same events, as another process would have. Asked for only where the store is `multiProcess`. */
  readonly secondHandle: () => Promise<EventStore>;
  /** Closes the handles and removes what was made for the tests. */
  readonly dispose: () => Promise<void>;
}

export interface ContractSubject {
  /** Stands in every title: `event store [<name>] ...`. */
  readonly name: string;
  /** Opens an empty store. Called several times; what one holds is not seen by another. */
  readonly open: () => Promise<OpenedStore>;
  /** Why the store cannot run here; every test is then skipped, with the reason in its title. */
  readonly skip?: string | undefined;
  /** Capabilities that the store lacks, and why. Tests that need one are skipped, with the reason in their titles. */
  readonly lacks?: { readonly [C in keyof Capabilities]?: string };
}

type Body = () => Promise<void>;
type Register = (title: string, body: Body, timeoutMs?: number) => unknown;

/** The four functions of a test runner that the contract needs (`before` and `after` of `node:test` do as well). */
export interface ContractRunner {
  readonly describe: (title: string, body: () => void) => unknown;
  readonly it: Register & { readonly skip: Register };
  readonly beforeAll: (body: Body, timeoutMs?: number) => unknown;
  readonly afterAll: (body: Body, timeoutMs?: number) => unknown;
}

export interface ContractTest {
  readonly title: string;
  /** Capabilities without which the test makes no sense. */
  readonly needs?: ReadonlyArray<keyof Capabilities>;
  /** Default 60,000. */
  readonly timeoutMs?: number;
  readonly run: (opened: OpenedStore, subject: ContractSubject) => Promise<void>;
}

/** Tests that belong together, and share one opened store. */
export interface ContractPart {
  /** Begins the titles: `appending`, `subscribing`. */
  readonly title: string;
  readonly tests: ReadonlyArray<ContractTest>;
}

const openMs = 180_000;
const testMs = 60_000;

/** Tests share the second handle as they share the first. */
const withOneSecondHandle = (opened: OpenedStore): OpenedStore => {
  let second: Promise<EventStore> | undefined;
  return { ...opened, secondHandle: () => (second ??= opened.secondHandle()) };
};

const reasonToSkip = (test: ContractTest, subject: ContractSubject): string | undefined =>
  subject.skip ??
  (test.needs ?? []).map((capability) => subject.lacks?.[capability]).find((reason) => reason !== undefined);

/** Registers the tests of `parts`, all on one store that is opened before the first and disposed after the last. */
export const registerParts = (
  subject: ContractSubject,
  { describe, it, beforeAll, afterAll }: ContractRunner,
  parts: ReadonlyArray<ContractPart>,
): void => {
  describe(`event store [${subject.name}]`, () => {
    let opened: OpenedStore | undefined;
    if (subject.skip === undefined) {
      beforeAll(async () => {
        opened = withOneSecondHandle(await subject.open());
      }, openMs);
      afterAll(async () => opened?.dispose(), openMs);
    }
    const register = (test: ContractTest): void => {
      const reason = reasonToSkip(test, subject);
      const body = async (): Promise<void> => {
        if (opened === undefined) throw new Error('the store was not opened');
        await test.run(opened, subject);
      };
      if (reason === undefined) it(test.title, body, test.timeoutMs ?? testMs);
      else it.skip(`${test.title} (skipped: ${reason})`, body);
    };
    for (const part of parts)
      describe(part.title, () => {
        for (const test of part.tests) register(test);
      });
  });
};
