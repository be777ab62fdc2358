/** As much of PostgreSQL's protocol as it takes to know where a message begins and ends, in both directions. */

/** A message with its first byte as a letter; `startup` for the one message that has none. */
export interface Frame {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Cuts a stream of bytes into messages; what is not whole yet waits for the rest. */
export const frames = (isClient: boolean): ((chunk: Buffer) => ReadonlyArray<Frame>) => {
  let rest: Buffer = Buffer.alloc(0);
  let hasType = !isClient;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole: Frame[] = [];
    for (;;) {
      const typeBytes = hasType ? 1 : 0;
      if (rest.length < typeBytes + 4) return whole;
      const length = typeBytes + rest.readUInt32BE(typeBytes);
      if (rest.length < length) return whole;
      const type = hasType ? String.fromCharCode(rest[0] ?? 0) : 'startup';
      whole.push({ type, bytes: rest.subarray(0, length) });
      rest = rest.subarray(length);
      hasType = true;
    }
  };
};

/** Ends a request of the extended protocol; the server commits what ran by itself. */
export const sync = 'S';
/** A request of the simple protocol, whole in one message. */
export const query = 'Q';
/** Parse, Bind, Describe, Execute, Close: parts of a request whose end is yet to come. */
export const parts: ReadonlySet<string> = new Set(['P', 'B', 'D', 'E', 'C']);
/** `Flush`: the server tells what it has, and commits nothing. */
export const flush = Buffer.from([0x48, 0, 0, 0, 4]);

/** From the server: a statement was executed, or refused. */
export const isExecuted = ({ type }: Frame): boolean => ['C', 'E', 'I', 's'].includes(type);
/** From the server: the answer is whole. */
export const isReady = ({ type }: Frame): boolean => type === 'Z';
