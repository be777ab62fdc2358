/** Names of leases on one stream. */
import { hashOf } from '../../core/json.js';
import type { StreamName, Tenant } from '../../core/stream.js';

/** A stream's name may fill a lease's name alone, so that a hash stands for tenant and stream. */
export const streamLeaseName = (
  purpose: 'lock' | 'merge',
  { tenant, streamName }: { readonly tenant: Tenant; readonly streamName: StreamName },
): string => `${purpose}:${hashOf([tenant, streamName])}`;
