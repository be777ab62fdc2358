// Every check there is. This file loads no client: the names are needed where none is.
import { appendErrorChecks } from './append-errors.mjs';
import { appendChecks } from './append.mjs';
import { connectionChecks } from './connection.mjs';
import { deleteChecks } from './delete.mjs';
import { floodChecks } from './flood.mjs';
import { metadataChecks } from './metadata.mjs';
import { persistentAdminChecks } from './persistent-admin.mjs';
import { persistentConsumeChecks } from './persistent-consume.mjs';
import { persistentParkChecks } from './persistent-park.mjs';
import { persistentStrategyChecks } from './persistent-strategies.mjs';
import { readAllChecks } from './read-all.mjs';
import { readStreamChecks } from './read-stream.mjs';
import { subscribeAllChecks } from './subscribe-all.mjs';
import { subscribeStreamChecks } from './subscribe-stream.mjs';
import { systemChecks } from './system.mjs';

export const checks = [
  ...appendChecks,
  ...appendErrorChecks,
  ...floodChecks,
  ...readStreamChecks,
  ...readAllChecks,
  ...subscribeStreamChecks,
  ...subscribeAllChecks,
  ...deleteChecks,
  ...metadataChecks,
  ...systemChecks,
  ...connectionChecks,
  ...persistentAdminChecks,
  ...persistentConsumeChecks,
  ...persistentStrategyChecks,
  ...persistentParkChecks,
];
