/** A proxy before PostgreSQL that knows the protocol, and cuts connections at chosen places of a request. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { type Frame, flush, frames, isExecuted, isReady, parts, query, sync } from './wire.js';

/**
 * - `before parse`: the server never sees the request.
 * - `after execute`: the server has executed it and waits for the end of the request, at which it would commit; it never comes.
 * - `after commit`: the end of the request is sent, and with it the commit; the connection is gone before any answer.
 * - `during the answer`: the server has committed and answered; a part of the answer arrives.
 */
export const places = ['before parse', 'after execute', 'after commit', 'during the answer'] as const;
export type Place = (typeof places)[number];

export interface CuttingProxy {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Where to cut a request, of which the text is given as it goes over the wire; `undefined` lets it pass. */
export type Choose = (request: string) => Place | undefined;

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly random: () => number;
}

/** What the server's bytes are used for, once a request is to be cut. */
type OnAnswer = (frame: Frame) => void;

const cutBoth = ({ client, server }: Pair): void => {
  client.destroy();
  server.destroy();
};

/** Sends the request up to the chosen place, and cuts there. Answers what to do with what the server says. */
const cutAt = (place: Place, pair: Pair, request: ReadonlyArray<Frame>): OnAnswer => {
  const { client, server, random } = pair;
  const all = Buffer.concat(request.map(({ bytes }) => bytes));
  switch (place) {
    case 'before parse':
      cutBoth(pair);
      return () => undefined;
    case 'after execute': {
      // A request of the simple protocol has no end of its own to be kept back.
      const isExtended = request.at(-1)?.type === sync;
      const held = Buffer.concat(request.slice(0, -1).map(({ bytes }) => bytes));
      server.write(isExtended ? Buffer.concat([held, flush]) : all);
      return (frame) => {
        if (isExecuted(frame)) cutBoth(pair);
      };
    }
    case 'after commit':
      server.end(all);
      client.destroy();
      return () => undefined;
    case 'during the answer': {
      const answer: Buffer[] = [];
      server.write(all);
      return (frame) => {
        answer.push(frame.bytes);
        if (!isReady(frame)) return;
        const whole = Buffer.concat(answer);
        const part = 1 + Math.floor((whole.length - 1) * random());
        client.end(whole.subarray(0, part), () => client.destroy());
        server.destroy();
      };
    }
  }
};

const serve = (pair: Pair, choose: Choose): void => {
  const { client, server } = pair;
  const asked = frames(true);
  const answered = frames(false);
  let request: Frame[] = [];
  let onAnswer: OnAnswer | undefined;
  client.on('data', (chunk) => {
    for (const frame of asked(chunk)) {
      if (onAnswer !== undefined) return;
      request.push(frame);
      if (parts.has(frame.type)) continue;
      const bytes = Buffer.concat(request.map((one) => one.bytes));
      const place = [sync, query].includes(frame.type) ? choose(bytes.toString('latin1')) : undefined;
      if (place === undefined) server.write(bytes);
      else onAnswer = cutAt(place, pair, request);
      request = [];
    }
  });
  server.on('data', (chunk) => {
    if (onAnswer === undefined) client.write(chunk);
    const told = answered(chunk);
    for (const frame of told) onAnswer?.(frame);
  });
  client.on('close', () => {
    // After `after commit` the server reads what it was sent to its end.
    if (!server.writableEnded) server.destroy();
  });
  server.on('close', () => {
    if (!client.writableEnded) client.destroy();
  });
};

/** Starts the proxy before the server of a URL. */
export const startCuttingProxy = async (
  target: string,
  choose: Choose,
  random: () => number,
): Promise<CuttingProxy> => {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    serve({ client, server, random }, choose);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((listener.address() as AddressInfo).port);
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => listener.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { url: url.href, close };
};
