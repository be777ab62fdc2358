/** The clients that the suite knows. */
export const clientKinds: ReadonlyArray<string>;

/** A server as far as checks depend on it. */
export interface ServerTraits {
  /** It is ours. */
  readonly own: boolean;
  /** Whoever runs the checks can restart it. */
  readonly restart: boolean;
  /** It knows who may connect, and the connection string says who does. */
  readonly users: boolean;
}

/** `restart` is by default what `own` is. */
export const serverTraits: (
  connectionString: string,
  known: { readonly own: boolean; readonly restart?: boolean },
) => ServerTraits;

/** Why a check is not made with this client on this server; `undefined` where it is. */
export const lackOf: (
  check: { readonly needs?: string },
  kind: string,
  server: ServerTraits,
) => string | undefined;
