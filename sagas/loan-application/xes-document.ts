/** The structure of a XES document: text in, finished traces out; what is not well-formed is reported with its place. */
import { SaxesParser, type SaxesTagNS } from 'saxes';
import type { Place } from './xes-bytes.js';
import { type XesError, xesError } from './xes-failure.js';
import { traceBuilder, type XesTrace } from './xes-traces.js';

export interface XesDocument extends Place {
  /** The traces that end in `text`. Throws an `XesError` when it comes to a fault. */
  readonly write: (text: string) => Iterable<XesTrace>;
  /** What is left; throws an `XesError` when the document is not complete. */
  readonly close: () => Iterable<XesTrace>;
}

/** What an open element is to this reader. The children of an attribute describe the attribute: they are `other`. */
type Role = 'log' | 'trace' | 'event' | 'attribute' | 'other';

const attributeTypes: ReadonlySet<string> = new Set([
  'string',
  'date',
  'int',
  'float',
  'boolean',
  'id',
  'list',
  'container',
]);

export function openDocument(file: string): XesDocument {
  const parser = new SaxesParser({ xmlns: true });
  const traces = traceBuilder(file);
  const roles: Role[] = [];
  let namespace = '';
  let closing: { readonly role: 'trace' | 'event'; readonly position: number } | undefined;

  const broken = (reason: string): XesError =>
    xesError({ _tag: 'XesBroken', file, line: parser.line, column: Math.max(1, parser.column), reason });

  // The parser announces that an element closes before it complains of a closing tag that is not the element's own.
  // So what closes counts only once the parser has come further: a trace cut short must not pass for a whole one.
  const settle = (): void => {
    const settled = closing;
    closing = undefined;
    if (settled !== undefined) traces.close(settled.role);
  };

  parser.on('error', (error) => {
    if (closing?.position !== parser.position) settle();
    throw broken(error.message.replace(/^\d+:\d+: /, '').replace(/\.$/, ''));
  });
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding !== undefined && !/^(utf-?8|us-ascii)$/i.test(encoding)) {
      throw broken(`the encoding ${encoding} is not read (convert it, for example with iconv -t UTF-8)`);
    }
  });
  parser.on('opentag', (tag) => {
    settle();
    const parent = roles.at(-1);
    if (parent === undefined) namespace = tag.uri;
    const role = tag.uri === namespace ? roleOf(tag, parent, broken) : 'other';
    if (role === 'trace' || role === 'event') traces.open(role, parser.line);
    if (role === 'attribute') traces.attribute(keyOf(tag, broken), tag.attributes['value']?.value ?? '');
    roles.push(role);
  });
  parser.on('closetag', () => {
    settle();
    const role = roles.pop();
    if (role === 'trace' || role === 'event') closing = { role, position: parser.position };
  });

  /** Parses a piece and hands out the traces that end in it, also those that end before a fault. */
  function* handOut(parse: () => void): Generator<XesTrace, void, undefined> {
    try {
      parse();
      settle();
    } catch (error) {
      yield* traces.take();
      throw error;
    }
    yield* traces.take();
  }
  return {
    broken,
    write: (text) => handOut(() => parser.write(text)),
    close: () => handOut(() => parser.close()),
  };
}

/** `<global>`, classifiers, extensions and attributes of the log are none of our business. */
function roleOf(tag: SaxesTagNS, parent: Role | undefined, broken: Place['broken']): Role {
  const { local } = tag;
  switch (parent) {
    case undefined:
      if (local === 'log') return 'log';
      throw broken(`the root element is <${tag.name}>, but an event log begins with <log>`);
    case 'log':
      if (local === 'event') throw broken('an <event> outside every <trace> belongs to no case');
      return local === 'trace' ? 'trace' : 'other';
    case 'trace':
      if (local === 'event') return 'event';
      return attributeTypes.has(local) ? 'attribute' : 'other';
    case 'event':
      return attributeTypes.has(local) ? 'attribute' : 'other';
    case 'attribute':
    case 'other':
      return 'other';
  }
}

function keyOf(tag: SaxesTagNS, broken: Place['broken']): string {
  const key = tag.attributes['key']?.value;
  if (key === undefined) throw broken(`a <${tag.name}> without a key`);
  return key;
}
