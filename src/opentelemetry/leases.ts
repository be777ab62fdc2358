/** Leases, observed. Their names may hold names of streams, and are told only where those may be. */
import type { Attributes } from '@opentelemetry/api';
import type { Leases } from '../store/leases.js';
import { attribute } from './names.js';
import type { Observe } from './observe-port.js';
import type { Telemetry } from './telemetry.js';

export const observedLeases = ({ streamNames }: Telemetry, leases: Leases, observeOne: Observe): Leases => {
  const detailsOf = (lease: { readonly name?: unknown } | undefined): { readonly details: Attributes } => ({
    details: streamNames && typeof lease?.name === 'string' ? { [attribute.lease]: lease.name } : {},
  });
  return {
    ...leases,
    acquire: (request) => observeOne('acquireLease', detailsOf(request), leases.acquire(request)),
    renew: (lease, ttlMs) => observeOne('renewLease', detailsOf(lease), leases.renew(lease, ttlMs)),
    release: (lease) => observeOne('releaseLease', detailsOf(lease), leases.release(lease)),
  };
};
