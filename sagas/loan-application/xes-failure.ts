/** Everything that can be wrong with an event log, each as a tagged value and as one line for people. */

/** The file could not be read: it is not there, is a directory or is not permitted. Nothing was read. Check the path. */
export interface XesUnreadable {
  readonly _tag: 'XesUnreadable';
  readonly file: string;
  /** The code of the operating system, for example `ENOENT`. */
  readonly code: string;
}

/** The file is no well-formed XES, or damaged gzip. Earlier traces may have been handed out. Mend it or export it again. */
export interface XesBroken {
  readonly _tag: 'XesBroken';
  readonly file: string;
  /** How far reading came. The first line is 1; in a gzipped file, lines of the unpacked text. */
  readonly line: number;
  /** The first column is 1; counts characters. */
  readonly column: number;
  readonly reason: string;
}

/** A trace has no `concept:name`, so its case cannot be told from others. Earlier traces were handed out. Name it. */
export interface XesTraceWithoutName {
  readonly _tag: 'XesTraceWithoutName';
  readonly file: string;
  /** Where the trace begins. */
  readonly line: number;
  /** The first trace of the file is 1. */
  readonly traceNumber: number;
}

/** An event has no `concept:name`, so nobody knows what happened. Earlier traces were handed out. Name it. */
export interface XesEventWithoutName {
  readonly _tag: 'XesEventWithoutName';
  readonly file: string;
  /** Where the event begins. */
  readonly line: number;
  /** The name of the event's trace, or `#n` for the n-th trace of the file while its name is not known. */
  readonly trace: string;
  /** The first event of the trace is 1. */
  readonly eventNumber: number;
}

/** An event's `time:timestamp` is missing or is no date and time. Earlier traces were handed out. Correct the value. */
export interface XesTimestampInvalid {
  readonly _tag: 'XesTimestampInvalid';
  readonly file: string;
  /** Where the event begins. */
  readonly line: number;
  readonly trace: string;
  readonly eventNumber: number;
  /** What stands there; undefined when the event has no `time:timestamp`. */
  readonly value: string | undefined;
}

export type XesFailure =
  | XesUnreadable
  | XesBroken
  | XesTraceWithoutName
  | XesEventWithoutName
  | XesTimestampInvalid;

/** What `readXes` throws: an Error that carries the tagged value. */
export type XesError = Error & { readonly tagged: XesFailure };

export function xesError(tagged: XesFailure): XesError {
  return Object.assign(new Error(describe(tagged)), { tagged });
}

function describe(failure: XesFailure): string {
  const file = visible(failure.file);
  switch (failure._tag) {
    case 'XesUnreadable':
      return `${file}: cannot be read: ${adviceOnCode(failure.code)}`;
    case 'XesBroken':
      return (
        `${file}:${failure.line}:${failure.column}: not well-formed XES: ${visible(failure.reason)}; ` +
        'mend the file at that place or export the log again.'
      );
    case 'XesTraceWithoutName':
      return (
        `${file}:${failure.line}: trace #${failure.traceNumber} has no name; ` +
        'give it an attribute <string key="concept:name" value="..."/>.'
      );
    case 'XesEventWithoutName':
      return (
        `${file}:${failure.line}: event #${failure.eventNumber} of trace ${quoted(failure.trace)} has no name; ` +
        'give it an attribute <string key="concept:name" value="..."/>.'
      );
    case 'XesTimestampInvalid':
      return (
        `${file}:${failure.line}: event #${failure.eventNumber} of trace ${quoted(failure.trace)} has ` +
        `${failure.value === undefined ? 'no time:timestamp' : `the time:timestamp ${quoted(failure.value)}, which is none`}; ` +
        'write it like 2024-05-17T09:30:00.000+02:00.'
      );
  }
}

function adviceOnCode(code: string): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no such file; check the path.';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied; let this user read it.';
    case 'EISDIR':
      return 'it is a directory; name the .xes or .xes.gz file in it.';
    default:
      return `the system says ${visible(code)}; check the path and the disk.`;
  }
}

const shownCharactersMax = 80;

function quoted(value: string): string {
  const cut = Array.from(value.slice(0, 2 * shownCharactersMax))
    .slice(0, shownCharactersMax)
    .join('');
  return `"${visible(cut)}${cut.length < value.length ? '...' : ''}"`;
}

/** Line breaks, terminal escapes and invisible characters of a file or a path must not reach a terminal as they are. */
function visible(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
