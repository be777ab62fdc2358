/** Reads an event log in XES (IEEE 1849), plain or gzipped, trace by trace, so that a log of any length fits in memory. */
import { chunksOf } from './xes-bytes.js';
import { openDocument, type XesDocument } from './xes-document.js';
import { type DecodedText, utf8Decoder } from './xes-text.js';
import type { XesTrace } from './xes-traces.js';

export type {
  XesBroken,
  XesError,
  XesEventWithoutName,
  XesFailure,
  XesTimestampInvalid,
  XesTraceWithoutName,
  XesUnreadable,
} from './xes-failure.js';
export type { XesEvent, XesTrace } from './xes-traces.js';

/**
 * The traces of the log at `path`, in the order of the file. Whether the file is gzipped is seen from its first byte,
 * not from its name. One chunk of the file and the traces that end in it are held at a time; nothing is read ahead of
 * the consumer, and leaving the loop early closes the file.
 *
 * What is wrong with the file is thrown as an `XesError`: an `Error` with one readable line as its message and the
 * tagged value (`XesFailure`) as `tagged`. The traces before a fault in the text have been handed out by then; a
 * damaged gzip file may hand out fewer, since what was unpacked last is given up with it.
 */
export async function* readXes(path: string): AsyncGenerator<XesTrace, void, undefined> {
  const document = openDocument(path);
  const decode = utf8Decoder();
  for await (const chunk of chunksOf(path, document)) yield* tracesIn(document, decode(chunk));
  yield* tracesIn(document, decode(undefined));
  yield* document.close();
}

function* tracesIn(
  document: XesDocument,
  { text, isUtf8 }: DecodedText,
): Generator<XesTrace, void, undefined> {
  yield* document.write(text);
  if (!isUtf8) throw document.broken('the text is not UTF-8 (convert it, for example with iconv -t UTF-8)');
}
