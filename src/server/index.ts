/**
 * A server that speaks the gRPC protocol of EventStoreDB over any store, so that every client of that database works on a store in
 * memory, an embedded database or a PostgreSQL.
 */
export { type AddressUnavailable, type Serving, serve, type ServeError, type ServeOptions } from './serve.js';
export type { AccessInvalid, AccessUnsafe, TlsOptions, User } from './credentials.js';
export type { ServerModulesMissing } from './loading.js';
