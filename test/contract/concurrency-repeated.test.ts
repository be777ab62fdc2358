/**
 * The concurrent part of the store contract many times in a row on warmed stores: what races once in thirty runs is found. Where
 * one process has the store, or serves it over what it has in memory, calls meet in one order, and fewer runs say as much.
 */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { eventStoreConcurrencyContract } from '../../src/testing/contract.js';
import { allSubjects, postgresSubject } from '../support/subjects.js';

for (const subject of allSubjects) {
  const repeat = subject === postgresSubject ? 50 : 12;
  eventStoreConcurrencyContract(subject, { describe, it, beforeAll, afterAll }, repeat);
}
