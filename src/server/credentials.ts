/** Who may connect: TLS, and names with passwords; without both a server is only there for its own machine. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type * as Grpc from '@grpc/grpc-js';
import * as E from 'fp-ts/lib/Either.js';

/** PEM texts. */
export interface TlsOptions {
  /** The server's certificate, with those between it and its authority. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** One who may do everything that the server does. */
export interface User {
  /** 1 character or more, without `:`. */
  readonly name: string;
  readonly password: string;
}

export interface Access {
  /** Default: none, connections are not encrypted. */
  readonly tls?: TlsOptions;
  /** Default: none, everyone who can connect may do everything. */
  readonly users?: ReadonlyArray<User>;
}

/**
 * The server would be open to other machines without TLS or without users. Nothing was opened. Give both, or a host that only
 * this machine can reach: 127.0.0.1, ::1 or localhost.
 */
export interface AccessUnsafe {
  readonly _tag: 'AccessUnsafe';
  readonly host: string;
  readonly message: string;
}

/** A certificate, key or user cannot be used. Nothing was opened. Mend what `message` names. */
export interface AccessInvalid {
  readonly _tag: 'AccessInvalid';
  readonly message: string;
}

const isLoopback = (host: string): boolean =>
  ['localhost', '::1', '[::1]'].includes(host.toLowerCase()) || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);

const userProblem = (users: ReadonlyArray<User>): string | undefined => {
  if (users.length === 0) return 'the list of users is empty: nobody could connect';
  const names = new Set(users.map(({ name }) => name));
  if (names.size < users.length) return 'a user is named twice';
  if (names.has('') || [...names].some((name) => name.includes(':')))
    return 'the name of a user is empty or holds a colon';
  if (users.some(({ password }) => password === '')) return 'the password of a user is empty';
  return undefined;
};

/** Whether a server may listen at `host`; asked before anything is opened. */
export const checkAccess = (
  host: string,
  { tls, users }: Access,
): E.Either<AccessUnsafe | AccessInvalid, void> => {
  const problem = users === undefined ? undefined : userProblem(users);
  if (problem !== undefined) return E.left({ _tag: 'AccessInvalid', message: problem });
  const missing = [...(tls === undefined ? ['TLS'] : []), ...(users === undefined ? ['users'] : [])];
  if (missing.length === 0 || isLoopback(host)) return E.right(undefined);
  const message = `listening at ${host} needs ${missing.join(' and ')}: without, only this machine may connect (127.0.0.1, ::1 or localhost)`;
  return E.left({ _tag: 'AccessUnsafe', host, message });
};

/** What the port is opened with. */
export const serverCredentialsOf = (
  grpc: typeof Grpc,
  { tls }: Access,
): E.Either<AccessInvalid, Grpc.ServerCredentials> => {
  if (tls === undefined) return E.right(grpc.ServerCredentials.createInsecure());
  const pair = { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) };
  return E.tryCatch(
    () => {
      // Looked at now: gRPC reads them only when the port is opened.
      createSecureContext({ cert: pair.cert_chain, key: pair.private_key });
      return grpc.ServerCredentials.createSsl(null, [pair]);
    },
    // OpenSSL's own words may show parts of the key.
    () => ({ _tag: 'AccessInvalid', message: 'the TLS certificate and key cannot be used together as PEM' }),
  );
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Name and password of a basic authorization; undefined where it is none. */
const credentialsIn = (header: unknown): readonly [name: string, password: string] | undefined => {
  const encoded = typeof header === 'string' ? /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header)?.[1] : undefined;
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
};

/** The name that a call gives; `anonymous` where it gives none. */
export const userNameOf = (metadata: Grpc.Metadata): string =>
  credentialsIn(metadata.get('authorization')[0])?.[0] ?? 'anonymous';

/** Clients ask these before they have shown who they are: where the leader is, and what the server can do. */
const isOpenToAll = (path: string): boolean =>
  /\.Gossip\/Read$|\.ServerFeatures\/GetSupportedMethods$/.test(path);

/** Lets calls of known users pass; `undefined` where everyone may. */
export const accessInterceptor = (
  grpc: typeof Grpc,
  { users }: Access,
): Grpc.ServerInterceptor | undefined => {
  if (users === undefined) return undefined;
  const known = new Map(users.map(({ name, password }) => [name, digest(password)]));
  const nobody = digest('');
  const isKnown = (header: unknown): boolean => {
    const [name, password] = credentialsIn(header) ?? ['', ''];
    const expected = known.get(name);
    // Compared in any case, so that the time says nothing about names.
    return timingSafeEqual(digest(password), expected ?? nobody) && expected !== undefined;
  };
  return (method, call) =>
    new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            if (isOpenToAll(method.path) || isKnown(metadata.get('authorization')[0]))
              return proceed(metadata);
            const trailers = new grpc.Metadata();
            trailers.set('exception', 'access-denied');
            call.sendStatus({
              code: grpc.status.UNAUTHENTICATED,
              details: 'Access denied: name and password are unknown here.',
              metadata: trailers,
            });
          },
        }),
    });
};
