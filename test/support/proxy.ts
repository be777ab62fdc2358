/** A TCP proxy before PostgreSQL that breaks the connection at the next append, at a chosen moment. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * - `before the request`: the server never sees it.
 * - `during the request`: it is forwarded, and the client is cut off at once.
 * - `before the answer`: the server has committed and answered; the client is told nothing.
 * - `late request`: the client is cut off at once; the server sees the request only after `lateMs`.
 */
export type Cut = 'before the request' | 'during the request' | 'before the answer' | 'late request';

export const cuts: ReadonlyArray<Cut> = [
  'before the request',
  'during the request',
  'before the answer',
  'late request',
];

export const lateMs = 300;

export interface Proxy {
  readonly url: string;
  /** Breaks the connection of the next append, once; new connections then wait until `meanwhile` is done. */
  readonly cutNext: (cut: Cut, meanwhile?: () => Promise<void>) => void;
  /** Refuses all connections from now on, or takes them again. */
  readonly refuse: (refuses: boolean) => void;
  /** How many connections were broken. */
  readonly count: () => number;
  /** Resolves when every request that was held back has been answered by the server. */
  readonly settled: () => Promise<void>;
  readonly close: () => Promise<void>;
}

// The statement's text when it is prepared, its name afterwards.
const appends = /append_?events/i;

/**
 * `breaks`: which statements count as an append. `gatherMs`: how long to wait for the rest of a request that comes in several pieces; 0 takes the
 * first piece for all of it.
 */
export const startProxy = async (target: string, breaks = appends, gatherMs = 0): Promise<Proxy> => {
  const isAppend = (chunk: Buffer): boolean => breaks.test(chunk.toString('latin1'));
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const held = new Set<Promise<void>>();
  let next: Cut | undefined;
  let refuses = false;
  let count = 0;
  let meanwhile: () => Promise<void> = async () => undefined;
  let gate: Promise<void> = Promise.resolve();

  const forwardLate = (server: Socket, chunk: Buffer): void => {
    const answered = new Promise<void>((resolve) => {
      setTimeout(() => {
        server.once('data', () => resolve());
        server.once('close', () => resolve());
        server.write(chunk);
      }, lateMs);
    });
    held.add(answered);
    void answered.then(() => server.destroy());
  };

  const onConnection = (client: Socket): void => {
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    if (refuses) {
      client.destroy();
      server.destroy();
      return;
    }
    let mutes = false;
    let isCut = false;
    let gathered: Buffer[] | undefined;
    client.pause();
    void gate.then(() => client.resume());
    client.on('data', (chunk) => {
      if (isCut) return;
      if (gathered !== undefined) return void gathered.push(chunk);
      if (next === undefined || !isAppend(chunk)) {
        server.write(chunk);
        return;
      }
      const cut = next;
      next = undefined;
      count += 1;
      if (gatherMs === 0) return breakOff(cut, chunk);
      const pieces = [chunk];
      gathered = pieces;
      setTimeout(() => {
        gathered = undefined;
        breakOff(cut, Buffer.concat(pieces));
      }, gatherMs);
    });
    const breakOff = (cut: Cut, chunk: Buffer): void => {
      if (cut === 'before the answer') {
        mutes = true;
        server.write(chunk);
        return;
      }
      isCut = true;
      gate = meanwhile();
      client.destroy();
      if (cut === 'late request') forwardLate(server, chunk);
      else if (cut === 'during the request') server.end(chunk);
      else server.destroy();
    };
    server.on('data', (chunk) => {
      if (mutes) {
        gate = meanwhile();
        client.destroy();
        server.destroy();
      } else if (!isCut) client.write(chunk);
    });
    client.on('close', () => {
      if (!isCut) server.destroy();
    });
    server.on('close', () => client.destroy());
  };

  const listener = createServer(onConnection);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((listener.address() as AddressInfo).port);
  return {
    url: url.href,
    cutNext: (cut, during = async () => undefined) => {
      next = cut;
      meanwhile = during;
    },
    refuse: (value) => {
      refuses = value;
      if (value) for (const socket of sockets) socket.destroy();
    },
    count: () => count,
    settled: async () => {
      await Promise.all(held);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
};
