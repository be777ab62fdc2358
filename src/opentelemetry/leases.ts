/** Leases, observed. Their names may hold names of streams, and are told only where those may be. */
import type { Attributes } from '@opentelemetry/api';
import { scopeLeaseName } from '../store/lease-scopes.js';
import type { AcquireRequest, Leases } from '../store/leases.js';
import { attribute } from './names.js';
import type { Observe } from './observe-port.js';
import type { Telemetry } from './telemetry.js';

/** Its name, whatever it was given: it is checked by the store. */
const nameOf = ({ name, scope }: AcquireRequest): { readonly name?: string } =>
  Array.isArray(scope) ? { name: scopeLeaseName(scope.map(String)) } : name === undefined ? {} : { name };

export const observedLeases = ({ streamNames }: Telemetry, leases: Leases, observeOne: Observe): Leases => {
  const detailsOf = (lease: { readonly name?: unknown } | undefined): { readonly details: Attributes } => ({
    details: streamNames && typeof lease?.name === 'string' ? { [attribute.lease]: lease.name } : {},
  });
  return {
    ...leases,
    acquire: (request) => observeOne('acquireLease', detailsOf(nameOf(request)), leases.acquire(request)),
    renew: (lease, ttlMs) => observeOne('renewLease', detailsOf(lease), leases.renew(lease, ttlMs)),
    release: (lease) => observeOne('releaseLease', detailsOf(lease), leases.release(lease)),
  };
};
