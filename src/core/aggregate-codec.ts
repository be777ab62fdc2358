/** An aggregate's border to JSON: commands on their way in, events on their way out to a stream and back. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  type CodecProblem,
  type DecodeFailed,
  decodeTagged,
  decodeWith,
  type Definition,
  type Definitions,
  type EncodeFailed,
  type Encoded,
  encodeTagged,
  schemaVersionOf,
  type TaggedOf,
} from './codec.js';
import type { Json } from './json.js';
import type { StreamName } from './stream.js';

type OutputOf<D> = D extends { readonly codec: { readonly _O: infer O } }
  ? O
  : D extends { readonly _O: infer O }
    ? O
    : never;
/** A command as it comes from outside, before its codec has looked at it: an ISO string where the codec makes a Date. */
export type CommandInput<Commands extends Definitions> = {
  readonly [K in keyof Commands & string]: { readonly type: K; readonly data: OutputOf<Commands[K]> };
}[keyof Commands & string];

const currentVersion = (definitions: Definitions, type: string): number =>
  Object.hasOwn(definitions, type) ? schemaVersionOf(definitions[type] as Definition) : 1;

/** Decodes a command of today's schema version, whatever it is made of. */
export const decodeCommand = <Commands extends Definitions>(
  commands: Commands,
  input: { readonly type: string; readonly data: unknown },
): E.Either<DecodeFailed, TaggedOf<Commands>> => {
  const { type, data } = input;
  const encoded = { type, schemaVersion: currentVersion(commands, type), data: data as Json };
  return decodeTagged(commands, encoded) as E.Either<DecodeFailed, TaggedOf<Commands>>;
};

const Untyped = t.type({ type: t.string, data: t.unknown });

/**
 * Takes a command of unknown make, such as the body of a request, for one of this aggregate if its codec decodes it.
 *
 * ```ts
 * const command = commandFrom(account, JSON.parse(body));
 * ```
 */
export const commandFrom = <Commands extends Definitions>(
  rules: { readonly commands: Commands },
  input: unknown,
): E.Either<DecodeFailed, CommandInput<Commands>> => {
  const untyped = decodeWith('command', Untyped, input as Json);
  if (E.isLeft(untyped)) return untyped;
  const { type, data } = untyped.right;
  const decoded = decodeCommand(rules.commands, { type, data });
  return E.isLeft(decoded) ? decoded : E.right({ type, data } as CommandInput<Commands>);
};

/** Recorded data of a stream that today's codecs do not accept: `DecodeFailed` that says where it stands. */
export interface EventDecodeFailed extends DecodeFailed {
  readonly streamName: StreamName;
  /** Version of the event in its stream. */
  readonly version: number;
}

export const decodeEvent = <Events extends Definitions>(
  events: Events,
  recorded: Encoded & Pick<EventDecodeFailed, 'streamName' | 'version'>,
): E.Either<EventDecodeFailed, TaggedOf<Events>> => {
  const decoded = decodeTagged(events, recorded);
  if (E.isRight(decoded)) return decoded as E.Right<TaggedOf<Events>>;
  const { streamName: name, version } = recorded;
  const message = `event ${version} of ${name}: ${decoded.left.message}`;
  return E.left({ ...decoded.left, streamName: name, version, message });
};

/** A decided event on its way into the stream, and what reading it back gives. */
export interface DecidedEvent<Event> {
  readonly encoded: Encoded;
  readonly event: Event;
}

/** Encodes a decided event and decodes it again: what could not be read back is refused before it is written. */
export const encodeEvent = <Events extends Definitions>(
  events: Events,
  decided: { readonly type: string; readonly data: unknown },
): E.Either<EncodeFailed, DecidedEvent<TaggedOf<Events>>> => {
  const encoded = encodeTagged(events, decided);
  if (E.isLeft(encoded)) return encoded;
  const readBack = decodeTagged(events, encoded.right);
  if (E.isRight(readBack))
    return E.right({ encoded: encoded.right, event: readBack.right as TaggedOf<Events> });
  const problems: ReadonlyArray<CodecProblem> = readBack.left.problems;
  const message = `its codec does not read back what it wrote: ${readBack.left.message}`;
  return E.left({ _tag: 'EncodeFailed', type: decided.type, problems, message });
};
