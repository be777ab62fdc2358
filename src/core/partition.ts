/** Which partition a key belongs to: the same on every process, for any number of partitions. */
import { hash } from 'node:crypto';
import type { Tenant } from './stream.js';

/** Keys are spread over this many slots, and slots over partitions: so that the number of partitions can change. */
export const slotsCount = 1_024;

/** 0 to 1,023. */
export const slotOf = (tenant: Tenant, key: string): number =>
  Number.parseInt(hash('sha256', JSON.stringify([tenant, key])).slice(0, 8), 16) % slotsCount;

/** 0 to `partitions` - 1; `partitions` is 1 to 1,024. */
export const partitionOf = (tenant: Tenant, key: string, partitions: number): number =>
  slotOf(tenant, key) % partitions;
